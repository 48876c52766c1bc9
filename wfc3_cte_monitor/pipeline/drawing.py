"""A figure to be drawn by whoever is free, with what it shows."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from astropy.table import Table

from wfc3_cte_monitor import outputs
from wfc3_cte_monitor.records import ExposureSet
from wfc3_cte_monitor.settings import Settings

__all__ = ["Drawing", "draw", "save"]


@dataclass(frozen=True)
class Drawing:
    """A figure of many pairs to draw, with the tables and coefficients beside it."""

    kind: str
    """As `--pl` names it."""
    draw: Callable
    """A function of a module, so that a worker process can run it; returns the paths of what it wrote."""
    subject: tuple | ExposureSet
    """What is drawn."""
    aperture: float
    losses: Table
    settings: Settings
    path: Path
    """Of the figure."""
    fingerprint: str


def draw(drawing):
    """Draw one figure; a function of the module, so that a worker process can run it.

    Returns
    -------
    paths : list of `pathlib.Path`
        What was written.
    """
    return drawing.draw(drawing)


def save(figure, path):
    """Save a figure for the screen (PNG) and for paper (PDF).

    Parameters
    ----------
    figure : `matplotlib.figure.Figure`
    path : `pathlib.Path`
        Of the PNG; the PDF comes beside it.

    Returns
    -------
    paths : list of `pathlib.Path`
        What was written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    paths = [path.with_suffix(suffix) for suffix in (".png", ".pdf")]
    for one in paths:
        _save_as(figure, one, one.suffix[1:])
    return paths


def _save_as(figure, path, form):
    # Without the time in it, a figure that is drawn again is the same file.
    metadata = {"CreationDate": None} if form == "pdf" else {}
    outputs.replace_file(path, lambda new: figure.savefig(new, dpi=120, format=form, metadata=metadata))
