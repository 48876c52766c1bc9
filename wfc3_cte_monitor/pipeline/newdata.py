"""Before step 1: what lies in newdata is aligned, and masked; what a run that is killed leaves unmasked is noted."""

from collections import Counter
from dataclasses import replace

from wfc3_cte_monitor import outputs
from wfc3_cte_monitor.exposures import find_files
from wfc3_cte_monitor.pipeline.align import align_newdata
from wfc3_cte_monitor.pipeline.mask import make_masks
from wfc3_cte_monitor.pipeline.prepare import choose_programs
from wfc3_cte_monitor.pipeline.request import SAME_CHIP

__all__ = ["take_in_newdata"]

_ROOTNAME = slice(0, 9)
_VISIT = slice(4, 6)


def take_in_newdata(request, settings, summary):
    """Align what lies in newdata and mask its cosmic rays; only then it is known which program is the last.

    Returns
    -------
    request : `Request`
        Its programs resolved.
    """
    arrived = Counter()
    if request.tweak and (request.find or request.photometry):
        with outputs.scratch_folder(settings.path_to_outputs / "tempfiles") as scratch:
            if request.adriz:
                _note_unmasked(settings)
            aligned = align_newdata(settings, request.jobs, scratch=scratch)
            for one in aligned.moved:
                arrived[one.program] += len(one.names)
            summary.aligned = arrived.total()
            summary.take_over(aligned)
            if request.adriz:
                _mask(request, settings, scratch, summary)
    if isinstance(request.programs, str):
        same_chip = request.programs == SAME_CHIP
        request = replace(request, programs=choose_programs(request.programs, settings), same_chip=same_chip)
    summary.elsewhere = {program: n for program, n in sorted(arrived.items()) if program not in request.programs}
    return request


def _mask(request, settings, scratch, summary):
    """Make the masks of the visits that came from newdata, in this run or in one that did not come so far."""
    visits = _unmasked_visits(settings)
    if visits:
        masks = make_masks(sorted({program for program, _ in visits}), visits, settings, request.jobs, scratch)
        summary.masked = len({mask.imagename for mask in masks.masks})
        summary.take_over(masks)
    _note(settings).unlink(missing_ok=True)


def _note(settings):
    """The file with the rootnames of exposures that came from newdata and whose visits are not masked yet."""
    return settings.path_to_outputs / "crmasks" / "not_masked_yet.txt"


def _noted(settings):
    return set(_note(settings).read_text().split()) if _note(settings).is_file() else set()


def _note_unmasked(settings):
    names = _noted(settings) | {path.name[_ROOTNAME] for path in find_files(settings.path_to_newdata)}
    if names:
        outputs.make_folder(_note(settings).parent)
        outputs.replace_file(_note(settings), lambda new: new.write_text("\n".join([*sorted(names), ""])))


def _unmasked_visits(settings):
    """(program, visit) of the exposures noted that have left newdata."""
    noted = _noted(settings)
    folders = {program: settings.path_to_data / str(program) for program in settings.program_list if noted}
    files = ((program, path.name) for program, folder in folders.items() for path in find_files(folder))
    return sorted({(program, name[_VISIT]) for program, name in files if name[_ROOTNAME] in noted})
