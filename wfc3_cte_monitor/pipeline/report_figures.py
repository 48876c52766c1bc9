"""The figures that the web page shows: what there is of each set, and what it shows in words."""

from wfc3_cte_monitor import outputs
from wfc3_cte_monitor.pipeline.pair_pages import FILES, picture, title_of_set
from wfc3_cte_monitor.records import target_name
from wfc3_cte_monitor.uvis import SAME_CHIP_TARGET

__all__ = ["link_figures", "pictures_of", "is_of"]

_FOLDERS = ("cte_vs_time", "cte_vs_logflux", "cte_vs_flashlvl", "model_on_reality", "180cte_expt")


def link_figures(folder, settings):
    """Give the figures and coefficients of many pairs second names in the report, and take away those that are no more.

    Parameters
    ----------
    folder : `pathlib.Path`
        Of the report.
    settings : `settings.Settings`

    Returns
    -------
    names : set of str
        Relative to the report.
    """
    names = {}
    for newest in sorted(settings.path_to_finalresults.glob(f"pf*/{outputs.MOST_RECENT}")):
        flash = newest.parent.name
        for path in newest.glob("*/*"):
            if path.parent.name in _FOLDERS and path.is_file() and not path.name.startswith("."):
                names[f"{FILES}/{flash}/{path.parent.name}/{path.name}"] = path
    for name, path in names.items():
        outputs.link_file(path, folder / name)
    for path in [path for kind in _FOLDERS for path in folder.glob(f"{FILES}/pf*/{kind}/*")]:
        if path.relative_to(folder).as_posix() not in names:
            path.unlink()
    return {*names}


def pictures_of(sets, names, settings):
    """All figures of many pairs that the report has, with what they show.

    Parameters
    ----------
    sets : list of `pipeline.pair_pages.SetOfPairs`
    names : set of str
        Of `link_figures`.
    settings : `settings.Settings`

    Returns
    -------
    pictures : list of dict
        Of `pipeline.pair_pages.picture`, with kind, subject (None where it is not of one set alone), aperture, and
        which sets it is of, see `is_of`.
    """
    found = {}
    for one in sets:
        for aperture in settings.aprads:
            for kind, subject, stem, words in _stems(one.subject, aperture):
                alt = (
                    f"{words}: {one.title}, aperture {aperture:g} px"
                    if subject
                    else f"{words}, aperture {aperture:g} px"
                )
                if shown := picture(names, f"{FILES}/{stem}", alt):
                    found[stem] = (
                        shown | {"kind": kind, "subject": subject, "aperture": float(aperture)} | _of(one.subject, kind)
                    )
    return list(found.values())


def _of(s, kind):
    """Which sets a figure is of: None stands for any."""
    of_levels = kind in ("cte_flashlvl", "cte_background")
    return {
        "target": None if kind == "cte_time" else s.target,
        "filter": s.filter,
        "length": None if kind == "180cte_expt" else s.length,
        "flashlvl": None if of_levels else s.flashlvl,
        "ctecorr": s.ctecorr,
    }


def is_of(shown, s):
    """Whether a picture of `pictures_of` is of a `records.ExposureSet`: what is None in it stands for any."""
    return all(
        shown[name] in (None, getattr(s, name)) for name in ("target", "filter", "length", "flashlvl", "ctecorr")
    )


def _stems(s, aperture):
    """(kind, its set where it is of one alone, path without suffix, words) of the figures that a set may have."""
    flash, every = outputs.flash_folder(s.flashlvl, s.ctecorr), outputs.flash_folder(None, s.ctecorr)
    common = s.filter, s.length, s.flashlvl, s.ctecorr
    kind = title_of_set(s).split(", ", 1)[1]
    yield (
        "cte_time",
        None,
        f"{flash}/cte_vs_time/{outputs.cte_time_name(*common, aperture)}",
        f"Loss against date, {kind}",
    )
    for name, folder, words in (
        ("cteVSlogflux", "cte_vs_logflux", "Loss against flux, with the model"),
        ("model_on_reality", "model_on_reality", "The model against date, over the measurements"),
    ):
        yield folder.replace("cte_vs_", "cte_"), s, f"{flash}/{folder}/{outputs.set_name(name, s, aperture)}", words
    for name, of_kind, words in (
        ("cteVSflashlvl", "cte_flashlvl", "Loss against post-flash level"),
        ("cteVSbackground", "cte_background", "Loss against background"),
    ):
        stem = outputs.levels_name(name, s.target, s.filter, s.length, s.ctecorr, aperture)
        all_levels = f"{words}, {target_name(s.target)}, {s.filter}, {kind.split(', ')[1]}, {kind.rsplit(', ', 1)[1]}"
        yield of_kind, None, f"{every}/cte_vs_flashlvl/{stem}", all_levels
    if s.target == SAME_CHIP_TARGET:
        for line, words in (("", ""), ("_mid", ", lines forced through 1 at the middle row")):
            stem = outputs.same_chip_name("logflux", s, aperture)
            yield "180cte_logflux", s, f"{flash}/180cte_expt/{stem}{line}", f"Loss of each chip against flux{words}"
            for chip in (1, 2):
                stem = outputs.same_chip_name("expt", s, aperture, chip)
                of_chip = f"Loss of chip {chip} against exposure time{words}, {kind.rsplit(', ', 1)[1]}, {s.filter}"
                yield "180cte_expt", None, f"{flash}/180cte_expt/{stem}{line}", of_chip
