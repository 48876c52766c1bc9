"""A configuration is Python: it is executed only where nobody else can have written it."""

import os
import stat

from wfc3_cte_monitor.errors import ConfigurationError

__all__ = ["check_author", "check_folder"]


def check_author(path):
    """Refuse a file that is somebody else's, or that somebody else can write or replace.

    Parameters
    ----------
    path : `pathlib.Path`
        A link counts as the file that it leads to.

    Raises
    ------
    ConfigurationError
        The file belongs neither to the user nor to root, others can write it, or its folder.
    """
    path = path.resolve()
    try:
        status = path.stat()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    if not _has_owners():
        return
    if status.st_uid not in (os.geteuid(), 0):
        owner = _user(status.st_uid)
        raise ConfigurationError(f"{path}: is not executed: it belongs to {owner}; copy it to a file of your own")
    if _others_write(status):
        cure = f"chmod go-w '{path}', after a look at what is in it"
        raise ConfigurationError(f"{path}: is not executed: others can write it {_mode(status)}; {cure}")
    check_folder(path.parent, f"{path}: is not executed")


def check_folder(folder, what):
    """Refuse a folder in which others can replace a file.

    Parameters
    ----------
    folder : `pathlib.Path`
    what : str
        What follows from it, as the message begins.

    Raises
    ------
    ConfigurationError
        Others can write the folder, and no sticky bit keeps what is not theirs.
    """
    status = folder.stat()
    if _has_owners() and _others_write(status) and not status.st_mode & stat.S_ISVTX:
        raise ConfigurationError(f"{what}: others can write the folder {_mode(status)}; chmod go-w '{folder}'")


def _has_owners():
    """Whether files have owners here, and modes that say who writes."""
    return hasattr(os, "getuid")


def _others_write(status):
    if status.st_mode & stat.S_IWOTH:
        return True
    return bool(status.st_mode & stat.S_IWGRP) and not _is_private_group(status.st_gid, status.st_uid)


def _is_private_group(gid, uid):
    """Whether a group is the owner's alone, as systems make one for each user, who then writes with umask 002."""
    import grp  # not where files have no owners

    try:
        group = grp.getgrgid(gid)
    except KeyError:
        return False
    owner = _user(uid)
    return group.gr_name == owner and not {*group.gr_mem} - {owner}


def _user(uid):
    """Name of a user, or the number where nobody has it."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _mode(status):
    return f"(mode {stat.S_IMODE(status.st_mode):03o})"
