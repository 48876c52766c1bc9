"""Care of the database: create, fill the master tables, copy to another engine."""

import sys
from pathlib import Path

from wfc3_cte_monitor.commands import care
from wfc3_cte_monitor.commands.common import add_config, add_engine, examples, load_settings, open_database
from wfc3_cte_monitor.commands.completion import completed, files
from wfc3_cte_monitor.commands.reset import add_reset
from wfc3_cte_monitor.commands.subsets import add_subsets
from wfc3_cte_monitor.commands.unlock import add_unlock
from wfc3_cte_monitor.errors import CatalogError

__all__ = ["add_parsers"]


def add_parsers(commands):
    """Add ``database`` and ``populate_master_tables`` to the tool box."""
    of_all = examples(
        "uvis_external_cte database status",
        "uvis_external_cte database backup",
        "uvis_external_cte database sync --dry-run",
    )
    database = commands.add_parser("database", help="care of the database", **of_all)
    actions = database.add_subparsers(title="actions", required=True, metavar="ACTION")
    create = actions.add_parser(
        "create",
        help="create the tables that do not exist yet",
        **examples("uvis_external_cte database create", "uvis_external_cte database create --irafphot y"),
    )
    add_config(create)
    add_engine(create)
    add_subsets(create)
    create.set_defaults(run=_create)
    _add_copy(actions)
    care.add_actions(actions)
    add_reset(actions)
    add_unlock(actions)
    _add_populate(commands)


def _add_copy(actions):
    p = actions.add_parser(
        "copy",
        help="copy the configured database to another one, such as from SQLite to PostgreSQL, and verify it",
        description="Copy every table of the configuration in one transaction, read back what arrived and compare "
        "numbers of rows and checksums. The destination must be empty; when anything fails it stays as it was. The "
        "configuration is not changed: set db_url to use the copy.",
        **examples(
            "uvis_external_cte database copy elsewhere.db",
            "uvis_external_cte database copy postgresql+psycopg://monitor@localhost/uvis_cte",
            more="exit code: 0 copied and verified, 1 copied and verified, but the database has more than the "
            "configuration knows, 2 nothing was copied",
        ),
    )
    option = p.add_argument(
        "url",
        metavar="URL",
        help="destination: the path of an SQLite file, or a URL such as postgresql+psycopg://USER@HOST/DATABASE",
    )
    completed(option, files)
    add_config(p)
    add_engine(p)
    add_subsets(p)
    p.set_defaults(run=_copy)


def _create(args):
    with open_database(load_settings(args)) as database:
        database.create()
        names = sorted(database.schema.metadata.tables)
        print(f"{database.place}: {len(names)} tables: {', '.join(names)}")
    return 0


def _copy(args):
    from wfc3_cte_monitor.database import copy_database, left_behind

    settings = load_settings(args)
    url = args.url if "://" in args.url else Path(args.url).expanduser().resolve()
    with open_database(settings) as source, open_database(settings, url) as destination:
        copies = copy_database(source, destination)
        print(f"{source.place} -> {destination.place}\n\n{'table':<24}{'rows':>12}  {'checksum':<16}")
        for one in copies:
            print(f"{one.name:<24}{one.rows:>12}  {one.checksum:<16}  verified")
        behind = left_behind(source)
    if behind:
        print(f"not of this configuration, not copied: {', '.join(behind)}", file=sys.stderr)
    return 1 if behind else 0


def _add_populate(commands):
    p = commands.add_parser(
        "populate_master_tables",
        help="fill the master tables from the master catalogues",
        description="Read data/master_cat/final/<target>_master.cat (columns id x y ra dec, no header) into "
        "<target>_master. Stars that are there already are replaced; bad lines are named and left out.",
        **examples("uvis_external_cte populate_master_tables"),
    )
    add_config(p)
    add_engine(p)
    add_subsets(p)
    p.set_defaults(run=_populate)


def _populate(args):
    settings = load_settings(args)
    with open_database(settings) as database:
        database.create()
        return max([_populate_one(target, settings, database) for target in settings.target_list])


def _populate_one(target, settings, database):
    from wfc3_cte_monitor.catalogs import catalog_path, read_catalog

    try:
        catalog, problems = read_catalog(catalog_path(settings.path_to_master_cat, target), target)
    except CatalogError as error:
        print(f"uvis_external_cte: {error}", file=sys.stderr)
        return 1
    database.store_catalog(catalog)
    for problem in problems:
        print(f"uvis_external_cte: {problem}", file=sys.stderr)
    print(f"{target}_master: {len(catalog)} stars")
    return 1 if problems else 0
