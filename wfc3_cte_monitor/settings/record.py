"""What the configuration says."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wfc3_cte_monitor.errors import ConfigurationError
from wfc3_cte_monitor.records import Expectation, FluxBin, PhotometrySetup, Subset
from wfc3_cte_monitor.uvis import MIN_CHIP_MOVE, MIN_SHIFT

__all__ = ["Settings", "TWEAKREG", "ALIGNMENT_LIMITS"]

TWEAKREG = {
    "searchrad": 1.0,
    "searchunits": "arcseconds",
    "tolerance": 3.0,
    "separation": 5.0,
    "threshold": 100.0,
    "conv_width": 3.5,
    "minobj": 5,
    "fitgeometry": "rscale",
    "nclip": 5,
    "sigma": 3.0,
}
BAD_DQ_BITS = 1 | 2 | 4 | 8 | 128 | 512 | 1024
DQ_CHOICES = {"none": 0, "bad": BAD_DQ_BITS, "hot": BAD_DQ_BITS | 16, "warm": BAD_DQ_BITS | 16 | 64}
CHINJECT_MODES = ("CONT", "LI10", "LI17", "LI25")
OFF_FIELDS = {"cal2": "ngc104cal2"}
ALIGNMENT_LIMITS = {"matches": 10, "rms": 0.5, "offset": 0.2, "edge": 0.3, "shift": 2.0, "rotation": 0.2}


@dataclass(frozen=True)
class Settings:
    """What the configuration says; the field names are the names in ``config.py``.

    Relative paths are relative to the configuration file. Names that have a default here may be left out there.
    """

    path_to_data: Path
    path_to_outputs: Path
    path_to_automated_outputs: Path | None
    program_list: tuple[int, ...]
    """Program numbers, int, in order of time."""
    flashlvl_list: tuple[float, ...]
    """Post-flash levels [e-/px]."""
    target_list: tuple[str, ...]
    filter_list: tuple[str, ...]
    fluxbins_lo: tuple[float, ...]
    """[e-]"""
    fluxbins_hi: tuple[float, ...]
    aprads: tuple[float, ...]
    """Aperture radii [px], ascending."""
    forbidden_visits: dict[int, dict[str, str]]
    """Program -> visit -> reason."""
    same_chip_visits: dict[int, tuple[str, ...]]
    """Program -> visits of the 180-degree set."""
    loss_unit: str
    """'mag' per 2051 px or 'flux' per 2048 px."""
    path_to_db: Path | None = None
    db_name: str | None = None
    db_url: str | None = None
    """SQLAlchemy URL; wins over path_to_db and db_name."""
    sky_annulus: tuple[float, float] = (12.0, 20.0)
    """Inner and outer radius [px]."""
    max_shift: float = 1.5
    """How far a centroid may lie from the catalogue position [px]."""
    bad_dq_bits: int = BAD_DQ_BITS
    """Data-quality bits of pixels that spoil an aperture; saturation and cosmic rays are judged apart."""
    dq_choices: dict[str, int] = field(default_factory=lambda: dict(DQ_CHOICES))
    """Name -> what may stand in the place of `bad_dq_bits`, see `with_dq`."""
    chinject_modes: tuple[str, ...] = CHINJECT_MODES
    """Values of CHINJECT that a subset may be of."""
    off_fields: dict[str, str] = field(default_factory=lambda: dict(OFF_FIELDS))
    """Name -> target, as tables and files have it, of the fields off the clusters that a subset may be of."""
    subdithers: tuple[float, float] = (MIN_SHIFT, MIN_CHIP_MOVE)
    """Between which ``|POSTARG2|`` may be in a subset of sub-dithers [arcsec]."""
    xdithers: tuple[float, float] = (MIN_SHIFT, 40.0)
    """Between which ``|POSTARG1|`` may be in a subset of x-dithers [arcsec]."""
    min_shared_field: float = 0.25
    """Part of a chip's field that both exposures of a dithered pair must have."""
    recommended_background: float = 12.0
    """What observers are told to flash up to [e-/px]; figures mark it."""
    logs_kept: int = 500
    """Of how many runs the logs are kept."""
    mast_server: str | None = None
    """Address of the archive; None: astroquery's own."""
    tweakreg_parameters: dict[tuple[str, str, str], dict[str, Any]] = field(
        default_factory=lambda: {("*", "*", "*"): dict(TWEAKREG)}
    )
    """(target, filter, 's' or 'l'), each of which may be '*' for all -> parameters of TweakReg."""
    tweakreg_retries: tuple[dict[str, Any], ...] = (
        {"separation": 0.5, "tolerance": 2.0},
        {"separation": 3.0, "use_sharp_round": True},
        {"threshold": 20.0, "use_sharp_round": True},
    )
    """What is changed, one after the other, where the limits refuse a fit."""
    alignment_limits: dict[str, float] = field(default_factory=lambda: dict(ALIGNMENT_LIMITS))
    """See `alignment.judge`."""
    expected_exposures: dict[int, tuple[Expectation, ...]] = field(default_factory=dict)
    """Program -> tuple of `records.Expectation`."""
    config_file: Path | None = None
    engine: str = "python"
    """'python' or 'iraf': what measures the stars. Of the command line, not of the configuration."""
    dq: str | None = None
    """Which of the `dq_choices` was made, None for none. Of the command line, too."""
    subset: Subset = Subset()
    """What of the exposures that a nominal run leaves out is let in. Of the command line, too."""

    def of_engine(self, engine: str) -> "Settings":
        """The same configuration for an engine of photometry: IRAF has a database and folders of results of its own."""
        return replace(self, engine=engine)

    def with_dq(self, name: str) -> "Settings":
        """With other bits of bad pixels, by their name; they, too, have a database and results of their own."""
        return replace(self, dq=name, bad_dq_bits=self.dq_choices[name])

    def of_subset(self, subset: Subset) -> "Settings":
        """For a `records.Subset`, with a database and results of its own; a field off the clusters is its target."""
        targets = (self.off_fields[subset.field],) if subset.field else self.target_list
        return replace(self, subset=subset, target_list=targets)

    def _own(self, name: str) -> str:
        """The name of what each engine, each choice of bits and each subset has for itself."""
        engine = "" if self.engine == "python" else f"_{self.engine}"
        return f"{name}{engine}{f'_dq{self.dq}' if self.dq else ''}{self.subset.suffix}"

    def tweakreg_for(self, target: str, filter_name: str, length: str) -> tuple[dict[str, Any], ...]:
        """TweakReg's parameters for an exposure: a tuple of dictionaries, to be tried in this order."""
        first: dict[str, Any] = {}
        for key in sorted(self.tweakreg_parameters, key=lambda key: sum(word != "*" for word in key)):
            if all(word in ("*", own) for word, own in zip(key, (target, filter_name, length), strict=True)):
                first |= self.tweakreg_parameters[key]
        return (first, *(first | retry for retry in self.tweakreg_retries))

    @property
    def bins(self) -> tuple[FluxBin, ...]:
        """The flux bins, a tuple of `records.FluxBin`."""
        return tuple(FluxBin(lo, hi) for lo, hi in zip(self.fluxbins_lo, self.fluxbins_hi, strict=True))

    @property
    def photometry_setup(self) -> PhotometrySetup:
        """The `records.PhotometrySetup`."""
        return PhotometrySetup(self.aprads, self.sky_annulus, self.max_shift)

    @property
    def database_url(self) -> str | Path:
        """SQLAlchemy URL of the database, str, or the path of an SQLite file, which no URL must misread."""
        if self.db_url:
            return self._own_url(self.db_url)
        if self.path_to_db is None or self.db_name is None:
            raise ConfigurationError("path_to_db, db_name: needed without a db_url")
        name = Path(self.db_name)
        return self.path_to_db / f"{self._own(name.stem)}{name.suffix}"

    def _own_url(self, url: str) -> str:
        """The engine's name stands behind that of the database, before the suffix of a file and the options."""
        address, mark, options = url.partition("?")
        suffix = Path(address).suffix if url.startswith("sqlite") else ""
        return f"{self._own(address.removesuffix(suffix))}{suffix}{mark}{options}"

    @property
    def path_to_photom(self) -> Path:
        return self.path_to_outputs / self._own("photom")

    @property
    def path_to_finalresults(self) -> Path:
        return self.path_to_outputs / self._own("finalresults")

    @property
    def path_to_copies(self) -> Path | None:
        """Where results are copied, None for nowhere: what another run has for itself, beside those of the nominal."""
        return self.path_to_automated_outputs and self.path_to_automated_outputs / self._own("")[1:]

    @property
    def path_to_master_cat(self) -> Path:
        return self.path_to_data / "master_cat" / "final"

    @property
    def path_to_newdata(self) -> Path:
        return self.path_to_data / "newdata"

    @property
    def path_to_pa_maps(self) -> Path:
        return self.path_to_data / "PA_MAPS"
