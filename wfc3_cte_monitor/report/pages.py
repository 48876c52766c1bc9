"""Pages from templates, and what lies beside them."""

from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.metadata import version
from importlib.resources import files

import jinja2
import numpy as np

from wfc3_cte_monitor.records import bin_label, mjd_to_year

__all__ = ["assets", "page", "plotting_library"]

_MINUS = "\N{MINUS SIGN}"
_NOTHING = "\N{EN DASH}"
_MJD_ZERO = datetime(1858, 11, 17, tzinfo=UTC)


@cache
def assets():
    """Styles and scripts of the pages: name of the file -> text."""
    folder = files("wfc3_cte_monitor.report") / "assets"
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.is_file()}


def plotting_library():
    """Plotly's script as the installed package has it, so that the page asks nobody for it.

    Returns
    -------
    name : str
        Of the file, with the version.
    read : callable
        Gives the text, of five million characters.
    """
    from plotly.offline import get_plotlyjs  # Here: only who makes a page waits for it.

    return f"plotly-{version('plotly')}.min.js", get_plotlyjs


def page(template, **content):
    """A page of the report.

    Parameters
    ----------
    template : str
        Name of a file in ``templates``.
    **content
        What it shows. Texts are escaped, wherever they come from.

    Returns
    -------
    text : str
    """
    return _environment().get_template(template).render(**content)


@cache
def _environment():
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("wfc3_cte_monitor.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "fixed": _fixed,
        "signed": _signed,
        "scientific": _scientific,
        "date": _date,
        "year": _year,
        "size": _size,
    }
    environment.globals |= {"bin_label": bin_label}
    return environment


def _is_number(value):
    return value is not None and np.isfinite(value)


def _fixed(value, digits=3):
    """'−0.012'; a dash where there is no number."""
    return f"{value:.{digits}f}".replace("-", _MINUS) if _is_number(value) else _NOTHING


def _signed(value, digits=3):
    """'+0.012'"""
    return f"{value:+.{digits}f}".replace("-", _MINUS) if _is_number(value) else _NOTHING


def _scientific(value):
    return f"{value:.4e}".replace("-", _MINUS) if _is_number(value) else _NOTHING


def _date(mjd):
    """'2016-08-21'"""
    return f"{_MJD_ZERO + timedelta(days=float(mjd)):%Y-%m-%d}" if _is_number(mjd) else _NOTHING


def _year(mjd):
    """'2016.64'"""
    return f"{mjd_to_year(mjd):.2f}" if _is_number(mjd) else _NOTHING


def _size(n_bytes):
    """'12.3 MB'"""
    for unit in ("B", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} GB"
