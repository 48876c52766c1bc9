"""The newest results: put in place in one step, and taken over into the next as far as they are still true."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from wfc3_cte_monitor.outputs.files import replace_file, temporary_path, unique_path

__all__ = [
    "MOST_RECENT",
    "NewestResults",
    "newest_results",
    "complete",
    "publish",
    "copy_tree",
    "copy_changed",
    "link_file",
]

MOST_RECENT = "most_recent"

_FINGERPRINTS = "fingerprints.json"
"""In each folder of results: what every file was made from."""


def publish(staged, finalresults, timestamp):
    """Move the finished results of a run to their place, and point ``most_recent`` to them.

    Each flash folder moves by one rename, and the link is replaced by another: a reader sees the old results or the
    new ones, never a part.

    Parameters
    ----------
    staged : `pathlib.Path`
        Holds one folder per flash level and FLT/FLC; on the same file system.
    finalresults : `pathlib.Path`
    timestamp : str
        Name of the run's folder.

    Returns
    -------
    folders : list of `pathlib.Path`
        Where the results are now.
    """
    published = []
    for source in sorted(path for path in staged.iterdir() if path.is_dir()):
        parent = finalresults / source.name
        parent.mkdir(parents=True, exist_ok=True)
        folder = unique_path(parent, timestamp)
        source.replace(folder)
        _point_to(parent / MOST_RECENT, folder)
        published.append(folder)
    return published


@dataclass(frozen=True)
class NewestResults:
    """The newest results of a flash level and FLT or FLC."""

    folder: Path
    made_from: dict
    """Name of a file, relative to the folder -> fingerprint of what it was made from."""

    def has(self, name, fingerprint):
        """Whether a file is there that was made from what the fingerprint tells."""
        return self.made_from.get(name) == fingerprint and (self.folder / name).is_file()


def newest_results(finalresults, flash):
    """The `NewestResults` of a flash folder such as 'pf12_ctecorr'; without files where there are none."""
    folder = finalresults / flash / MOST_RECENT
    try:
        made_from = json.loads((folder / _FINGERPRINTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        made_from = {}
    return NewestResults(folder, made_from if isinstance(made_from, dict) else {})


def complete(staged, newest, made_from, valid):
    """Take over the files of the newest results that are still true, and write what everything was made from.

    Parameters
    ----------
    staged : `pathlib.Path`
        Where this run makes the results that follow the newest ones.
    newest : `NewestResults`
    made_from : dict
        Name of a file that this run made, relative to `staged` -> fingerprint.
    valid : set of str
        Fingerprints: files that were made from something else are not taken over.
    """
    kept = {name: value for name, value in newest.made_from.items() if value in valid and name not in made_from}
    kept = {name: value for name, value in kept.items() if link_file(newest.folder / name, staged / name)}
    text = json.dumps(made_from | kept, indent=0, sort_keys=True)
    replace_file(staged / _FINGERPRINTS, lambda new: new.write_text(text, encoding="utf-8"))


def link_file(source, target):
    """Give a file a second name, or copy it where the file system can't: results are replaced, never written into.

    Parameters
    ----------
    source, target : `pathlib.Path`
        What has the second name already is replaced.

    Returns
    -------
    done : bool
        False where there is no such file.
    """
    if not source.is_file():
        return False
    if target.exists() and target.samefile(source):
        return True
    target.parent.mkdir(parents=True, exist_ok=True)
    replace_file(target, lambda new: _link_or_copy(source, new))
    return True


def _link_or_copy(source, target):
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)


def _point_to(link, folder):
    if link.is_dir() and not link.is_symlink():
        link.replace(unique_path(link.parent, f"{MOST_RECENT}_before_{folder.name}"))
    replace_file(link, lambda new: new.symlink_to(folder.name, target_is_directory=True))


def copy_tree(folders, destination):
    """Copy published result folders for a web site, as ``<destination>/<flash folder>/``, replacing what is there."""
    for folder in folders:
        target = destination / folder.parent.name
        new = temporary_path(target)
        try:
            _copy(folder, new)
            shutil.rmtree(target, ignore_errors=True)
            new.replace(target)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def _copy(folder, new):
    """Unlike `shutil.copytree` this ends with the first file that cannot be copied, and its error names that."""
    for source in sorted(folder.rglob("*")):
        target = new / source.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_file() and source.name != _FINGERPRINTS:
            shutil.copy2(source, target)


def copy_changed(folder, destination):
    """Make a folder the same as another, files that are the same by size and time staying as they are.

    Parameters
    ----------
    folder, destination : `pathlib.Path`
    """
    names = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and not _is_hidden(path, folder)}
    for name in sorted(names):
        source, target = folder / name, destination / name
        if not (target.is_file() and _state(target) == _state(source)):
            target.parent.mkdir(parents=True, exist_ok=True)
            replace_file(target, lambda new, source=source: shutil.copy2(source, new))
    for path in [path for path in destination.rglob("*") if path.is_file()]:
        if path.relative_to(destination) not in names:
            path.unlink()


def _is_hidden(path, folder):
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _state(path):
    status = path.stat()
    return status.st_size, status.st_mtime_ns
