"""The database: one transaction per exposure or pair, bulk inserts, reads that return records and tables."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from astropy.table import Table

from wfc3_cte_monitor.database import engine as engines
from wfc3_cte_monitor.database import structure
from wfc3_cte_monitor.database.refill import replace_stars
from wfc3_cte_monitor.database.rows import aperture_label, exposure_of, plain, slope_columns, slopes_table
from wfc3_cte_monitor.database.waiting import Patience
from wfc3_cte_monitor.errors import DatabaseError
from wfc3_cte_monitor.records import Exposure, MasterCatalog, Photometry
from wfc3_cte_monitor.tables import Schema

__all__ = ["Database"]

_SET = ("FILTER", "LENGTH", "FLASHLVL", "CTECORR")
_BEFORE_ALL = ("", "", -1.0, -1)
_CHUNK = 1000
"""Names in one statement: databases have a limit for its parameters."""


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

    def __init__(self, url: str | Path | sa.URL, schema: Schema) -> None:
        self.schema = schema
        self.patience = Patience()
        self._rehearsal = None
        self.url = engines.parse_url(url)
        self.engine = engines.open_engine(self.url)

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *exc: object) -> None:
        self.engine.dispose()

    # ---- Structure ---------------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Create the tables that do not exist yet, and check that those that do have the columns defined.

        Raises
        ------
        DatabaseError
            The database cannot be opened or written, or does not fit its definitions.
        """
        self.prepare()
        with self.errors_named():
            missing = structure.missing_names(self.engine, self.schema.metadata)
        if missing:  # Whose database is whole does not wait for a writer.
            self.check(self.schema.metadata.tables.keys() - missing)
            with self.transaction() as connection:
                structure.create_missing(connection, self.schema.metadata)
        self.check()

    def prepare(self) -> None:
        """Make the folder of an SQLite file, and refuse names that the database would not keep whole."""
        if self.file:
            self._make_folder(self.file.parent)
        limit = self.engine.dialect.max_identifier_length
        too_long = structure.long_names(self.schema.metadata, limit)
        if too_long:
            raise DatabaseError(
                f"database {self.place}: the name {too_long[0]} is longer than {limit} characters; choose shorter "
                "names in target_list or table_definitions"
            )

    def _make_folder(self, folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatabaseError(f"database {self.place}: {error.strerror}: {folder}") from error

    @property
    def place(self) -> str:
        """The URL without its password."""
        return engines.without_password(self.url)

    @property
    def file(self) -> Path | None:
        """The `pathlib.Path` of an SQLite file, else None."""
        named = self.url.database if self.engine.dialect.name == "sqlite" else None
        return Path(named) if named and named != ":memory:" else None

    def check_exists(self) -> None:
        """Check that there is an SQLite file: to look for one must not make it."""
        if self.file and not self.file.is_file():
            raise DatabaseError(f"database {self.place}: does not exist; make it: uvis_external_cte database create")

    def check(self, tables: Iterable[str] | None = None, *, writable: bool = True) -> None:
        """Check that tables, by default all, are there and have the columns defined, and rows can be written.

        Raises
        ------
        DatabaseError
            The database cannot be read, or does not fit its definitions.
        """
        with self.errors_named():
            existing = structure.existing_columns(self.engine, self.schema.metadata)
        for table in existing if tables is None else tables:
            problem = structure.misfit(self.schema.metadata.tables[table], existing[table], writable=writable)
            if problem:
                raise DatabaseError(
                    f"database {self.place}: {table} {problem}: table_definitions, or the apertures and flux bins of "
                    "the configuration, say otherwise; 'uvis_external_cte database sync', with the same --config and "
                    "options, changes the tables and keeps their data"
                )

    # ---- Transactions ------------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """A connection whose changes are kept when the block ends well, and none of them when it does not."""
        with self.errors_named():
            if self._rehearsal is not None:
                with self._rehearsal.begin_nested():
                    yield self._rehearsal
            else:
                with self._writer() as connection, connection.begin():
                    yield connection

    def _writer(self):
        """Take the lock of the one writer at once, and wait for it, rather than fail when the first row is written."""
        return self.engine.connect().execution_options(patience=self.patience)

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Within the block everything works and reads as usual; at its end all is undone."""
        with self.errors_named(), self._writer() as connection:
            outer = connection.begin()
            self._rehearsal = connection
            try:
                yield
            finally:
                self._rehearsal = None
                outer.rollback()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection to read with; within a rehearsal the one that sees what was written."""
        with self.errors_named():
            if self._rehearsal is not None:
                yield self._rehearsal
            else:
                with self.engine.connect() as connection:
                    yield connection

    @contextmanager
    def errors_named(self) -> Iterator[None]:
        """An error of the database, or of its driver, becomes one line that says which database."""
        try:
            yield
        except sa.exc.DBAPIError as error:
            if engines.was_interrupted(error):
                raise KeyboardInterrupt from error
            raise DatabaseError(f"database {self.place}: {engines.explain(error.orig, self.url)}") from error
        except self.engine.dialect.loaded_dbapi.Error as error:  # of the driver itself, which SQLAlchemy did not call
            raise DatabaseError(f"database {self.place}: {engines.explain(error, self.url)}") from error

    # ---- Writing -----------------------------------------------------------------------------------------------------

    def upsert(self, connection: sa.Connection, target: str, name: str, rows: list[dict[str, object]]) -> None:
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
        rows = [plain(row) for row in rows]
        statement = engines.dialect_insert(self.engine, self.schema.table(target, name))
        updates = {column: statement.excluded[column] for column in rows[0] if column not in keys}
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=updates), rows)

    def store_catalog(self, catalog: MasterCatalog) -> None:
        """Fill a master table; stars that are there already are replaced, none is removed."""
        columns = (catalog.id, catalog.x, catalog.y, catalog.ra, catalog.dec)
        names = ("id", "XPIX", "YPIX", "RA", "DEC")
        rows = [dict(zip(names, star, strict=True)) for star in zip(*(c.tolist() for c in columns), strict=True)]
        with self.transaction() as connection:
            self.upsert(connection, catalog.target, "master", rows)

    def store_exposure(self, target: str, fileinfo: dict[str, object], photometry: Photometry) -> None:
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
            replace_stars(connection, phot, file_id, photometry)
            failures = self.schema.table(target, "failures")
            connection.execute(failures.delete().where(fileinfo["IMAGENAME"] == failures.c.IMAGENAME))

    def store_results(self, target: str, rows: list[dict[str, object]], considered: tuple[str, str]) -> None:
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

    def forget(self, target: str, imagenames: Iterable[str]) -> int:
        """Remove exposures, their photometry and their results.

        Returns
        -------
        removed : int
            How many of them the database had.
        """
        names = list(imagenames)
        chunks = [names[start : start + _CHUNK] for start in range(0, len(names), _CHUNK)]
        with self.transaction() as connection:
            return sum(self._forget(connection, target, chunk) for chunk in chunks)

    def _forget(self, connection, target, imagenames):
        info, phot, results = (self.schema.table(target, name) for name in ("fileinfo", "phot", "results"))
        ids = sa.select(info.c.id).where(info.c.IMAGENAME.in_(imagenames)).scalar_subquery()
        connection.execute(phot.delete().where(phot.c.FILE_ID.in_(ids)))
        for name in (results.c.IMAGENAME_1, results.c.IMAGENAME_2):
            connection.execute(results.delete().where(name.in_(imagenames)))
        return connection.execute(info.delete().where(info.c.IMAGENAME.in_(imagenames))).rowcount

    # ---- Reading -----------------------------------------------------------------------------------------------------

    def catalog(self, target: str) -> MasterCatalog:
        """The master table of a cluster as a `records.MasterCatalog`; it may be empty."""
        master = self.schema.table(target, "master")
        query = sa.select(*(master.c[name] for name in ("id", "XPIX", "YPIX", "RA", "DEC"))).order_by(master.c.id)
        with self.reading() as connection:
            rows = connection.execute(query).all()
        ids, *columns = zip(*rows, strict=True) if rows else [[]] * 5
        return MasterCatalog(target, np.array(ids, dtype=np.int64), *(np.array(c, dtype=float) for c in columns))

    def exposures(self, target: str, programs: Iterable[int], visits: Collection[str] | None = None) -> list[Exposure]:
        """The measured exposures of programs (and visits), in order of image name.

        Returns
        -------
        exposures : list of `records.Exposure`
        """
        info = self.schema.table(target, "fileinfo")
        query = sa.select(info).where(info.c.PROPOSID.in_(list(programs))).order_by(info.c.IMAGENAME)
        if visits:
            query = query.where(info.c.VISIT.in_(list(visits)))
        with self.reading() as connection:
            return [exposure_of(row) for row in connection.execute(query).mappings()]

    def fingerprints(self, target: str) -> dict[str, str | None]:
        """Image name -> fingerprint of what its photometry was made from (None where that is not known)."""
        info = self.schema.table(target, "fileinfo")
        with self.reading() as connection:
            return dict(connection.execute(sa.select(info.c.IMAGENAME, info.c.FINGERPRINT)).all())

    def result_fingerprints(self, target: str) -> dict[tuple[str, str, float], str | None]:
        """(image name 1, image name 2, aperture [px]) -> fingerprint of what the slopes were made from."""
        results = self.schema.table(target, "results")
        columns = [results.c[name] for name in ("IMAGENAME_1", "IMAGENAME_2", "APERTURE", "FINGERPRINT")]
        with self.reading() as connection:
            return {(*key,): value for *key, value in connection.execute(sa.select(*columns))}

    def star_fluxes(self, target: str, imagename: str, aperture: float) -> tuple[np.ndarray, ...]:
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
        with self.reading() as connection:
            rows = connection.execute(query).all()
        values = zip(*rows, strict=True) if rows else [[]] * 4
        return tuple(np.array(v, dtype=t) for v, t in zip(values, (np.int64, float, float, int), strict=True))

    def background(self, target: str, imagename: str) -> float | None:
        """Median total background of an exposure's stars [e-/px], or None."""
        info = self.schema.table(target, "fileinfo")
        with self.reading() as connection:
            return connection.execute(sa.select(info.c.TOTBKGRD).where(imagename == info.c.IMAGENAME)).scalar()

    def slopes(self, target: str, aperture: float, *, middle: bool = False, **conditions: object) -> Table:
        """Slopes of all pairs of a cluster, one row per pair and flux bin.

        Parameters
        ----------
        target : str
        aperture : float
            Radius [px].
        middle : bool, optional
            Those of the lines forced through the middle row, too.
        **conditions
            Columns of fileinfo and their values, such as ``FILTER='F502N', LENGTH='l'``.

        Returns
        -------
        table : `astropy.table.Table`
            Columns target, imagename_1, imagename_2, proposid, mjd [d], background [e-/px], lo, hi [e-], n_points,
            mean_flux [e-], slope [1/px], slope_err, magslope [mag/px], magslope_err (standard errors), and mid_slope,
            mid_slope_err, mid_magslope, mid_magslope_err where `middle`. Missing values are NaN. In order of time.
        """
        info, results = self.schema.table(target, "fileinfo"), self.schema.table(target, "results")
        names = slope_columns(self._bins, middle=middle)
        query = (
            sa.select(info.c.PROPOSID, *(results.c[name] for name in names))
            .join(results, info.c.IMAGENAME == results.c.IMAGENAME_2)
            .where(aperture == results.c.APERTURE, *(info.c[name] == value for name, value in conditions.items()))
            .order_by(results.c.MJD, results.c.IMAGENAME_1)
        )
        with self.reading() as connection:
            rows = connection.execute(query).all()
        return slopes_table(target, ["PROPOSID", *names], rows, self._bins, middle=middle)

    def exposure_sets(self, target: str, ctecorr: bool | None = None) -> list[tuple[str, str, float, bool]]:
        """The combinations of filter, length, flash level and FLT/FLC that have results.

        Returns
        -------
        sets : list of (str, str, float, bool)
        """
        found, last = [], _BEFORE_ALL
        with self.reading() as connection:
            while (last := self._next_set(connection, target, last)) is not None:
                if self._has_results(connection, target, last):
                    found.append((*last[:3], bool(last[3])))
        return found

    def _next_set(self, connection, target, last):
        """The set that follows in the index; thus exposures of the same set are not read one by one.

        First one that differs in the last column alone, then in the last two, ...: each is one step into the index.
        """
        info = self.schema.table(target, "fileinfo")
        columns = [info.c[name] for name in _SET]
        for n_same in reversed(range(len(columns))):
            same = (column == value for column, value in zip(columns[:n_same], last[:n_same], strict=True))
            query = sa.select(*columns).where(*same, columns[n_same] > last[n_same]).order_by(*columns).limit(1)
            if row := connection.execute(query).first():
                return tuple(row)
        return None

    def _has_results(self, connection, target, values):
        info, results = self.schema.table(target, "fileinfo"), self.schema.table(target, "results")
        same = [info.c[name] == value for name, value in zip(_SET, values, strict=True)]
        query = sa.select(1).select_from(info).join(results, info.c.IMAGENAME == results.c.IMAGENAME_2)
        return connection.execute(query.where(*same).limit(1)).first() is not None

    @property
    def _bins(self):
        names = (column.name for column in self.schema.definitions["results"])
        return [name.removeprefix("SLOPE_") for name in names if name.startswith("SLOPE_")]
