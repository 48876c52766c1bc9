"""``uvis_external_cte retrieve``: FLT and FLC files from the archive."""

import argparse

from wfc3_cte_monitor.commands.common import HelpFormatter, add_config, load_settings, say, visit
from wfc3_cte_monitor.commands.completion import completed, configured
from wfc3_cte_monitor.settings import server_url

__all__ = ["add_parser", "EXAMPLES"]

DESCRIPTION = """\
Find the FLT and FLC files of programs in MAST and download into data/newdata what is neither there nor in
data/<program>, and what is newer in the archive. An interrupted download goes on where it stopped; a file has its
name once it is whole. run_tweakreg then aligns the files and moves them to data/<program>.
"""

EXAMPLES = """\
examples:
  the newest program, what is missing:     uvis_external_cte retrieve --pr last
  what would come, of two visits:          uvis_external_cte retrieve --pr 14012 --v 3 4 --dry-run
  after a recalibration, what is newer:    uvis_external_cte retrieve --pr all

Proprietary data need a token of the archive in $MAST_API_TOKEN.

exit code: 0 all well, 1 something failed (the summary says what), 2 bad arguments or configuration, or the archive
cannot be reached
"""


def add_parser(commands):
    """Add the command to the tool box."""
    p = commands.add_parser(
        "retrieve",
        help="download FLT and FLC files from the archive (MAST)",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=HelpFormatter,
    )
    option = p.add_argument(
        "--pr",
        nargs="+",
        required=True,
        metavar="SET",
        help="all, last (the newest of program_list), or program numbers that are listed there",
    )
    completed(option, configured("program_list", "all", "last"))
    p.add_argument(
        "--v", nargs="+", default=[], type=visit, metavar="VISIT", help="only these visits, such as 3 4 or 0A"
    )
    p.add_argument("--dry-run", action="store_true", help="say what would be downloaded and why, download nothing")
    p.add_argument(
        "--server",
        type=_server,
        metavar="URL",
        help="address of the archive (default: mast_server of the configuration, then astroquery's own)",
    )
    add_config(p)
    p.set_defaults(run=_run)


def _server(text):
    try:
        return server_url(text)
    except (TypeError, ValueError):
        raise argparse.ArgumentTypeError(f"not the http(s) address of a server: {text!r}") from None


def _run(args):
    from wfc3_cte_monitor.pipeline.retrieve import listed_programs, retrieve

    settings = load_settings(args)
    programs = listed_programs(args.pr, settings)
    retrieval = retrieve(programs, tuple(args.v), settings, server=args.server, dry_run=args.dry_run)
    say(retrieval.lines())
    return retrieval.exit_code
