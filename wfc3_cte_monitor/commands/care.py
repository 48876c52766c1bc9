"""What keeps a database well: sync."""

import sys

from wfc3_cte_monitor.commands.common import add_config, add_engine, load_settings, open_database
from wfc3_cte_monitor.commands.subsets import add_subsets
from wfc3_cte_monitor.database import backup_path, sync_database

__all__ = ["add_actions"]


def add_actions(actions):
    """Add them to the actions of ``database``."""
    p = _add(
        actions,
        _sync,
        "sync",
        help="make the tables follow table_definitions and the configuration; data are kept",
        description="Add, rename (marker 'was OLDNAME' in the definition) and convert columns, add and remove indexes, "
        "NOT NULL and unique keys, add tables, clusters, apertures and flux bins: what table_definitions and the "
        "configuration say. A verified backup is made beside the database first. All is changed or nothing.",
        epilog="exit code: 0 the tables are as defined, 1 they are, but what is not defined any more was kept, "
        "2 nothing was changed",
    )
    p.add_argument("--dry-run", action="store_true", help="do it, show the SQL, undo it")
    p.add_argument(
        "--allow-drop",
        action="store_true",
        help="remove columns and tables that are not defined any more, with what they hold",
    )


def _add(actions, run, name, **about):
    p = actions.add_parser(name, **about)
    add_config(p)
    add_engine(p)
    add_subsets(p)
    p.set_defaults(run=run)
    return p


def _backup_path(database, settings, kind):
    """Beside an SQLite file; the backups of a server lie where its file would be, else in the outputs."""
    if database.file:
        return backup_path(database.file.parent, database.file.stem, kind)
    return backup_path(settings.path_to_db or settings.path_to_outputs, database.url.database, kind)


def _sync(args):
    settings = load_settings(args)
    with open_database(settings) as database:
        path = _backup_path(database, settings, "before_sync")
        done = sync_database(database, path, allow_drop=args.allow_drop, dry_run=args.dry_run)
        if args.dry_run:
            print("".join(f"{statement};\n" for statement in done.statements), end="")
        for line in done.changes:
            print(line)
        if done.backup:
            print(f"backup: {done.backup.path} ({sum(done.backup.rows.values())} rows, verified)")
        said = "nothing was changed" if args.dry_run or not done.changes else f"{len(done.changes)} changes"
        print(f"{database.place}: {said}")
    for line in done.kept:
        print(f"{line}; kept, --allow-drop removes it", file=sys.stderr)
    return 1 if done.kept else 0
