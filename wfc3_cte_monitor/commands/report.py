"""``uvis_external_cte report``: the web page, from the database and the newest results as they are."""

from wfc3_cte_monitor.commands.common import (
    add_config,
    add_engine,
    add_jobs,
    examples,
    load_settings,
    open_database,
    say,
)
from wfc3_cte_monitor.commands.subsets import add_subsets

__all__ = ["add_parser"]


def add_parser(commands):
    """Add the command to the tool box."""
    p = commands.add_parser(
        "report",
        help="write the web page again",
        description="Write report/index.html among the final results, from the database and the newest results as they "
        "are, as every run does by itself. Of the last run it repeats what that wrote there.",
        **examples("uvis_external_cte report", more="exit code: 0 written, 1 a part of it could not be made"),
    )
    add_config(p)
    add_engine(p)
    add_subsets(p)
    add_jobs(p)
    p.set_defaults(run=_report)


def _report(args):
    from wfc3_cte_monitor.pipeline.report import make_report
    from wfc3_cte_monitor.pipeline.request import Request, Summary

    settings = load_settings(args)
    summary = Summary(log_file=None)
    with open_database(settings) as database:
        database.check_exists()
        path = make_report(database, Request("all", jobs=args.jobs), settings, summary)
    say([*summary.failures, *([str(path)] if path else [])])
    return summary.exit_code
