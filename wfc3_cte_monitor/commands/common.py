"""What the commands share."""

import argparse
import difflib
import io
import logging
import os
import signal
import sys
import textwrap
import threading
from contextlib import contextmanager
from urllib.parse import urlsplit

from wfc3_cte_monitor.commands.completion import completed, files
from wfc3_cte_monitor.commands.subsets import chosen_subset
from wfc3_cte_monitor.errors import ConfigurationError, MonitorError, TerminatedError, place_and_reason, printable
from wfc3_cte_monitor.pipeline.request import INTERRUPTED, TERMINATED
from wfc3_cte_monitor.settings import CONFIG_VARIABLE, find_config, read_settings

__all__ = [
    "BAD_INPUT",
    "report",
    "add_config",
    "add_engine",
    "add_jobs",
    "add_scheduler",
    "CommandParser",
    "HelpFormatter",
    "examples",
    "load_settings",
    "open_database",
    "positive_int",
    "positive_number",
    "scheduler",
    "yes_no",
    "visit",
    "logging_to_terminal",
    "say",
    "guarded",
]

BAD_INPUT = 2
"""Exit code for bad arguments or configuration."""
_CLOSED = 141
"""Exit code where nobody reads what is printed any more, as of programs that SIGPIPE ends."""
_GOES_ON = "interrupted; the same command goes on from here"


class CommandParser(argparse.ArgumentParser):
    """Says in one line what is wrong with the arguments, and what is similar to a word that it does not know."""

    def parse_known_args(self, args=None, namespace=None):
        """As the base class has it; what was given is kept for `error`."""
        self._given = sys.argv[1:] if args is None else list(args)
        return super().parse_known_args(args, namespace)

    def error(self, message):
        """Print one line and exit."""
        self.exit(BAD_INPUT, f"{self.prog}: error: {message}{self._meant()}; {self.prog} --help explains\n")

    def _meant(self):
        """What may have been meant by the words that are no option or command."""
        given = [word.partition("=")[0] for word in getattr(self, "_given", ())]
        options, commands = _known_words(self, given)
        unknown = [(word, options) for word in given if word.startswith("--") and not _begins(word, options)]
        unknown += [(word, commands) for word in given[:1] if commands and word not in commands]
        similar = [(word, difflib.get_close_matches(word, known, n=1)) for word, known in unknown]
        return "".join(f" ({word}: {match[0]}?)" for word, match in similar if match)


def _known_words(parser, given):
    """The options and commands of a parser, with the options of the command that was given."""
    options, commands = set(), {}
    for action in parser._actions:
        options |= set(action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            commands = action.choices
    for k, word in enumerate(given):
        if word in commands:
            options |= _known_words(commands[word], given[k + 1 :])[0]
    return options, commands


def _begins(word, options):
    """Whether an option begins so: argparse takes it as a short form."""
    return any(option.startswith(word) for option in options)


class HelpFormatter(argparse.HelpFormatter):
    """Fills a text of one line, and leaves one of several, such as examples, as it is."""

    def _fill_text(self, text, width, indent):
        if "\n" not in text.strip():
            return super()._fill_text(text, width, indent)
        return "".join(f"{indent}{line}" for line in text.splitlines(keepends=True))


def examples(*lines, more=""):
    """What `add_parser` needs for a help that ends with examples.

    Parameters
    ----------
    *lines : str
        Commands, each as it can be copied.
    more : str, optional
        What is to be said under them, such as the exit codes.

    Returns
    -------
    arguments : dict
    """
    shown = [f"example{'s' * (len(lines) > 1)}:", *(f"  {line}" for line in lines)]
    return {"epilog": "\n".join([*shown, *_paragraph(more)]) + "\n", "formatter_class": HelpFormatter}


def _paragraph(text):
    return ["", *textwrap.wrap(text, 98)] if text else []


def add_config(parser):
    """The option that names the configuration file."""
    option = parser.add_argument(
        "--config",
        metavar="FILE",
        help=f"configuration file (default: ${CONFIG_VARIABLE}, then config.py in the working directory)",
    )
    completed(option, files)


def add_jobs(parser):
    """The option for the number of processes."""
    parser.add_argument(
        "--jobs",
        type=positive_int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes that work at the same time (default: the machine's cores)",
    )


def add_scheduler(parser):
    """The option for a Dask cluster."""
    parser.add_argument(
        "--scheduler",
        type=scheduler,
        metavar="ADDRESS",
        help="extract exposures and draw the figures of pairs on the Dask cluster whose scheduler is at this address, "
        "such as tcp://host:8786; its workers need this package and must see the folders of the configuration. "
        "What is left to do here is done by --jobs processes",
    )


def add_engine(parser, meaning="the database of IRAF's photometry, whose name ends in _iraf (default n)"):
    """The option that chooses the engine of photometry, and with it the database."""
    parser.add_argument(
        "--irafphot",
        type=yes_no,
        default=False,
        metavar="y|n",
        help=meaning,
    )


def newest_coefficients(settings):
    """The folders in which the newest results have their coefficients.

    Raises
    ------
    ConfigurationError
        There are none yet.
    """
    from wfc3_cte_monitor.outputs import MOST_RECENT

    folders = sorted(
        folder
        for kind in ("cte_vs_logflux", "cte_vs_flashlvl")
        for folder in settings.path_to_finalresults.glob(f"*/{MOST_RECENT}/{kind}")
        if any(folder.glob("*_coeffs.*"))  # Not every set of data determines some.
    )
    if not folders:
        raise ConfigurationError(f"{settings.path_to_finalresults}: no results there yet; or name some with --coeffs")
    return folders


def load_settings(args):
    """The `settings.Settings` that the arguments name, of the engine and the subset that they choose."""
    settings = read_settings(find_config(args.config))
    settings = settings.of_engine("iraf" if getattr(args, "irafphot", False) else "python")
    return settings.of_subset(chosen_subset(args, settings))


def open_database(settings, url=None):
    """The `database.Database` of a configuration, or of another URL or path with the same tables."""
    from wfc3_cte_monitor.database import Database
    from wfc3_cte_monitor.tables import Schema

    schema = Schema(settings.target_list, settings.aprads, settings.bins)
    return Database(settings.database_url if url is None else url, schema)


def positive_int(text):
    """A whole number from 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more: {text}")
    return value


positive_int.__name__ = "whole number"


def positive_number(text):
    """A number above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0: {text}")
    return value


positive_number.__name__ = "number"


def scheduler(text):
    """The address of a Dask scheduler."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("tcp", "tls") or not parts.hostname or not port or text.rpartition(":")[2] != str(port):
        raise argparse.ArgumentTypeError(f"must be tcp://host:port or tls://host:port, not {text!r}")
    return text


def visit(text):
    """'3' and '03' are visit 03."""
    if not text.isalnum() or len(text) > 2:
        raise argparse.ArgumentTypeError(f"a visit has one or two letters or digits, not {text!r}")
    return text.lower().zfill(2)


def yes_no(text):
    """'y' or 'n'; anything else is refused."""
    if text not in ("y", "n"):
        raise argparse.ArgumentTypeError(f"must be y or n, not {text!r}")
    return text == "y"


class _TerminalHandler(logging.Handler):
    """Log lines on stderr that do not tear a progress bar apart."""

    def emit(self, record):
        from tqdm import tqdm

        tqdm.write(self.format(record), file=sys.stderr)


@contextmanager
def logging_to_terminal():
    """Log lines on stderr; beside a progress bar only what needs attention."""
    from wfc3_cte_monitor.pipeline.parallel import LogLine

    handler = _TerminalHandler(logging.WARNING if sys.stderr.isatty() else logging.INFO)
    handler.setFormatter(LogLine("%(levelname)s: %(message)s"))
    logger = logging.getLogger("wfc3_cte_monitor")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def _sigterm_raised():
    """Within the block SIGTERM raises a `TerminatedError`, as Ctrl-C raises its error."""
    if threading.current_thread() is not threading.main_thread():  # which alone may say so
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number, frame):
    raise TerminatedError


def report(summary, program):
    """Print what came of a run; returns the exit code."""
    say(summary.lines())
    if summary.interrupted:
        print(f"{program}: {_GOES_ON}", file=sys.stderr)
    return summary.exit_code


def say(lines):
    """Print lines, each as one, whatever a file had in a name or value."""
    print("\n".join(map(printable, lines)))


def guarded(command, args, program):
    """Call a command; an error that is the user's to mend becomes one line and exit code 2, Ctrl-C one and 130."""
    from wfc3_cte_monitor.pipeline.parallel import warnings_logged

    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that the terminal's encoding does not have, such as ASCII with LC_ALL=C, must not end a run.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with logging_to_terminal(), warnings_logged(), _sigterm_raised():
            code = command(args)
            sys.stdout.flush()
            return code
    except KeyboardInterrupt as error:
        print(f"{program}: {_GOES_ON}", file=sys.stderr)
        return TERMINATED if isinstance(error, TerminatedError) else INTERRUPTED
    except MonitorError as error:
        print(f"{program}: error: {error}", file=sys.stderr)
    except BrokenPipeError:
        # Whoever read what is printed, such as head, has enough. What is left must not fail when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _CLOSED
    except OSError as error:  # a full disk, a folder that vanished
        print(printable(f"{program}: error: {place_and_reason(error)}"), file=sys.stderr)
    return BAD_INPUT
