"""The results for a notebook: what the database holds, as astropy tables, from a configuration alone."""

from pathlib import Path

from astropy.table import Table

from wfc3_cte_monitor.database import open_read_only, read_table
from wfc3_cte_monitor.errors import DatabaseError
from wfc3_cte_monitor.outputs import losses_table
from wfc3_cte_monitor.pipeline.losses import losses_of
from wfc3_cte_monitor.records import ExposureSet
from wfc3_cte_monitor.settings import Settings, find_config, read_settings
from wfc3_cte_monitor.tables import Schema

__all__ = ["Results", "open_results"]


def open_results(config: str | Path | None = None, *, engine: str = "python") -> "Results":
    """Open the database of a configuration to look at its results; nothing can be written to it.

    Parameters
    ----------
    config : str or `pathlib.Path`, optional
        The configuration file; by default ``$UVIS_CTE_CONFIG``, then ``config.py`` in the working directory.
    engine : {'python', 'iraf'}, optional
        Whose photometry: IRAF's has a database of its own.

    Returns
    -------
    results : `Results`
        Also a context manager, which closes the database at the end of its block.

    Raises
    ------
    ConfigurationError
        There is no configuration file, or it is wrong.
    DatabaseError
        The database does not exist, cannot be read, or does not fit the table definitions.
    """
    return Results(read_settings(find_config(config)).of_engine(engine))


class Results:
    """What a database holds, as tables. Made by `open_results`.

    Attributes
    ----------
    settings : `settings.Settings`
        What the configuration says.
    database : `database.Database`
        For whatever else: see `database.Database.slopes`, `database.Database.star_fluxes`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        schema = Schema(settings.target_list, settings.aprads, settings.bins)
        self.database = open_read_only(settings.database_url, schema)

    def __enter__(self) -> "Results":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self.database.engine.dispose()

    def sets(self) -> Table:
        """The sets of exposures that have results.

        Returns
        -------
        sets : `astropy.table.Table`
            Columns target, filter, length ('s' or 'l'), flashlvl [e-/px], ctecorr (True for FLC): the arguments of
            `losses`.
        """
        rows = [(target, *one) for target in self.settings.target_list for one in self.database.exposure_sets(target)]
        names = {"target": "U32", "filter": "U32", "length": "U1", "flashlvl": float, "ctecorr": bool}
        return Table(rows=rows or None, names=list(names), dtype=list(names.values()))

    def losses(
        self,
        target: str = "ngc104",
        *,
        filter: str = "F502N",
        length: str = "l",
        flashlvl: float = 0,
        ctecorr: bool = False,
        aperture: float = 3,
    ) -> Table:
        """The losses of all exposure pairs of a set, in every flux bin.

        Parameters
        ----------
        target, filter : str, optional
        length : {'s', 'l'}, optional
            Short or long exposures.
        flashlvl : float, optional
            Post-flash level [e-/px].
        ctecorr : bool, optional
            True for FLC.
        aperture : float, optional
            Radius, of those in the configuration [px].

        Returns
        -------
        losses : `astropy.table.Table`
            One row per pair and flux bin, in order of time: imagename_1, imagename_2, proposid, mjd [d], epoch (mean
            date of the observations within 30 days) [d], background [e-/px], lo, hi (the bin) [e-], n_points, mean_flux
            [e-], logflux, loss and loss_err (standard error) in the unit of ``losses.meta["loss_unit"]``, and the
            slopes that they are from. NaN where a bin had too few stars.

        Raises
        ------
        DatabaseError
            The configuration has no such cluster or aperture.
        """
        for value, name in ((target, "target_list"), (aperture, "aprads")):
            if value not in getattr(self.settings, name):
                known = ", ".join(f"{one}" for one in getattr(self.settings, name))
                raise DatabaseError(f"{value}: not in {name} ({known})")
        one = ExposureSet(target, filter, length, float(flashlvl), bool(ctecorr))
        return losses_table(losses_of(one, aperture, self.database, self.settings))

    def table(self, target: str | None, name: str, **conditions: object) -> Table:
        """A table of the database as it is; see `database.read_table`.

        Parameters
        ----------
        target : str or None
            Cluster; None for a table that all clusters share, such as 'runs'.
        name : str
            'master', 'fileinfo', 'phot', 'results', 'failures', or 'runs'.
        **conditions
            Columns and their values, such as ``FILTER='F502N'``.

        Returns
        -------
        table : `astropy.table.Table`
            NULL is masked.
        """
        return read_table(self.database, target, name, **conditions)
