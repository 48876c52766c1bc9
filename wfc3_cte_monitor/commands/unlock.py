"""``uvis_external_cte database unlock``: who has the database?"""

from wfc3_cte_monitor.commands.common import add_config, add_engine, examples, load_settings, open_database
from wfc3_cte_monitor.commands.subsets import add_subsets
from wfc3_cte_monitor.errors import DatabaseError

__all__ = ["add_unlock"]


def add_unlock(actions):
    """Add the action to ``database``."""
    p = actions.add_parser(
        "unlock",
        help="say who has the database, and free it of what is dead",
        description="Name the processes that have the database open, since when, and which of them writes. Runs that "
        "were killed are noted as such, and sessions with a server whose processes are dead are ended; nothing "
        "that is alive is touched.",
        **examples(
            "uvis_external_cte database unlock",
            more="exit code: 0 nobody has it, 1 somebody alive has it, 2 it cannot be opened",
        ),
    )
    add_config(p)
    add_engine(p)
    add_subsets(p)
    p.set_defaults(run=_run)


def _run(args):
    from wfc3_cte_monitor.pipeline.unlock import unlock

    with open_database(load_settings(args)) as database:
        if database.file and not database.file.is_file():
            raise DatabaseError(f"database {database.place}: does not exist yet; a run makes it")
        found = unlock(database)
        print(f"{database.place}: {f'{len(found.holders)} have it' if found.holders else 'nobody has it'}")
    for line in (*found.holders, *(f"at work: {line}" for line in found.runs), *found.freed):
        print(f"  {line}")
    if found.holders:
        print("wait for them, or ask them to end: Ctrl-C ends a run at once, and nothing is lost")
    return 1 if found.holders else 0
