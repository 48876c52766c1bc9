"""What the shell offers when somebody presses the tab key."""

from pathlib import Path

import argcomplete

from wfc3_cte_monitor.settings import find_config, read_settings

__all__ = ["complete", "completed", "configured", "files"]

files = argcomplete.FilesCompleter()
"""The completer of what names a file or a folder."""


def complete(parser):
    """Answer the shell and end, if it is the shell that calls; else do nothing.

    Parameters
    ----------
    parser : `argparse.ArgumentParser`
    """
    argcomplete.autocomplete(parser, always_complete_options="long", default_completer=_by_kind)


def completed(option, completer):
    """Give an option, as ``add_argument`` returns it, its completer."""
    option.completer = completer


def configured(name, *words):
    """A completer: what the configuration lists under a name, behind words that need no configuration.

    The configuration is that of the line so far, else that of a run without --config. One that would not be executed
    for a run is not for this either; where there is none that can be used, the words are all.

    Parameters
    ----------
    name : str
        Of `settings.Settings`, a collection.
    *words : str
    """

    def completions(parsed_args, **_):
        return (*words, *(_spelled(value) for value in _listed(name, getattr(parsed_args, "config", None))))

    return completions


def _listed(name, config):
    try:
        return getattr(read_settings(find_config(config)), name)
    except Exception:  # Whatever is wrong is said by the command, not in the midst of somebody's line.
        return ()


def _spelled(value):
    return f"{value:g}" if isinstance(value, float) else str(value)


def _by_kind(prefix, action, **context):
    """Files where a path is asked for, y and n where these are; nothing in the place of a number."""
    if action.type is Path:
        return files(prefix, action=action, **context)
    return ("y", "n") if action.metavar == "y|n" else ()
