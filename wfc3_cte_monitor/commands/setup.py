"""``uvis_external_cte initial_setup``: the folders and the configuration of a new installation."""

import re
import sys
from pathlib import Path

from wfc3_cte_monitor.commands.common import examples
from wfc3_cte_monitor.commands.completion import completed, files
from wfc3_cte_monitor.errors import ConfigurationError
from wfc3_cte_monitor.settings import check_folder

__all__ = ["add_parser", "set_up", "default_answers"]

_DATA_FOLDERS = {
    "newdata": "New FLT and FLC files wait here until they are aligned and moved to data/<program>.",
    "master_cat/final": "Master catalogues <target>_master.cat: columns id x y ra dec, no header.",
    "PA_MAPS": "Pixel area maps UVIS1wfc3_map.fits and UVIS2wfc3_map.fits; without them the pixel area comes from the "
    "WCS of each image.",
}

_QUESTIONS = {
    "path_to_data": "Folder for the data",
    "path_to_outputs": "Folder for the outputs",
    "path_to_db": "Folder for the database",
    "db_name": "File name of the database",
    "path_to_automated_outputs": "Folder for copies of the figures, '-' for none",
}


def add_parser(commands):
    """Add the command to the tool box."""
    p = commands.add_parser(
        "initial_setup",
        help="make the folders and the configuration",
        description="Make the folders for data, outputs and database, each with a README, and write config.py. "
        "On a terminal it asks what the options do not say; elsewhere it takes the defaults.",
        **examples(
            "uvis_external_cte initial_setup --folder ~/uvis_cte",
            "uvis_external_cte initial_setup --folder ~/uvis_cte --path_to_data /data/uvis_cte",
        ),
    )
    p.add_argument(
        "--folder",
        type=Path,
        default=Path.cwd(),
        help="where config.py is written and what the defaults lie in (default: the working directory)",
    )
    for name, question in _QUESTIONS.items():
        option = p.add_argument(f"--{name}", metavar="NAME" if name == "db_name" else "FOLDER", help=question.lower())
        if name.startswith("path_"):
            completed(option, files)
    p.add_argument("--force", action="store_true", help="replace a config.py that exists")
    p.set_defaults(run=_run)


def default_answers(folder):
    """The answers of somebody who presses return: everything in one folder.

    Parameters
    ----------
    folder : `pathlib.Path`
    """
    return {
        "folder": folder,
        "path_to_data": str(folder / "data"),
        "path_to_outputs": str(folder / "outputs"),
        "path_to_db": str(folder / "database"),
        "db_name": "uvis_external_cte.db",
        "path_to_automated_outputs": None,
    }


def set_up(answers, *, keep_config=False, force=False):
    """Make the folders and write ``config.py``.

    Parameters
    ----------
    answers : dict
        As `default_answers` has them.
    keep_config : bool, optional
        An existing ``config.py`` stays as it is.
    force : bool, optional
        An existing ``config.py`` is replaced.

    Returns
    -------
    config : `pathlib.Path`

    Raises
    ------
    ConfigurationError
        ``config.py`` exists, or its folder is one in which others could replace it, or a folder cannot be written.
    """
    from wfc3_cte_monitor.outputs import FOLDERS, replace_file
    from wfc3_cte_monitor.tables import shipped_file

    config = answers["folder"] / "config.py"
    if config.exists() and not (keep_config or force):
        raise ConfigurationError(f"{config} exists; --force replaces it")
    _make_closed(config.parent)
    data, tree = Path(answers["path_to_data"]), Path(answers["path_to_outputs"])
    for parent, folders in ((data, _DATA_FOLDERS), (tree, FOLDERS)):
        for name, text in folders.items():
            _make_documented(parent / name, text)
    _make_documented(Path(answers["path_to_db"]), "The database of the monitor.")
    if force or not config.exists():
        # Python reads its own files as UTF-8, whatever the locale.
        text = _filled(shipped_file("config.example.py").read_text(encoding="utf-8"), answers)
        replace_file(config, lambda new: _write_closed(new, text))
    return config


def _make_closed(folder):
    """Whatever the umask: a configuration is executed only where nobody else can write it, or put another there."""
    from wfc3_cte_monitor.outputs import make_folder

    if not folder.is_dir():
        _close(make_folder(folder))
    check_folder(make_folder(folder), f"{folder}: is not for a configuration")


def _write_closed(path, text):
    path.write_text(text, encoding="utf-8")
    _close(path)


def _close(path):
    path.chmod(path.stat().st_mode & ~0o022)


def _make_documented(folder, text):
    from wfc3_cte_monitor.outputs import make_folder

    readme = make_folder(folder) / "README"
    if not readme.exists():
        readme.write_text(text + "\n")


def _filled(text, answers):
    """The example configuration with the answers in place of its values."""
    for name in _QUESTIONS:
        line = f"{name} = {answers[name]!r}".replace("\\", "\\\\")
        text, found = re.subn(rf"^{name} = .*$", line, text, flags=re.M)
        if found != 1:
            raise ConfigurationError(f"config.example.py: expected one line '{name} = ...', found {found}")
    return text


def _run(args):
    folder = args.folder.expanduser().resolve()
    answers = default_answers(folder)
    for name in _QUESTIONS:
        given = getattr(args, name)
        if given is None and sys.stdin.isatty():
            given = _asked(name, answers[name])
        if given is not None:
            answers[name] = _answer(name, given)
    config = set_up(answers, force=args.force)
    print(f"configuration: {config}")
    for name in ("path_to_data", "path_to_outputs", "path_to_db"):
        print(f"{name}: {answers[name]}")
    print(f"next: exposures into {Path(answers['path_to_data']) / 'newdata'} (uvis_external_cte retrieve --pr last),")
    print(f"then, in {folder}: run_uvis_external_cte --pr last")
    return 0


def _asked(name, default):
    """What is typed, or None for the default."""
    try:
        return input(f"{_QUESTIONS[name]} [{default or '-'}]: ").strip() or None
    except EOFError:
        raise ConfigurationError("initial_setup: ended at a question; nothing was made") from None


def _answer(name, given):
    if given == "-" and name == "path_to_automated_outputs":
        return None
    return str(Path(given).expanduser().resolve()) if name.startswith("path_") else given
