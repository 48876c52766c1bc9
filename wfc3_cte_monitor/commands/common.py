"""What the commands share."""

import argparse
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
_GOES_ON = "interrupted; the same command goes on from here"


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
            return command(args)
    except KeyboardInterrupt as error:
        print(f"{program}: {_GOES_ON}", file=sys.stderr)
        return TERMINATED if isinstance(error, TerminatedError) else INTERRUPTED
    except MonitorError as error:
        print(f"{program}: error: {error}", file=sys.stderr)
    except OSError as error:  # a full disk, a folder that vanished
        print(printable(f"{program}: error: {place_and_reason(error)}"), file=sys.stderr)
    return BAD_INPUT
