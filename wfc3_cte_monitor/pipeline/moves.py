"""Files from one place to another: whole, and what goes wrong is said of the file."""

import errno
import shutil

from wfc3_cte_monitor import outputs
from wfc3_cte_monitor.errors import UnusableExposureError

__all__ = ["copy", "publish", "move"]


def copy(source, destination):
    """A copy that can be written, even of a file that cannot."""
    try:
        shutil.copyfile(source, destination)
    except OSError as error:
        problem = f"cannot be copied to {destination.parent} ({error.strerror})"
        raise UnusableExposureError(source.name, problem) from error


def publish(source, destination):
    """Copy a file to its place, where it appears as a whole."""
    try:
        outputs.replace_file(destination, lambda new: shutil.copyfile(source, new))
    except OSError as error:
        problem = f"cannot be written to {destination.parent} ({error.strerror})"
        raise UnusableExposureError(destination.name, problem) from error


def move(path, destination):
    """Move a file, also to another file system: whole, in one place or the other.

    Of a link, which may be relative, the file that it points to is copied, and stays where it is.
    """
    try:
        if not path.is_symlink():
            path.replace(destination)
            return
    except OSError as error:
        if error.errno != errno.EXDEV:
            problem = f"cannot be moved to {destination.parent} ({error.strerror})"
            raise UnusableExposureError(path.name, problem) from error
    publish(path, destination)
    path.unlink()
