"""The database: one transaction per exposure or pair, bulk inserts, reads that return records and tables."""

import sqlite3
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from astropy.table import Table
from sqlalchemy.engine import make_url

from wfc3_cte_monitor.database.rows import SLOPE_COLUMNS, aperture_label, exposure_of, phot_columns, slope_row
from wfc3_cte_monitor.errors import ConfigurationError, DatabaseError
from wfc3_cte_monitor.records import MasterCatalog

__all__ = ["Database"]

_BUSY_SECONDS = 60


class Database:
    """The monitor's database.

    Parameters
    ----------
    url : str or `pathlib.Path`
        SQLAlchemy URL, or the path of an SQLite file.
    schema : `tables.Schema`

    Raises
    ------
    ConfigurationError
        The URL is not one, or names a driver that is not installed.
    """

    def __init__(self, url, schema):
        self.schema = schema
        self._rehearsal = None
        try:
            self.url = sa.URL.create("sqlite", database=str(url)) if isinstance(url, Path) else make_url(url)
            self.engine = sa.create_engine(self.url)
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError, ValueError) as error:
            raise ConfigurationError(f"db_url: {_one_line(error)}") from error
        if self.engine.dialect.name == "sqlite":
            _prepare_sqlite(self.engine)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.engine.dispose()

    # ---- Structure ---------------------------------------------------------------------------------------------------

    def create(self):
        """Create the tables that do not exist yet, and check that those that do have the columns defined.

        Raises
        ------
        DatabaseError
            The database cannot be opened or written, or does not fit its definitions.
        """
        if self.engine.dialect.name == "sqlite" and self.url.database:
            self._make_folder(Path(self.url.database).parent)
        with self._errors_named():
            self.schema.metadata.create_all(self.engine)
            self._check_columns()

    def _make_folder(self, folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatabaseError(f"database {self.place}: {error.strerror}: {folder}") from error

    @property
    def place(self):
        """The URL without its password."""
        return self.url.render_as_string(hide_password=True)

    def _check_columns(self):
        inspector = sa.inspect(self.engine)
        for table in self.schema.metadata.sorted_tables:
            existing = {column["name"] for column in inspector.get_columns(table.name)}
            missing = [column.name for column in table.columns if column.name not in existing]
            if missing:
                raise DatabaseError(
                    f"database {self.place}: {table.name} lacks {', '.join(missing[:5])}, which table_definitions or "
                    "the apertures and flux bins of the configuration ask for; name another database in the "
                    "configuration, or move this one away, and run with --pr all"
                )

    # ---- Transactions ------------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self):
        """A connection whose changes are kept when the block ends well, and none of them when it does not."""
        with self._errors_named():
            if self._rehearsal is not None:
                with self._rehearsal.begin_nested():
                    yield self._rehearsal
            else:
                with self._writer() as connection, connection.begin():
                    yield connection

    def _writer(self):
        """SQLite: take the write lock at once, and wait for it, rather than fail when the first row is written."""
        return self.engine.connect().execution_options(sqlite_begin="IMMEDIATE")

    @contextmanager
    def rehearsal(self):
        """Within the block everything works and reads as usual; at its end all is undone."""
        with self._errors_named(), self._writer() as connection:
            outer = connection.begin()
            self._rehearsal = connection
            try:
                yield
            finally:
                self._rehearsal = None
                outer.rollback()

    @contextmanager
    def _reading(self):
        with self._errors_named():
            if self._rehearsal is not None:
                yield self._rehearsal
            else:
                with self.engine.connect() as connection:
                    yield connection

    @contextmanager
    def _errors_named(self):
        """An error of the database, or of its driver, becomes one line that says which database."""
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise DatabaseError(f"database {self.place}: {_one_line(error.orig)}") from error
        except sqlite3.Error as error:  # raised while connecting, where SQLAlchemy does not wrap it
            raise DatabaseError(f"database {self.place}: {error}") from error

    # ---- Writing -----------------------------------------------------------------------------------------------------

    def upsert(self, connection, target, name, rows):
        """Insert rows; those whose natural key exists are replaced.

        Parameters
        ----------
        connection : `sqlalchemy.Connection`
        target, name : str
            Cluster and base name of the table.
        rows : list of dict
            All with the same columns.
        """
        if not rows:
            return
        keys = self.schema.natural_keys[name]
        statement = self._insert(self.schema.table(target, name))
        updates = {column: statement.excluded[column] for column in rows[0] if column not in keys}
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=updates), rows)

    def _insert(self, table):
        """Only the dialects' own insert knows ON CONFLICT."""
        if self.engine.dialect.name == "postgresql":
            from sqlalchemy.dialects.postgresql import insert
        else:
            from sqlalchemy.dialects.sqlite import insert
        return insert(table)

    def store_catalog(self, catalog):
        """Fill a master table; stars that are there already are replaced, none is removed."""
        columns = (catalog.id, catalog.x, catalog.y, catalog.ra, catalog.dec)
        names = ("id", "XPIX", "YPIX", "RA", "DEC")
        rows = [dict(zip(names, star, strict=True)) for star in zip(*(c.tolist() for c in columns), strict=True)]
        with self.transaction() as connection:
            self.upsert(connection, catalog.target, "master", rows)

    def store_exposure(self, target, fileinfo, photometry):
        """Store one measured exposure whole; what was known of it before is replaced.

        Parameters
        ----------
        target : str
        fileinfo : dict
            Column -> value.
        photometry : `records.Photometry`
        """
        info, phot = self.schema.table(target, "fileinfo"), self.schema.table(target, "phot")
        with self.transaction() as connection:
            self.upsert(connection, target, "fileinfo", [fileinfo])
            query = sa.select(info.c.id).where(fileinfo["IMAGENAME"] == info.c.IMAGENAME)
            file_id = connection.execute(query).scalar_one()
            connection.execute(phot.delete().where(file_id == phot.c.FILE_ID))
            self._insert_rows(connection, phot, phot_columns(photometry, file_id))

    def _insert_rows(self, connection, table, columns):
        """Bulk insert of whole columns (name -> list), past SQLAlchemy's work on each row's parameters."""
        if not len(next(iter(columns.values()))):
            return
        if self.engine.dialect.paramstyle == "qmark":
            marks = ", ".join("?" * len(columns))
            quote = self.engine.dialect.identifier_preparer.quote
            names = ", ".join(quote(name) for name in columns)
            statement = f"INSERT INTO {quote(table.name)} ({names}) VALUES ({marks})"
            connection.exec_driver_sql(statement, list(zip(*columns.values(), strict=True)))
        else:
            rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
            connection.execute(table.insert(), rows)

    def store_results(self, target, rows, considered):
        """Store the results of one pair; other results of its exposures are of pairs that are no more, and go.

        Parameters
        ----------
        target : str
        rows : list of dict
            Column -> value, one per aperture, all of one pair.
        considered : (str, str)
            Image names of the pair.
        """
        results = self.schema.table(target, "results")
        one, two = considered
        stale = sa.or_(results.c.IMAGENAME_1.in_([one, two]), results.c.IMAGENAME_2.in_([one, two]))
        same = sa.and_(one == results.c.IMAGENAME_1, two == results.c.IMAGENAME_2)
        with self.transaction() as connection:
            connection.execute(results.delete().where(stale, sa.not_(same)))
            self.upsert(connection, target, "results", rows)

    def forget(self, target, imagenames):
        """Remove exposures, their photometry and their results.

        Returns
        -------
        removed : int
            How many of them the database had.
        """
        info, phot, results = (self.schema.table(target, name) for name in ("fileinfo", "phot", "results"))
        ids = sa.select(info.c.id).where(info.c.IMAGENAME.in_(imagenames)).scalar_subquery()
        with self.transaction() as connection:
            connection.execute(phot.delete().where(phot.c.FILE_ID.in_(ids)))
            pair_of = sa.or_(results.c.IMAGENAME_1.in_(imagenames), results.c.IMAGENAME_2.in_(imagenames))
            connection.execute(results.delete().where(pair_of))
            return connection.execute(info.delete().where(info.c.IMAGENAME.in_(imagenames))).rowcount

    # ---- Reading -----------------------------------------------------------------------------------------------------

    def catalog(self, target):
        """The master table of a cluster as a `records.MasterCatalog`; it may be empty."""
        master = self.schema.table(target, "master")
        query = sa.select(*(master.c[name] for name in ("id", "XPIX", "YPIX", "RA", "DEC"))).order_by(master.c.id)
        with self._reading() as connection:
            rows = connection.execute(query).all()
        ids, *columns = zip(*rows, strict=True) if rows else [[]] * 5
        return MasterCatalog(target, np.array(ids, dtype=np.int64), *(np.array(c, dtype=float) for c in columns))

    def exposures(self, target, programs, visits=None):
        """The measured exposures of programs (and visits), in order of image name.

        Returns
        -------
        exposures : list of `records.Exposure`
        """
        info = self.schema.table(target, "fileinfo")
        query = sa.select(info).where(info.c.PROPOSID.in_(list(programs))).order_by(info.c.IMAGENAME)
        if visits:
            query = query.where(info.c.VISIT.in_(list(visits)))
        with self._reading() as connection:
            return [exposure_of(row) for row in connection.execute(query).mappings()]

    def fingerprints(self, target):
        """Image name -> fingerprint of what its photometry was made from (None where that is not known)."""
        info = self.schema.table(target, "fileinfo")
        with self._reading() as connection:
            return dict(connection.execute(sa.select(info.c.IMAGENAME, info.c.FINGERPRINT)).all())

    def result_fingerprints(self, target):
        """(image name 1, image name 2, aperture [px]) -> fingerprint of what the slopes were made from."""
        results = self.schema.table(target, "results")
        columns = [results.c[name] for name in ("IMAGENAME_1", "IMAGENAME_2", "APERTURE", "FINGERPRINT")]
        with self._reading() as connection:
            return {(*key,): value for *key, value in connection.execute(sa.select(*columns))}

    def star_fluxes(self, target, imagename, aperture):
        """What a slope needs of one exposure.

        Returns
        -------
        id, y, flux, flags : ndarray, shape (n,)
            Ids in the master catalogue, 1-based rows [px], fluxes [e-], bits of `records.Flag`.
        """
        info, phot = self.schema.table(target, "fileinfo"), self.schema.table(target, "phot")
        label = aperture_label(aperture)
        columns = [phot.c[name] for name in ("MASTER_ID", "YPIX", f"FLUX_{label}", f"FLAGS_{label}")]
        file_id = sa.select(info.c.id).where(imagename == info.c.IMAGENAME).scalar_subquery()
        query = sa.select(*columns).where(file_id == phot.c.FILE_ID).order_by(phot.c.MASTER_ID)
        with self._reading() as connection:
            rows = connection.execute(query).all()
        ids, y, flux, flags = zip(*rows, strict=True) if rows else [[]] * 4
        return np.array(ids, dtype=np.int64), *(
            np.array(v, dtype=t) for v, t in ((y, float), (flux, float), (flags, int))
        )

    def background(self, target, imagename):
        """Median total background of an exposure's stars [e-/px], or None."""
        info = self.schema.table(target, "fileinfo")
        with self._reading() as connection:
            return connection.execute(sa.select(info.c.TOTBKGRD).where(imagename == info.c.IMAGENAME)).scalar()

    def slopes(self, target, aperture, **conditions):
        """Slopes of all pairs of a cluster, one row per pair and flux bin.

        Parameters
        ----------
        target : str
        aperture : float
            Radius [px].
        **conditions
            Columns of fileinfo and their values, such as ``FILTER='F502N', LENGTH='l'``.

        Returns
        -------
        table : `astropy.table.Table`
            Columns target, imagename_1, imagename_2, proposid, mjd [d], background [e-/px], lo, hi [e-], n_points,
            mean_flux [e-], slope [1/px], slope_err, magslope [mag/px], magslope_err (standard errors). Missing
            values are NaN. In order of time.
        """
        info, results = self.schema.table(target, "fileinfo"), self.schema.table(target, "results")
        query = (
            sa.select(results, info.c.PROPOSID)
            .join(info, info.c.IMAGENAME == results.c.IMAGENAME_2)
            .where(aperture == results.c.APERTURE, *(info.c[name] == value for name, value in conditions.items()))
            .order_by(results.c.MJD, results.c.IMAGENAME_1)
        )
        with self._reading() as connection:
            rows = [
                slope_row(target, row, label) for row in connection.execute(query).mappings() for label in self._bins
            ]
        return Table(rows=rows, names=list(SLOPE_COLUMNS), dtype=list(SLOPE_COLUMNS.values()))

    def exposure_sets(self, target, ctecorr=None):
        """The combinations of filter, length, flash level and FLT/FLC that have results.

        Returns
        -------
        sets : list of (str, str, float, bool)
        """
        info, results = self.schema.table(target, "fileinfo"), self.schema.table(target, "results")
        columns = [info.c[name] for name in ("FILTER", "LENGTH", "FLASHLVL", "CTECORR")]
        query = (
            sa.select(*columns).join(results, info.c.IMAGENAME == results.c.IMAGENAME_2).distinct().order_by(*columns)
        )
        with self._reading() as connection:
            return [(f, length, flash, bool(cte)) for f, length, flash, cte in connection.execute(query)]

    @property
    def _bins(self):
        return [
            c.name.removeprefix("SLOPE_") for c in self.schema.definitions["results"] if c.name.startswith("SLOPE_")
        ]


def _one_line(error):
    return " ".join(str(error).split())


def _prepare_sqlite(engine):
    """Foreign keys are off and transactions half automatic in Python's driver: switch on and take over."""

    @sa.event.listens_for(engine, "connect")
    def on_connect(connection, record):
        connection.isolation_level = None
        for pragma in ("foreign_keys = ON", "journal_mode = WAL", "synchronous = NORMAL"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA busy_timeout = {1000 * _BUSY_SECONDS}")

    @sa.event.listens_for(engine, "begin")
    def on_begin(connection):
        mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")
