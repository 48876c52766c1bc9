"""Texts of the web page without the machine that made it: the page is made to be sent around."""

import re
import shlex
from pathlib import Path

__all__ = ["name_of", "place_in", "shareable", "shareable_command"]

_ABSOLUTE = re.compile(r"""(?<![\w.:/~+-])/(?:[^\s/'"():,;]+/)+([^\s/'"():,;]*)""")


def name_of(database):
    """The name of the file of a database, or that which the server knows it by."""
    return database.file.name if database.file else database.url.database


def place_in(folder, path):
    """A path relative to a folder that it is below, else its last part."""
    path = Path(path)
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


def shareable(text, database, settings):
    """A text in which what is below the folders of the settings is relative to them, and other paths are last parts.

    Parameters
    ----------
    text : object
    database : `database.Database`
        Its URL, which names a server and a user, becomes its name.
    settings : `settings.Settings`
    """
    text = str(text).replace(database.place, name_of(database))
    named = settings.path_to_outputs, settings.path_to_data, settings.path_to_db, settings.path_to_automated_outputs
    for folder in sorted({str(path) for path in named if path}, key=len, reverse=True):
        text = text.replace(f"{folder}/", "")
    return _ABSOLUTE.sub(r"\1", text)


def shareable_command(command):
    """A command line with the last parts of absolute paths, also of those in ``--option=path``."""
    options = (word.rpartition("=") for word in shlex.split(command))
    return shlex.join(name + sign + (Path(value).name if value[:1] == "/" else value) for name, sign, value in options)
