"""``uvis_external_cte database reset``: tables are filled again from the files."""

from wfc3_cte_monitor.commands.common import (
    add_config,
    add_engine,
    add_jobs,
    examples,
    load_settings,
    open_database,
    report,
)
from wfc3_cte_monitor.commands.subsets import add_subsets
from wfc3_cte_monitor.pipeline.request import TABLES

__all__ = ["add_reset"]


def add_reset(actions):
    """Add the action to ``database``."""
    p = actions.add_parser(
        "reset",
        help="fill tables again from the files in data and outputs, without photometry",
        description="Fill tables of all clusters again: master from the catalogues, fileinfo from headers and .mag "
        "files, phot from .mag files, results from the stars in phot, with new slope files. Rows are replaced exposure "
        "by exposure; what no file tells of any more stays as it was and is named. A verified backup is made first.",
        **examples(
            "uvis_external_cte database reset fileinfo",
            "uvis_external_cte database reset master fileinfo phot results",
            more="exit code: 0 all well, 1 something failed (the summary says what), 2 nothing could be done",
        ),
    )
    p.add_argument("tables", nargs="+", choices=TABLES, metavar="TABLE", help=", ".join(TABLES))
    add_config(p)
    add_engine(p)
    add_subsets(p)
    add_jobs(p)
    p.set_defaults(run=_run)


def _run(args):
    from wfc3_cte_monitor.database import make_backup
    from wfc3_cte_monitor.pipeline.backups import backup_place
    from wfc3_cte_monitor.pipeline.reset import reset

    settings = load_settings(args)
    with open_database(settings) as database:
        if database.file is None or database.file.is_file():
            database.check()
            print(f"backup: {make_backup(database, backup_place(database, settings, 'before_reset')).path}")
    summaries = reset(args.tables, settings, args.jobs)
    return max([report(summary, "uvis_external_cte") for summary in summaries])
