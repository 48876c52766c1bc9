"""Before a run: what is missing from newdata and the folders of the programs, and what in them is wrong."""

from functools import partial

from wfc3_cte_monitor.errors import ConfigurationError, UnusableExposureError
from wfc3_cte_monitor.exposures import find_files, read_exposure
from wfc3_cte_monitor.inventory import Finding, FoundFile, Inventory, compare, sort_out
from wfc3_cte_monitor.pairing import nominal_pairs
from wfc3_cte_monitor.pipeline.parallel import in_order, progress
from wfc3_cte_monitor.pipeline.prepare import of_visits
from wfc3_cte_monitor.pipeline.request import unexpected

__all__ = ["check_archive"]

_NEW = "newdata"


def check_archive(wanted, visits, settings, jobs):
    """Compare the files of ``newdata`` and of the programs' folders with what should be there.

    Parameters
    ----------
    wanted : sequence of str
        'all', 'last' or program numbers; empty: the programs that have files in ``newdata``.
    visits : sequence of str
        Two characters each; empty: all.
    settings : `settings.Settings`
    jobs : int

    Returns
    -------
    inventory : `inventory.Inventory`

    Raises
    ------
    ConfigurationError
        A program is not listed, or there is no folder of data.
    """
    folder = settings.path_to_newdata
    _check_words(wanted, settings)
    visits = _with_partners(visits, settings)
    new = _read([path for path in find_files(folder) if of_visits(path, visits)], settings, jobs)
    programs = _programs(wanted, new, settings)
    asked = [f for f in new if not wanted or f.exposure is None or f.exposure.program in programs]
    old = [path for program in programs for path in find_files(settings.path_to_data / str(program))]
    old = _read([path for path in old if of_visits(path, visits)], settings, jobs)
    stock = sort_out([*asked, *old], settings, _NEW)
    pairs, _ = nominal_pairs(stock.of_one_kind())
    inventory = compare(stock, pairs, programs, settings, visits)
    notes = [*_empty(new, old, folder), *_others(len(new) - len(asked)), *_other_names(folder)]
    return Inventory(
        inventory.rows,
        (*inventory.findings, *_too_deep(folder)),
        inventory.left_out,
        (*inventory.notes, *notes),
    )


def _check_words(wanted, settings):
    if not settings.path_to_data.is_dir():
        raise ConfigurationError(f"path_to_data: no such folder {settings.path_to_data}")
    listed = {str(program) for program in settings.program_list}
    for word in wanted:
        if word not in ("all", "last", *listed):
            raise ConfigurationError(f"--pr {word}: must be all, last or of program_list ({', '.join(sorted(listed))})")


def _with_partners(visits, settings):
    """A same-chip visit is nothing without the others of its set."""
    sets = [members for members in settings.same_chip_visits.values() if not {*members}.isdisjoint(visits)]
    return tuple(sorted({*visits, *(visit for members in sets for visit in members)}))


def _read(paths, settings, jobs):
    outcomes = in_order(partial(read_exposure, legal=settings), paths, jobs)
    return [_found(path, record, error) for path, record, error in progress(outcomes, len(paths), "headers")]


def _found(path, record, error):
    if error and not isinstance(error, UnusableExposureError):
        error = unexpected(path.name, error)
    return FoundFile(path, record, error.problem if error else "")


def _programs(wanted, new, settings):
    """The programs to check, in the order of the list."""
    in_new = {f.exposure.program for f in new if f.exposure}
    numbers = {int(word) for word in wanted if word.isdecimal()}
    if not wanted:
        numbers = in_new
    if "all" in wanted:
        numbers = {*settings.program_list}
    if "last" in wanted:
        with_data = [p for p in settings.program_list if p in in_new or find_files(settings.path_to_data / str(p))]
        numbers |= {*with_data[-1:]}
    return tuple(program for program in settings.program_list if program in numbers)


def _empty(new, old, folder):
    if not new:
        yield f"{folder}: no FLT or FLC" + ("" if old else ", nothing to check")


def _others(number):
    if number:
        yield f"{_NEW}: {number} files of programs that --pr does not name"


def _other_names(folder):
    """What is in newdata beside FLT and FLC; the README is of the set-up."""
    known = {*find_files(folder), folder / "README"}
    names = sorted(p.name for p in folder.glob("*") if p.is_file() and p not in known) if folder.is_dir() else []
    if names:
        some = ", ".join(names[:3]) + " ..." * (len(names) > 3)
        yield f"{_NEW}: neither FLT nor FLC, not looked at ({len(names)}): {some}"


def _too_deep(folder):
    """Downloads of MAST come in a tree of folders, which nobody looks into."""
    deep = sorted({path.relative_to(folder).parts[0] for path in folder.glob("*/**/*_fl[tc].fits")})
    for name in deep:
        yield Finding("misplaced", f"{_NEW}/{name}: a folder with FLT or FLC in it", f"move its files to {_NEW}")
