"""Step 5: what is in the database and the newest results becomes the web page."""

import json
import logging
from datetime import UTC, datetime
from itertools import groupby

import numpy as np

from wfc3_cte_monitor import __version__, outputs, report
from wfc3_cte_monitor.errors import MonitorError, place_and_reason
from wfc3_cte_monitor.pipeline.losses import losses_of, mean_epoch
from wfc3_cte_monitor.pipeline.pair_pages import (
    SetOfPairs,
    build_pair_pages,
    pairs_of_set,
    title_of_set,
    write_page,
)
from wfc3_cte_monitor.pipeline.report_figures import is_of, link_figures, pictures_of
from wfc3_cte_monitor.pipeline.report_numbers import coefficient_content, glance, health
from wfc3_cte_monitor.pipeline.sharing import shareable, shareable_command
from wfc3_cte_monitor.records import ExposureSet, bin_label
from wfc3_cte_monitor.surface import finest_bins
from wfc3_cte_monitor.uvis import SAME_CHIP_TARGET

__all__ = ["make_report"]

log = logging.getLogger(__name__)

_RUN = "run.json"


def make_report(database, request, settings, summary, cluster=None):
    """Write the web page, and copy it where results are copied; what fails is noted and costs the run nothing else.

    Parameters
    ----------
    database : `database.Database`
    request : `pipeline.request.Request`
    settings : `settings.Settings`
    summary : `pipeline.request.Summary`
        Of a run that is recorded, which the page then tells of; else the page repeats what it told of the last one.
    cluster : `pipeline.cluster.Cluster`, optional

    Returns
    -------
    path : `pathlib.Path` or None
        Of the first page.
    """
    folder = settings.path_to_finalresults / outputs.REPORT
    try:
        outputs.make_folder(folder)
        _write_report(folder, database, request, settings, summary, cluster)
        if request.copy_outputs and settings.path_to_copies:
            outputs.copy_changed(folder, outputs.make_folder(settings.path_to_copies / outputs.REPORT))
    except (MonitorError, OSError) as error:
        problem = f"report: {place_and_reason(error) if isinstance(error, OSError) else error}"
        log.error("failed: %s", problem)
        summary.fail(problem)
        return None
    return folder / "index.html"


def _write_report(folder, database, request, settings, summary, cluster):
    sets = _sets(database, settings)
    names = link_figures(folder, settings)
    coefficients = _coefficients(folder, names)
    fixed = {
        "root": "../",
        "software": f"wfc3_cte_monitor {__version__}",
        "made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "version": f"{datetime.now(UTC):%Y%m%d%H%M%S}",
    }
    # Without the time, so that the page of a pair that has not changed stays the file that it was.
    build_pair_pages(
        sets, folder, database, settings, fixed | {"made": "with the pair", "version": ""}, request, summary, cluster
    )
    pictures = pictures_of(sets, names, settings)
    for one in sets:
        of_set = [p for p in pictures if p["subject"] in (one.subject, None) and is_of(p, one.subject)]
        write_page(folder / one.page, _set_page(one, of_set, settings, fixed))
    for path in {*(folder / "sets").glob("*.html")} - {folder / one.page for one in sets}:
        path.unlink()
    nominal = [one for one in sets if one.subject.target != SAME_CHIP_TARGET]
    losses = _explorer_data(nominal, settings)
    published = [report.coefficient_data(one) for _, one in coefficients]
    told = _told(folder, losses, published, database, settings, summary)
    _write_scripts(folder, losses, published, pictures)
    library = _write_assets(folder)
    page = report.page(
        "index.html",
        **fixed | {"root": ""},
        title="WFC3/UVIS external CTE monitor",
        library=library,
        **glance(nominal, folder, settings),
        sets=[_entry(one) for one in sets],
        **coefficient_content(coefficients, settings),
        **told,
        database=health(database, settings),
    )
    write_page(folder / "index.html", page)


# ---- What there is ---------------------------------------------------------------------------------------------------


def _sets(database, settings):
    """The `SetOfPairs` of all clusters, in order."""
    found = []
    for target in settings.target_list:
        for values in sorted(database.exposure_sets(target)):
            subject = ExposureSet(target, *values)
            losses = {aperture: losses_of(subject, aperture, database, settings) for aperture in settings.aprads}
            table = losses[settings.aprads[0]]
            exposures = database.exposures(target, {int(program) for program in table["proposid"]})
            pairs = pairs_of_set(table, {e.imagename: e for e in exposures})
            slug = f"{outputs.flash_folder(subject.flashlvl, subject.ctecorr)}_{outputs.set_folder(subject)}"
            title = title_of_set(subject, settings.subset.title)
            found.append(SetOfPairs(subject, title, f"sets/{slug}.html", pairs, losses))
    return found


def _coefficients(folder, names):
    """(name in the report, the newest coefficients of a set), in order."""
    found = []
    for name in sorted(name for name in names if name.endswith("_coeffs.ecsv")):
        try:
            found.append((name, outputs.read_coefficients(folder / name)))
        except MonitorError as error:
            log.warning("report: %s", error)
    return sorted(found, key=lambda one: _order(one[1]))


def _order(one):
    level = np.inf if one.flashlvl is None else one.flashlvl
    return one.aperture, one.target, one.filter, one.length, level, one.ctecorr


def _set_page(one, pictures, settings, fixed):
    aperture = settings.aprads[0]
    table = one.losses[aperture]
    bins = finest_bins(settings.bins)
    values = {
        (row["imagename_1"], row["imagename_2"], row["lo"], row["hi"]): (float(row["loss"]), float(row["loss_err"]))
        for row in table
    }
    background = {(row["imagename_1"], row["imagename_2"]): float(row["background"]) for row in table}
    pairs = [
        {
            "page": one.page_of(pair),
            "name": f"{pair.one.rootname} {pair.two.rootname}",
            "mjd": pair.mjd,
            "background": background[images],
            "losses": [values.get((*images, b.lo, b.hi), (None, None)) for b in bins],
        }
        for images, pair in one.pairs.items()
    ]
    return report.page(
        "set.html",
        **fixed,
        title=f"{one.title} - CTE monitor",
        heading=one.title,
        explorer=None if one.subject.target == SAME_CHIP_TARGET else _address(one.subject),
        pictures=pictures,
        pairs=pairs,
        bins=[bin_label(b.lo, b.hi) for b in bins],
        aperture=aperture,
        unit=table.meta["loss_unit"],
    )


def _address(s):
    ctecorr = str(s.ctecorr).lower()
    return f"target={s.target}&filter={s.filter}&length={s.length}&ctecorr={ctecorr}&flashlvl={s.flashlvl:g}"


def _entry(one):
    mjd = [pair.mjd for pair in one.pairs.values()]
    return {"page": one.page, "title": one.title, "pairs": len(mjd), "first": min(mjd), "last": max(mjd)}


# ---- This run, and the one before ------------------------------------------------------------------------------------


def _told(folder, losses, published, database, settings, summary):
    """What the page says of the run and of what it changed; of no new run, what it said before."""
    path = folder / _RUN
    if summary.run_id is None:
        return _told_before(path, database, settings)
    run = _without_machine(_of_run(summary), database, settings)
    told = {"run": run, "comparison": _comparison(folder, losses, published, settings)}
    write_page(path, json.dumps(told))
    return told


def _told_before(path, database, settings):
    """What the page said of the last run, without the machine, of which an earlier version told."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        run = told["run"] and _without_machine(told["run"], database, settings)
        told = {"run": run, "comparison": told["comparison"]}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # none, of another version, or damaged
        return {"run": None, "comparison": None}
    write_page(path, json.dumps(told))
    return told


def _without_machine(run, database, settings):
    kept = {name: value for name, value in run.items() if name != "host"}
    lists = ("rejections", "failures", "warnings", "unpaired", "measured")
    lines = {name: [shareable(line, database, settings) for line in run[name]] for name in lists}
    return kept | lines | {"command": shareable_command(run["command"])}


def _of_run(summary):
    left_out = [f"{r.imagename}: {r.reason}{f' ({r.detail})' if r.detail else ''}" for r in summary.rejections]
    return {
        "id": summary.run_id,
        **summary.about,
        "outcome": summary.outcome,
        "log": summary.log_file.name,
        "counts": list(summary.totals.items()),
        "reasons": summary.reasons,
        "rejections": left_out,
        "failures": list(summary.failures),
        "warnings": list(summary.warnings),
        "unpaired": list(summary.unpaired),
        "measured": list(summary.measured),
    }


def _comparison(folder, losses, published, settings):
    before = [_read_script(folder / "data" / name) for name in ("losses.js", "coefficients.js")]
    if before[0] is None:
        return None
    try:
        if before[0]["unit"] != losses["unit"]:
            return {"verdict": "The run before had losses in another unit.", "rows": []}
        rows = report.compare_reports(before[0], losses, before[1] or [], published, settings.aprads[0])
    except (LookupError, TypeError, AttributeError):
        return {"verdict": "The report of the run before is of another version, or damaged.", "rows": []}
    for row in rows:
        row["title"] = title_of_set(ExposureSet(**row.pop("set")))
    pairs = sum(row["new"] for row in rows), sum(row["gone"] for row in rows), sum(row["changed"] for row in rows)
    same = f"Nothing has changed: {len(losses['pairs'])} pairs, with the losses and coefficients of the run before."
    changed = "{} new pairs, {} gone, {} with another loss than before.".format(*pairs)
    return {"verdict": changed if rows else same, "rows": rows, "unit": losses["unit"]}


def _read_script(path):
    try:
        return report.read_script(path.read_text(encoding="utf-8"))
    except OSError:
        return None


# ---- Files -----------------------------------------------------------------------------------------------------------


def _explorer_data(sets, settings):
    pages = {images: one.page_of(pair) for one in sets for images, pair in one.pairs.items()}
    tables = [table for _, of in groupby(sets, lambda one: one.subject.target) for table in _with_common_epochs(of)]
    return report.explorer_data(tables, pages, settings.bins, finest_bins(settings.bins))


def _with_common_epochs(sets):
    """The losses of a cluster; an epoch has one mean date in all its sets, else it could be chosen more than once."""
    tables = [table.copy() for one in sets for table in one.losses.values()]
    epochs = mean_epoch(np.concatenate([table["mjd"] for table in tables]))
    for table, of_table in zip(tables, np.split(epochs, np.cumsum([len(table) for table in tables])[:-1]), strict=True):
        table["epoch"] = of_table
    return tables


def _write_scripts(folder, losses, published, pictures):
    of_pictures = [{name: value for name, value in one.items() if name not in ("subject", "files")} for one in pictures]
    scripts = {
        "losses": ("cteLosses", losses),
        "coefficients": ("cteCoefficients", published),
        "pictures": ("ctePictures", of_pictures),
    }
    for name, (variable, value) in scripts.items():
        write_page(folder / "data" / f"{name}.js", report.script_text(variable, value))


def _write_assets(folder):
    """Write styles and scripts; the name of the plotting library."""
    for name, text in report.assets().items():
        write_page(folder / "assets" / name, text)
    library, read = report.plotting_library()
    if not (folder / "assets" / library).is_file():
        write_page(folder / "assets" / library, read())
    for path in {*(folder / "assets").iterdir()} - {folder / "assets" / name for name in (library, *report.assets())}:
        path.unlink()
    return library
