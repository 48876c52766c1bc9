"""The user's ``config.py`` -> one frozen, checked `Settings`; the only place that reads configuration."""

import os
import runpy
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit

from wfc3_cte_monitor.errors import ConfigurationError
from wfc3_cte_monitor.records import FluxBin

__all__ = ["Settings", "find_config", "read_settings", "server_url", "CONFIG_VARIABLE"]

CONFIG_VARIABLE = "UVIS_CTE_CONFIG"
"""Environment variable with the path of the configuration file."""


@dataclass(frozen=True)
class Settings:
    """What the configuration says; the field names are the names in ``config.py``.

    Relative paths are relative to the configuration file. Names that have a default here may be left out there.
    """

    path_to_data: Path
    path_to_outputs: Path
    path_to_automated_outputs: Path | None
    program_list: tuple
    """Program numbers, int, in order of time."""
    flashlvl_list: tuple
    """Post-flash levels [e-/px]."""
    target_list: tuple
    filter_list: tuple
    fluxbins_lo: tuple
    """[e-]"""
    fluxbins_hi: tuple
    aprads: tuple
    """Aperture radii [px], ascending."""
    forbidden_visits: dict
    """Program -> visit -> reason."""
    same_chip_visits: dict
    """Program -> visits of the 180-degree set."""
    loss_unit: str
    """'mag' per 2051 px or 'flux' per 2048 px."""
    path_to_db: Path | None = None
    db_name: str | None = None
    db_url: str | None = None
    """SQLAlchemy URL; wins over path_to_db and db_name."""
    sky_annulus: tuple = (12.0, 20.0)
    """Inner and outer radius [px]."""
    max_shift: float = 1.5
    """How far a centroid may lie from the catalogue position [px]."""
    bad_dq_bits: int = 1 | 2 | 4 | 8 | 16 | 128 | 512 | 1024
    """Data-quality bits of pixels that spoil an aperture; saturation and cosmic rays are judged apart."""
    mast_server: str | None = None
    """Address of the archive; None: astroquery's own."""
    config_file: Path | None = None

    @property
    def bins(self):
        """The flux bins, a tuple of `records.FluxBin`."""
        return tuple(FluxBin(lo, hi) for lo, hi in zip(self.fluxbins_lo, self.fluxbins_hi, strict=True))

    @property
    def database_url(self):
        """SQLAlchemy URL of the database, str, or the path of an SQLite file, which no URL must misread."""
        return self.db_url or self.path_to_db / self.db_name

    @property
    def path_to_master_cat(self):
        return self.path_to_data / "master_cat" / "final"

    @property
    def path_to_pa_maps(self):
        return self.path_to_data / "PA_MAPS"


def find_config(given=None, environment=os.environ, folder=None):
    """The configuration file: the one given, else of the environment, else of the working directory.

    Parameters
    ----------
    given : str or Path, optional
    environment : mapping, optional
        Where ``UVIS_CTE_CONFIG`` is looked up.
    folder : Path, optional
        Stands for the working directory.

    Raises
    ------
    ConfigurationError
        There is no such file.
    """
    if given:
        path, origin = Path(given), "--config"
    elif environment.get(CONFIG_VARIABLE):
        path, origin = Path(environment[CONFIG_VARIABLE]), f"${CONFIG_VARIABLE}"
    else:
        path, origin = (folder or Path.cwd()) / "config.py", "working directory"
    if not path.is_file():
        raise ConfigurationError(
            f"no configuration file {path} ({origin}); copy config.example.py to config.py or run "
            "'uvis_external_cte initial_setup', and name it with --config or $" + CONFIG_VARIABLE
        )
    return path.resolve()


def read_settings(path):
    """Execute and check a configuration file.

    Parameters
    ----------
    path : `pathlib.Path`

    Returns
    -------
    settings : `Settings`

    Raises
    ------
    ConfigurationError
        The file is not Python, or a name in it is unknown, missing or wrong; the message says which.
    """
    try:
        namespace = runpy.run_path(str(path))
    except (Exception, SystemExit) as error:  # whatever a user's file may raise is a fault of the configuration
        raise ConfigurationError(f"{path}: {type(error).__name__}: {' '.join(str(error).split())}") from error
    values = {name: value for name, value in namespace.items() if _is_setting(name, value)}
    try:
        return _check({name: _convert(name, value, path.parent) for name, value in values.items()}, path)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def _is_setting(name, value):
    """A configuration may import modules and have private helpers."""
    return not name.startswith("_") and type(value).__name__ not in ("module", "function", "type")


def _check(values, path):
    database = () if values.get("db_url") else ("path_to_db", "db_name")
    required = [f.name for f in fields(Settings) if f.default is MISSING] + [*database]
    missing = [name for name in required if name not in values]
    if missing:
        raise ConfigurationError(f"missing: {', '.join(missing)}")
    for name in database:
        if not values[name]:
            raise ConfigurationError(f"{name}: must not be empty without a db_url")
    settings = Settings(**values, config_file=path)
    _check_bins(settings)
    return settings


def _check_bins(settings):
    if len(settings.fluxbins_lo) != len(settings.fluxbins_hi):
        raise ConfigurationError("fluxbins_lo and fluxbins_hi: must have the same length")
    wrong = [f"{lo:g}-{hi:g}" for lo, hi in zip(settings.fluxbins_lo, settings.fluxbins_hi, strict=True) if lo >= hi]
    if wrong:
        raise ConfigurationError(f"fluxbins_lo, fluxbins_hi: empty bin {wrong[0]}")
    if len(set(settings.bins)) != len(settings.bins):
        raise ConfigurationError("fluxbins_lo, fluxbins_hi: the same bin twice")
    _check_digits(settings)
    if len(settings.sky_annulus) != 2 or settings.sky_annulus[0] >= settings.sky_annulus[1]:
        raise ConfigurationError("sky_annulus: must be (inner, outer) radius with inner < outer")


def _check_digits(settings):
    """Column and file names spell radii and edges with `:g`; what it rounds would be read back as something else."""
    for name in ("fluxbins_lo", "fluxbins_hi", "aprads"):
        rounded = [value for value in getattr(settings, name) if float(f"{value:g}") != value]
        if rounded:
            raise ConfigurationError(f"{name}: {rounded[0]!r} has more than six digits")


def _convert(name, value, folder):
    """Check one value and bring it to its one form."""
    if name not in _CONVERTERS:
        raise ConfigurationError(f"unknown name {name!r}; the names are {', '.join(_CONVERTERS)}")
    convert, wanted = _CONVERTERS[name]
    try:
        converted = convert(value)
    except (TypeError, ValueError, AttributeError):
        raise ConfigurationError(f"{name}: must be {wanted}, not {value!r}") from None
    return folder / Path(converted).expanduser() if name.startswith("path_") and converted else converted


def _text(value):
    if not isinstance(value, (str, os.PathLike)) or not str(value).strip():
        raise TypeError
    return os.fspath(value)


def _optional(convert):
    return lambda value: None if value is None or value == "" else convert(value)


def _number(value):
    """A positive or zero number, kept int where it is one; bool is not a number here."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise TypeError
    return value


def _positive(value):
    if _number(value) == 0:
        raise ValueError
    return value


def _integer(value):
    """An int from 0, or a string of digits: program numbers were strings in the first configurations."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError
    if int(value) < 0:
        raise ValueError
    return int(value)


def _tuple_of(convert, unique=True):
    def convert_all(value):
        if not isinstance(value, (list, tuple)) or not value:
            raise TypeError
        converted = tuple(convert(item) for item in value)
        if unique and len(set(converted)) != len(converted):
            raise ValueError
        return converted

    return convert_all


def _visit(value):
    """'5', 5 and '05' are visit 05."""
    text = str(value).lower()
    if isinstance(value, bool) or not isinstance(value, (int, str)) or not text.isalnum() or len(text) > 2:
        raise ValueError
    return text.zfill(2)


def _program_dict(convert):
    def convert_all(value):
        if not isinstance(value, Mapping):
            raise TypeError
        return {_integer(program): convert(visits) for program, visits in value.items()}

    return convert_all


def _reasons(value):
    if not isinstance(value, Mapping):
        raise TypeError
    return {_visit(visit): _text(reason) for visit, reason in value.items()}


def _short_name(value):
    if not _text(value).isalnum() or not value.isascii():
        raise ValueError
    return value.lower()


def _filter(value):
    """Filter names become parts of folder and file names."""
    if not _text(value).isalnum() or not value.isascii():
        raise ValueError
    return value


def _unit(value):
    if value not in ("mag", "flux"):
        raise ValueError
    return value


def server_url(value):
    """The address of a server, without a slash at its end.

    Raises
    ------
    TypeError, ValueError
        It is not one; nor is one with a password in it, which would show in messages.
    """
    text = _text(value).strip().rstrip("/")
    parts = urlsplit(text)
    strange = "@" in parts.netloc or parts.query or parts.fragment or any(letter.isspace() for letter in text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0 or strange:
        raise ValueError
    return text


_CONVERTERS = {
    "path_to_data": (_text, "the path of a folder"),
    "path_to_outputs": (_text, "the path of a folder"),
    "path_to_automated_outputs": (_optional(_text), "the path of a folder, or None"),
    "path_to_db": (_optional(_text), "the path of a folder"),
    "db_name": (_optional(_text), "a file name"),
    "db_url": (_optional(_text), "an SQLAlchemy URL, or None"),
    "program_list": (_tuple_of(_integer), "a list of different program numbers"),
    "flashlvl_list": (_tuple_of(_number), "a list of different post-flash levels in e-/px"),
    "target_list": (_tuple_of(_short_name), "a list of different target names of letters and digits, such as 'ngc104'"),
    "filter_list": (_tuple_of(_filter), "a list of different filter names of letters and digits, such as 'F502N'"),
    "fluxbins_lo": (_tuple_of(_positive, unique=False), "a list of fluxes in electrons above 0"),
    "fluxbins_hi": (_tuple_of(_positive, unique=False), "a list of fluxes in electrons above 0"),
    "aprads": (lambda v: tuple(sorted(_tuple_of(_positive)(v))), "a list of different radii in pixels above 0"),
    "forbidden_visits": (_program_dict(_reasons), "a dictionary: program -> {visit: reason}"),
    "same_chip_visits": (_program_dict(_tuple_of(_visit)), "a dictionary: program -> [visits]"),
    "loss_unit": (_unit, "'mag' or 'flux'"),
    "sky_annulus": (_tuple_of(_positive), "(inner radius, outer radius) in pixels"),
    "max_shift": (_positive, "a number of pixels above 0"),
    "bad_dq_bits": (_integer, "an integer of data-quality bits"),
    "mast_server": (_optional(server_url), "the http(s) address of a server, or None"),
}
