"""The pages of exposure pairs: built in parallel, and only where something in them has changed."""

import json
from dataclasses import dataclass
from pathlib import Path

from wfc3_cte_monitor import outputs, report
from wfc3_cte_monitor.database import flag_counts, joined_counts
from wfc3_cte_monitor.pipeline import fingerprints
from wfc3_cte_monitor.pipeline.one_exposure import files_of
from wfc3_cte_monitor.pipeline.parallel import in_order, progress
from wfc3_cte_monitor.pipeline.sharing import place_in
from wfc3_cte_monitor.records import ExposurePair, Flag, set_title
from wfc3_cte_monitor.surface import finest_bins

__all__ = ["FILES", "SetOfPairs", "build_pair_pages", "pairs_of_set", "picture", "title_of_set", "write_page"]

FILES = "files"
"""Second names of the figures and tables of other folders, so that the report is whole wherever it is put."""
_FINGERPRINTS = "fingerprints.json"


@dataclass(frozen=True)
class SetOfPairs:
    """The pairs of a set, with their losses in each aperture."""

    subject: object
    """`records.ExposureSet`"""
    title: str
    page: str
    """Relative to the report."""
    pairs: dict
    """(name of the first image, of the second) -> `records.ExposurePair`, in order of time."""
    losses: dict
    """Aperture -> `astropy.table.Table`, as `pipeline.losses.losses_of` makes it."""

    def page_of(self, pair):
        """The page of a pair, relative to the report."""
        chip = f"_ch{pair.two.chip}" if pair.same_chip else ""
        kind = "flc" if pair.two.ctecorr else "flt"
        return f"pairs/{pair.one.rootname}_{pair.two.rootname}_{kind}{chip}.html"


@dataclass(frozen=True)
class _Task:
    page: Path
    content: dict
    links: dict
    """Path in the report -> what it is a second name of."""


def build_pair_pages(sets, folder, database, settings, fixed, request, summary, cluster=None):
    """Write the pages that have changed since they were written, and remove those of pairs that are no more.

    Parameters
    ----------
    sets : list of `SetOfPairs`
    folder : `pathlib.Path`
        Of the report.
    database : `database.Database`
    settings : `settings.Settings`
    fixed : dict
        What every page shows.
    request : `pipeline.request.Request`
    summary : `pipeline.request.Summary`
        Gets what fails.
    cluster : `pipeline.cluster.Cluster`, optional
    """
    known = _known(folder)
    made, drafts = {}, []
    for one in sets:
        results = database.result_fingerprints(one.subject.target)
        for draft in _drafts(one, results, folder, settings):
            made[draft["page"]] = draft["fingerprint"]
            if known.get(draft["page"]) != draft["fingerprint"] or not (folder / draft["page"]).is_file():
                drafts.append((one, draft))
    tasks = _tasks(drafts, folder, database, settings, fixed)
    for task, _, error in progress(in_order(_build, tasks, request.jobs, cluster), len(tasks), "pages"):
        if error:
            summary.fail(f"{task.page}: page not made ({error})")
            made.pop(task.page.relative_to(folder).as_posix(), None)
    for path in (folder / "pairs").glob("*.html"):
        if path.relative_to(folder).as_posix() not in made:
            path.unlink()
    text = json.dumps(made, indent=0, sort_keys=True)
    outputs.replace_file(folder / _FINGERPRINTS, lambda new: new.write_text(text, encoding="utf-8"))


def _known(folder):
    try:
        known = json.loads((folder / _FINGERPRINTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _drafts(one, results, folder, settings):
    """What tells whether a page has changed, without what takes time to find out."""
    pages = [one.page_of(pair) for pair in one.pairs.values()]
    around = zip([None, *pages], one.pairs.items(), [*pages[1:], None], strict=False)
    for earlier, (images, pair), later in around:
        links = _links(pair, one, settings)
        prints = [results.get((*images, aperture)) for aperture in settings.aprads]
        content = prints, earlier, later, one.title, settings.path_to_data, settings.path_to_outputs
        yield {
            "page": one.page_of(pair),
            "pair": pair,
            "images": images,
            "earlier": earlier and earlier.removeprefix("pairs/"),
            "later": later and later.removeprefix("pairs/"),
            "links": links,
            "fingerprint": fingerprints.of_page(content, links.values()),
        }


def _links(pair, one, settings):
    """Name in the report -> path of what there is of a pair."""
    flash, of_set = outputs.flash_folder(pair.two.flashlvl, pair.two.ctecorr), outputs.set_folder(one.subject)
    newest = settings.path_to_finalresults / flash / outputs.MOST_RECENT / of_set
    stems = [outputs.pair_stem(pair, aperture) for aperture in settings.aprads]
    found = {
        f"{FILES}/{flash}/{of_set}/{stem}{suffix}": newest / f"{stem}{suffix}"
        for stem in stems
        for suffix in (".png", ".pdf", ".txt")
    }
    for exposure in (pair.one, pair.two):
        path = files_of(exposure, settings)[-1]
        found[f"{FILES}/photom/{flash}/{of_set}/{path.name}"] = path
    return {name: path for name, path in found.items() if path.is_file()}


def _tasks(drafts, folder, database, settings, fixed):
    names = {}
    for one, draft in drafts:
        names.setdefault(one.subject.target, set()).update(draft["images"])
    counts = {target: flag_counts(database, target, images, settings.aprads) for target, images in names.items()}
    joined = {target: joined_counts(database, target) for target in names}
    contents = [
        _content(one, draft, counts[one.subject.target], joined[one.subject.target], settings) | fixed
        for one, draft in drafts
    ]
    return [
        _Task(folder / draft["page"], content, draft["links"])
        for (_, draft), content in zip(drafts, contents, strict=True)
    ]


def _build(task):
    """Make the second names of files, and write the page; a function of the module, so that a worker can run it."""
    folder = task.page.parent.parent
    for name, source in task.links.items():
        outputs.link_file(source, folder / name)
    write_page(task.page, report.page("pair.html", **task.content))


def write_page(path, text):
    """Write a page, unless it is there already: who copies the report copies what has changed."""
    data = text.encode("utf-8", errors="backslashreplace")
    if not (path.is_file() and path.read_bytes() == data):
        path.parent.mkdir(parents=True, exist_ok=True)
        outputs.replace_file(path, lambda new: new.write_bytes(data))


def picture(names, stem, alt):
    """A picture of the report with the files beside it, None where there is none.

    Parameters
    ----------
    names : collection of str
        What there is.
    stem : str
        Its name without the suffix.
    alt : str
        What it shows.
    """
    if f"{stem}.png" not in names:
        return None
    kinds = {"PDF": ".pdf", "numbers": ".txt"}
    files = [(kind, f"{stem}{suffix}") for kind, suffix in kinds.items() if f"{stem}{suffix}" in names]
    return {"png": f"{stem}.png", "alt": alt, "files": files}


# ---- What a page shows -----------------------------------------------------------------------------------------------


def _content(one, draft, counts, joined, settings):
    pair, links = draft["pair"], draft["links"]
    heading = f"{pair.one.rootname} and {pair.two.rootname}"
    return {
        "title": f"{heading}, {one.title}",
        "heading": heading,
        "set_title": one.title,
        "set_page": one.page,
        "earlier": draft["earlier"],
        "later": draft["later"],
        "mjd": pair.mjd,
        "program": pair.two.program,
        "exposures": [{"imagename": e.imagename} for e in (pair.one, pair.two)],
        "facts": _facts(pair, settings),
        "pictures": _diagnostics(pair, links),
        "apertures": [_of_aperture(one, draft, aperture) for aperture in settings.aprads],
        "radii": settings.aprads,
        "way": _way_of_stars(one, draft, counts, joined, settings),
        "flag_names": [str(flag.name).lower().replace("_", " ") for flag in Flag],
        "flags": [_flags(e, aperture, counts) for e in (pair.one, pair.two) for aperture in settings.aprads],
        "unit": next(iter(one.losses.values())).meta["loss_unit"],
    }


def _facts(pair, settings):
    both = pair.one, pair.two
    files = [files_of(e, settings) for e in both]
    return [
        ("chip", [e.chip for e in both]),
        ("visit", [e.visit for e in both]),
        ("start [MJD]", [f"{e.expstart:.5f}" for e in both]),
        ("exposure time [s]", [f"{e.exptime:g}" for e in both]),
        ("post-flash [e\N{SUPERSCRIPT MINUS}/px]", [f"{e.flashlvl:g}" for e in both]),
        ("POSTARG1, POSTARG2 [arcsec]", [f"{e.postarg1:g}, {e.postarg2:g}" for e in both]),
        ("PA_V3 [deg]", [f"{e.pa_v3:.3f}" for e in both]),
        ("file, in the data", [place_in(settings.path_to_data, e.path) for e in both]),
        ("positions, in the outputs", [place_in(settings.path_to_outputs, of[0]) for of in files]),
        ("photometry, in the outputs", [place_in(settings.path_to_outputs, of[1]) for of in files]),
    ]


def _diagnostics(pair, links):
    found = []
    for exposure in (pair.one, pair.two):
        stem = outputs.exposure_stem(exposure)
        alt = f"{exposure.imagename}, chip {exposure.chip}, with the stars that were matched, good and flagged"
        found.append(_picture_of(stem, links, alt))
    return [one for one in found if one]


def _picture_of(stem, links, alt):
    """The picture of that name, in whichever folder of the report."""
    return picture(links, next((name.removesuffix(".png") for name in links if name.endswith(f"/{stem}.png")), ""), alt)


def _of_aperture(one, draft, aperture):
    pair, links = draft["pair"], draft["links"]
    rows = _rows_of_pair(one.losses[aperture], draft["images"])
    stem = outputs.pair_stem(pair, aperture)
    alt = f"Flux ratio against rows to the amplifier, with the fitted lines, aperture {aperture:g} px"
    return {"aperture": aperture, "picture": _picture_of(stem, links, alt), "slopes": [_slope(row) for row in rows]}


def _rows_of_pair(table, images):
    return table[(table["imagename_1"] == images[0]) & (table["imagename_2"] == images[1])]


def _slope(row):
    names = ("lo", "hi", "mean_flux", "slope", "slope_err", "magslope", "magslope_err", "loss", "loss_err")
    return {name: float(row[name]) for name in names} | {"n": int(row["n_points"])}


def _way_of_stars(one, draft, counts, joined, settings):
    """(step, number in each aperture): how many stars are left from the catalogue to the lines."""
    pair, images, steps = draft["pair"], draft["images"], {}
    finest = {(b.lo, b.hi) for b in finest_bins(settings.bins)}
    for aperture in settings.aprads:
        both = [_flags(e, aperture, counts) for e in (pair.one, pair.two)]
        on_both = joined.get((*images, aperture), 0)
        rows = (row for row in _rows_of_pair(one.losses[aperture], images) if (row["lo"], row["hi"]) in finest)
        in_lines = sum(int(row["n_points"]) for row in rows)
        of_aperture = {
            **{f"measured on {of['imagename']}": of["stars"] for of in both},
            **{f"without a flag on {of['imagename']}": of["good"] for of in both},
            "without a flag on both": on_both,
            "in the lines of the bins that do not overlap": in_lines,
            "outside of these bins, or clipped as outliers": on_both - in_lines,
        }
        for step, number in of_aperture.items():
            steps.setdefault(step, []).append(number)
    return list(steps.items())


def _flags(exposure, aperture, counts):
    of = counts[exposure.imagename, aperture]
    return {
        "imagename": exposure.imagename,
        "aperture": aperture,
        "stars": sum(of.values()),
        "good": of.get(0, 0),
        "numbers": [sum(number for bits, number in of.items() if bits & flag) for flag in Flag],
    }


def pairs_of_set(table, exposures):
    """The pairs in a table of losses, in order of time.

    Parameters
    ----------
    table : `astropy.table.Table`
    exposures : dict
        Image name -> `records.Exposure`.

    Returns
    -------
    pairs : dict
        (name of the first image, of the second) -> `records.ExposurePair`
    """
    names = dict.fromkeys((str(row["imagename_1"]), str(row["imagename_2"])) for row in table)
    return {(one, two): ExposurePair(exposures[one], exposures[two]) for one, two in names}


def title_of_set(subject, subset=""):
    """'NGC 104, F502N, long, no post-flash, FLT'"""
    s = subject
    return set_title(s.target, s.filter, s.length, s.flashlvl, s.ctecorr, subset=subset).replace("   ", ", ")
