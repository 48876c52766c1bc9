"""Coefficients of many sets as one table: for a report (LaTeX, Markdown) and for programs (ECSV)."""

import io
import re
from math import floor, log10

import numpy as np
from astropy.table import Table

__all__ = ["FORMATS", "coefficient_table", "table_text"]

FORMATS = ("latex", "markdown", "csv", "ecsv")

_POWERS = [(i, j) for i in range(3) for j in range(3)]
_SET = ("target", "filter", "length", "flashlvl", "kind", "aperture", "epoch_mjd")
_LENGTHS = {"s": "short", "l": "long"}


def coefficient_table(coefficients):
    """A row per set and epoch: what it is of, and the nine coefficients with their standard errors.

    Parameters
    ----------
    coefficients : sequence of `records.Coefficients`

    Returns
    -------
    table : `astropy.table.Table`
        Columns target, filter, length, flashlvl [e-/px], kind (FLT or FLC), aperture [px], epoch_mjd, unit of the loss,
        background [e-/px], rank, and c00, c00_err, ... c22, c22_err; in order of the first seven. Where not all are
        nominal, subset in words.
    """
    rows = [_row(one) for one in coefficients]
    table = Table(rows=rows) if rows else Table(names=_SET)
    table.sort(list(_SET))
    if len(table) and not any(table["subset"]):
        del table["subset"]
    table.meta = {
        "model": "S(d, f) = sum over i, j of c_ij d^i f^j; d = MJD - 55400; f = log10 of the flux [e-] at half a chip",
        "errors": "standard errors",
    }
    return table


def _row(one):
    surface = one.surface
    row = {
        "target": one.target,
        "filter": one.filter,
        "length": _LENGTHS[one.length],
        "flashlvl": one.flashlvl,
        "kind": "FLC" if one.ctecorr else "FLT",
        "aperture": one.aperture,
        "epoch_mjd": one.epoch_mjd,
        "subset": one.subset,
        "unit": {"mag": "mag / 2051 px", "flux": "flux fraction / 2048 px"}[surface.unit],
        "background": one.background,
        "rank": surface.rank,
    }
    for i, j in _POWERS:
        row |= {f"c{i}{j}": surface.coefficients[i, j], f"c{i}{j}_err": surface.errors[i, j]}
    return row


def table_text(table, form):
    """The table as text.

    Parameters
    ----------
    table : `astropy.table.Table`
        Of `coefficient_table`.
    form : {'latex', 'markdown', 'csv', 'ecsv'}
    """
    if form in ("csv", "ecsv"):
        text = io.StringIO()
        table.write(text, format=f"ascii.{form}")
        return text.getvalue()
    names = [*("set", "MJD"), *(f"c{i}{j}" for i, j in _POWERS)]
    cells = [_cells(row, form) for row in table]
    return _markdown(names, cells) if form == "markdown" else _latex(cells, table)


def _set_of(row):
    flash = f"pf{row['flashlvl']:g}"
    subset = f" ({row['subset']})" if "subset" in row.colnames and row["subset"] else ""
    return f"{row['target']} {row['filter']} {row['length']} {flash} {row['kind']} r={row['aperture']:g}{subset}"


def _cells(row, form):
    return [_escaped(_set_of(row), form), f"{row['epoch_mjd']:.0f}", *(_value(row, i, j, form) for i, j in _POWERS)]


def _escaped(text, form):
    """A text from a coefficient file, which anybody may have written, as text and not as a command."""
    if form == "markdown":
        return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", text)
    commands = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return re.sub(r"[\\~^&%$#_{}]", lambda one: commands.get(one[0], f"\\{one[0]}"), text)


def _value(row, i, j, form):
    """Value and error, such as (5.7758 +- 0.1558) x 10^-1.

    With four digits of the error: coefficients are so strongly correlated that the loss is a hundred times as certain.
    """
    value, error = float(row[f"c{i}{j}"]), float(row[f"c{i}{j}_err"])
    if value == 0 and error == 0:
        return "$0$" if form == "latex" else "0"
    power = floor(log10(max(abs(value), error)))
    digits = max(power - floor(log10(error)) + 3, 0) if error > 0 and np.isfinite(error) else 5
    digits = min(digits, 9)
    scaled = f"{value / 10**power:.{digits}f}", f"{error / 10**power:.{digits}f}"
    if form == "latex":
        return rf"$({scaled[0]} \pm {scaled[1]})\times10^{{{power}}}$"
    return f"({scaled[0]} ± {scaled[1]})e{power:+03d}"


def _markdown(names, cells):
    lines = [names, ["---"] * len(names), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _latex(cells, table):
    names = ["set", "MJD", *(f"$c_{{{i}{j}}}$" for i, j in _POWERS)]
    units = ", ".join(sorted(set(table["unit"]))) if len(table) else "mag / 2051 px"
    return "\n".join(
        [
            r"\begin{tabular}{l" + "r" * (len(names) - 1) + "}",
            rf"% S(d, f) = \sum c_{{ij}} d^i f^j in {units}; d = MJD - 55400, f = \log_{{10}} flux; standard errors",
            r"\hline",
            " & ".join(names) + r" \\",
            r"\hline",
            *(" & ".join(line) + r" \\" for line in cells),
            r"\hline",
            r"\end{tabular}",
            "",
        ]
    )
