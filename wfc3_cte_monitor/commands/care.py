"""What keeps a database well: sync, backup, restore, check, status."""

import sys
from pathlib import Path

from wfc3_cte_monitor.commands.common import add_config, add_engine, examples, load_settings, open_database
from wfc3_cte_monitor.commands.completion import completed, files
from wfc3_cte_monitor.commands.subsets import add_subsets

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
        **examples(
            "uvis_external_cte database sync --dry-run",
            "uvis_external_cte database sync",
            more="exit code: 0 the tables are as defined, 1 they are, but what is not defined any more was kept, "
            "2 nothing was changed",
        ),
    )
    p.add_argument("--dry-run", action="store_true", help="do it, show the SQL, undo it")
    p.add_argument(
        "--allow-drop",
        action="store_true",
        help="remove columns and tables that are not defined any more, with what they hold",
    )

    p = _add(
        actions,
        _backup,
        "backup",
        help="write what the database holds to a file, also while a run is going on",
        description="Write what the database holds at one moment to one SQLite file, whatever the engine, and verify "
        "it. Nobody is kept from writing. The file is whole or not there.",
        **examples("uvis_external_cte database backup", "uvis_external_cte database backup elsewhere.db --force"),
    )
    option = p.add_argument(
        "file", nargs="?", type=_path, metavar="FILE", help="by default beside the database, with the time"
    )
    completed(option, files)
    p.add_argument("--force", action="store_true", help="replace a file that is there")
    p = _add(
        actions,
        _restore,
        "restore",
        help="put a backup in the place of what the database holds",
        description="Verify a backup, keep what the database holds as another backup, and replace it. As long "
        "as another process has an SQLite file open, it is refused; a server's writers are waited for.",
        **examples(
            "uvis_external_cte database restore elsewhere.db",
            more="exit code: 0 restored, 1 restored, but to be used after database sync, 2 nothing was changed",
        ),
    )
    option = p.add_argument("file", type=_path, metavar="FILE", help="the backup; it stays as it is")
    completed(option, files)
    _add(
        actions,
        _check,
        "check",
        help="look for all that should not be in the database, and for files that are gone or changed",
        description="Integrity, rows that refer to nothing, doubles, NULL and other types where none may be; "
        "exposures, .coo, .mag and slope files that are gone, or younger than what was made from them; runs that were "
        "killed. One line each.",
        **examples(
            "uvis_external_cte database check",
            more="exit code: 0 all well, 1 something was found, 2 it cannot be read",
        ),
    )
    _add(
        actions,
        _status,
        "status",
        help="what the database is and holds, the last runs, its backups",
        **examples("uvis_external_cte database status", "uvis_external_cte database status --irafphot y"),
    )


def _path(text):
    return Path(text).expanduser().resolve()


def _add(actions, run, name, **about):
    p = actions.add_parser(name, **about)
    add_config(p)
    add_engine(p)
    add_subsets(p)
    p.set_defaults(run=run)
    return p


def _sync(args):
    from wfc3_cte_monitor.database import sync_database
    from wfc3_cte_monitor.pipeline.backups import backup_place

    settings = load_settings(args)
    with open_database(settings) as database:
        path = backup_place(database, settings, "before_sync")
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


def _backup(args):
    from wfc3_cte_monitor.database import make_backup
    from wfc3_cte_monitor.pipeline.backups import backup_place

    settings = load_settings(args)
    with open_database(settings) as database:
        database.check_exists()
        backup = make_backup(database, args.file or backup_place(database, settings, "backup"), force=args.force)
    _print_rows(backup.rows)
    print(f"{database.place} -> {backup.path}, verified")
    return 0


def _restore(args):
    from wfc3_cte_monitor.database import pending, restore_backup
    from wfc3_cte_monitor.pipeline.backups import backup_place

    settings = load_settings(args)
    with open_database(settings) as database:
        restored = restore_backup(database, args.file, backup_place(database, settings, "before_restore"))
        _print_rows(restored.rows)
        if restored.kept:
            print(f"what was there before: {restored.kept}")
        print(f"{args.file} -> {database.place}, verified")
        with database.reading() as connection:
            changes, _ = pending(connection, database.schema)
    if changes:
        print("it is of other table definitions than these: run 'uvis_external_cte database sync'", file=sys.stderr)
    return 1 if changes else 0


def _print_rows(rows):
    for name, number in rows.items():
        print(f"{name:<24}{number:>12}")


def _check(args):
    from wfc3_cte_monitor.database import check_database

    with open_database(load_settings(args)) as database:
        findings = check_database(database)
        for line in findings:
            print(line)
        print(f"{database.place}: {len(findings) or 'no'} findings")
    return 1 if findings else 0


def _status(args):
    from wfc3_cte_monitor.database import pending, read_state
    from wfc3_cte_monitor.pairing import epochs
    from wfc3_cte_monitor.pipeline.backups import backups_of

    settings = load_settings(args)
    with open_database(settings) as database:
        state = read_state(database)
        with database.reading() as connection:
            changes, kept = pending(connection, database.schema)
        beside = backups_of(database, settings)
        print(f"{database.place}\n{state.engine}, {state.size / 1e6:.1f} MB")
    print("fits its definitions" if not changes else f"does not fit its definitions ({changes[0]}): database sync")
    if kept:
        print(f"not defined any more: {', '.join(map(str, kept))}")
    print()
    _print_rows(state.rows)
    print(f"\n{'cluster':<12}{'exposures':>12}{'pairs':>8}{'epochs':>8}{'failures':>10}   first and last")
    for target, one in state.clusters.items():
        n_epochs = len(set(epochs(one.exposures).tolist()))
        days = f"{_day(one.exposures.min())} {_day(one.exposures.max())}" if n_epochs else ""
        line = f"{target:<12}{len(one.exposures):>12}{one.pairs:>8}{n_epochs:>8}{one.failures:>10}   {days}"
        print(line.rstrip())
    print()
    for run in state.runs or ({},):
        print("run {id}: {STARTED} - {ENDED}, {OUTCOME}: {COMMAND}".format(**run) if run else "no run is recorded")
    for path in beside:
        print(f"backup: {path}")
    return 0


def _day(mjd):
    from astropy.time import Time

    return f"{Time(mjd, format='mjd').strftime('%Y-%m-%d')}"
