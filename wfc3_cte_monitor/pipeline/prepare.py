"""Step 1: which files there are, and which of them count."""

import logging
from functools import partial

from wfc3_cte_monitor.errors import ConfigurationError, UnusableExposureError
from wfc3_cte_monitor.exposures import find_files, read_exposure
from wfc3_cte_monitor.pairing import with_partners
from wfc3_cte_monitor.pipeline.logs import decision
from wfc3_cte_monitor.pipeline.parallel import in_order, progress
from wfc3_cte_monitor.pipeline.request import SAME_CHIP, unexpected
from wfc3_cte_monitor.records import Rejection
from wfc3_cte_monitor.uvis import SAME_CHIP_TARGET, visit_of

__all__ = ["choose_programs", "of_visits", "select_exposures"]

log = logging.getLogger(__name__)

_MANY = 200
"""Files whose headers one process reads faster than several can be started."""


def choose_programs(wanted, settings):
    """Resolve 'all', 'last', '180' or a number.

    Parameters
    ----------
    wanted : str
    settings : `settings.Settings`

    Returns
    -------
    programs : tuple of int
        Those of 'all' that have data; for 'last' the newest of them; for '180' those of the same-chip set.

    Raises
    ------
    ConfigurationError
        The program is not listed, or there is no data.
    """
    if wanted not in ("all", "last", SAME_CHIP) and not (wanted.isascii() and wanted.isdecimal()):
        raise ConfigurationError(f"--pr {wanted}: must be all, last, 180 or a program number")
    if wanted.isdecimal() and wanted != SAME_CHIP and int(wanted) not in settings.program_list:
        raise ConfigurationError(f"--pr {wanted}: not in program_list ({', '.join(map(str, settings.program_list))})")
    if wanted == SAME_CHIP and settings.subset:
        raise ConfigurationError(f"--pr {SAME_CHIP}: the same-chip set has no subset ({settings.subset.title})")
    if wanted == SAME_CHIP and SAME_CHIP_TARGET not in settings.target_list:
        raise ConfigurationError(f"--pr {SAME_CHIP}: {SAME_CHIP_TARGET} is not in target_list")
    if not settings.path_to_data.is_dir():
        raise ConfigurationError(f"path_to_data: no such folder {settings.path_to_data}")
    if wanted == SAME_CHIP:
        listed = tuple(settings.same_chip_visits)
    else:
        listed = settings.program_list if wanted in ("all", "last") else (int(wanted),)
    with_data = tuple(program for program in listed if find_files(settings.path_to_data / str(program)))
    return with_data[-1:] if wanted == "last" else with_data


def select_exposures(request, settings, summary):
    """Read all headers and keep what counts; the summary gets the rest, each with its reason.

    Returns
    -------
    exposures : list of `records.Exposure`
        In order of program and name.
    """
    files = [path for program in request.programs for path in _files_of(program, request, settings)]
    summary.found = len(files)
    # To start processes takes as long as to read some hundred headers.
    jobs = request.jobs if len(files) > _MANY else 1
    outcomes = in_order(partial(read_exposure, legal=settings, same_chip=request.same_chip), files, jobs)
    chosen = []
    for path, exposure, error in progress(outcomes, len(files), "headers"):
        error = error or _misplaced(exposure, path, settings)
        if error:
            _fail(summary, path, error)
        elif isinstance(exposure, Rejection):
            said = decision(exposure.imagename, "left out", f"{exposure.reason} {exposure.detail}".strip())
            log.info("left out: %s: %s %s", exposure.imagename, exposure.reason, exposure.detail, extra=said)
            summary.rejections.append(exposure)
        elif request.wants(exposure):
            chosen.append(exposure)
        else:
            log.info("not asked for: %s", exposure.imagename, extra=decision(exposure.imagename, "not asked for"))
            summary.not_asked_for += 1
    if settings.subset.dithers:
        chosen = _of_dithers(chosen, summary)
    if request.find or request.photometry:  # what is drawn from the database needs no files
        _check_companions(chosen, request, summary)
    return chosen


def _of_dithers(exposures, summary):
    """Without the nominal exposures that no dithered one can be paired with."""
    chosen = with_partners(exposures)
    summary.not_asked_for += len(exposures) - len(chosen)
    return chosen


def _files_of(program, request, settings):
    files = find_files(settings.path_to_data / str(program))
    files = [path for path in files if of_visits(path, request.visits)]
    if not request.same_chip:
        return files
    return [path for path in files if of_visits(path, settings.same_chip_visits[program])]


def of_visits(path, visits):
    """Whether a file is of one of the visits, or visits is empty; one whose name tells no visit is read all the same,
    which says what is wrong with it.
    """
    try:
        return not visits or visit_of(path.name[:9].lower()) in visits
    except UnusableExposureError:
        return True


def _fail(summary, path, error):
    if not isinstance(error, UnusableExposureError):
        error = unexpected(path.name, error)
    log.error("failed: %s", error, extra=decision(error.filename, "failed", error.problem))
    summary.fail(error)


def _misplaced(exposure, path, settings):
    """The error of a file that lies in another program's folder, or twice; or None."""
    folder = path.parent.name
    program = _said_by(exposure).program
    if str(program) != folder:
        return UnusableExposureError(path.name, f"lies in {folder} but its PROPOSID is {program}; move it there")
    twins = [settings.path_to_data / str(other) / path.name for other in settings.program_list if str(other) != folder]
    twins = [twin for twin in twins if _program(twin, settings) == twin.parent.name]
    if twins:
        also = ", ".join(twin.parent.name for twin in twins)
        return UnusableExposureError(
            path.name, f"the same rootname in two programs ({folder} and {also}), neither is measured; remove one"
        )


def _said_by(read):
    """The `Exposure` that a header describes, whether it counts or not."""
    return read.exposure if isinstance(read, Rejection) else read


def _program(path, settings):
    """Program of a file, None where it cannot be read: what is wrong with it is said when it is its turn."""
    try:
        return str(_said_by(read_exposure(path, settings)).program)
    except UnusableExposureError:
        return None


def _check_companions(exposures, request, summary):
    """Every exposure has an FLT and an FLC: one without the other is an incomplete archive."""
    for exposure in exposures:
        other = "_flt.fits" if exposure.ctecorr else "_flc.fits"
        companion = exposure.path.with_name(exposure.rootname + other)
        if companion.exists() or len(request.ctecorr) < 2:
            continue
        if exposure.ctecorr:
            _fail(
                summary,
                companion,
                UnusableExposureError(companion.name, f"missing beside {exposure.imagename}; retrieve it"),
            )
        else:
            log.warning("%s: no FLC beside it", exposure.imagename)
            summary.warnings.append(f"{exposure.imagename}: no FLC beside it")
