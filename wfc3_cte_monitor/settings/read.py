"""``config.py`` is found, executed and checked."""

import os
import runpy
from dataclasses import MISSING, fields
from pathlib import Path

from wfc3_cte_monitor.errors import ConfigurationError, said
from wfc3_cte_monitor.settings.expected import expectations, wrong_expectation
from wfc3_cte_monitor.settings.record import ALIGNMENT_LIMITS, Settings
from wfc3_cte_monitor.settings.trust import check_author
from wfc3_cte_monitor.settings.values import (
    bits_by_name,
    chinject_mode,
    count,
    filter_name,
    fraction,
    integer,
    interval,
    limits,
    number,
    optional,
    positive,
    program_dict,
    reasons,
    server_url,
    short_name,
    targets_by_name,
    text,
    tuple_of,
    tweakreg,
    tweakreg_by_set,
    unit,
    visit,
)
from wfc3_cte_monitor.uvis import MONITOR_TARGETS

__all__ = ["find_config", "read_settings", "CONFIG_VARIABLE"]

CONFIG_VARIABLE = "UVIS_CTE_CONFIG"
"""Environment variable with the path of the configuration file."""


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
        The file is not executed because others can have written it, is not Python, or a name in it is unknown,
        missing or wrong; the message says which.
    """
    check_author(path)
    try:
        namespace = runpy.run_path(str(path))
    except (Exception, SystemExit) as error:  # whatever a user's file may raise is a fault of the configuration
        raise ConfigurationError(f"{path}: {type(error).__name__}: {said(str(error))}") from error
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
    required = [f.name for f in fields(Settings) if f.default is f.default_factory is MISSING] + [*database]
    missing = [name for name in required if name not in values]
    if missing:
        raise ConfigurationError(f"missing: {', '.join(missing)}")
    for name in database:
        if not values[name]:
            raise ConfigurationError(f"{name}: must not be empty without a db_url")
    settings = Settings(**values, config_file=path)
    _check_bins(settings)
    _check_expected_targets(settings)
    _check_off_fields(settings)
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


def _check_expected_targets(settings):
    """A target that is known but not asked for may be expected; one that nobody knows is a slip of the pen."""
    known = {*settings.target_list, *MONITOR_TARGETS}
    for expected in (e for program in settings.expected_exposures.values() for e in program):
        if expected.target not in known:
            raise wrong_expectation(expected.program, expected.place, f"unknown target {expected.target!r}")


def _check_off_fields(settings):
    """A cluster that were a field off the clusters, too, would be left out of nominal runs."""
    for name, target in settings.off_fields.items():
        if target in {*settings.target_list, *MONITOR_TARGETS}:
            raise ConfigurationError(f"off_fields: {name}: {target} is one of the clusters")


def _check_digits(settings):
    """Column and file names spell radii and edges with `:g`; what it rounds would be read back as something else."""
    for name in ("fluxbins_lo", "fluxbins_hi", "aprads"):
        rounded = [value for value in getattr(settings, name) if float(f"{value:g}") != value]
        if rounded:
            raise ConfigurationError(f"{name}: {rounded[0]!r} has more than six digits")


def _convert(name, value, folder):
    """Check one value and bring it to its one form."""
    if name not in _CONVERTERS:
        raise ConfigurationError(f"unknown name {name[:60]!r}; the names are {', '.join(_CONVERTERS)}")
    convert, wanted = _CONVERTERS[name]
    try:
        converted = convert(value)
    except (TypeError, ValueError, AttributeError):
        raise ConfigurationError(f"{name}: must be {wanted}, not {_shown(value)}") from None
    return _path(name, folder, converted) if name.startswith("path_") and converted else converted


def _path(name, folder, given):
    path = folder / Path(given).expanduser()
    if str(path).encode("utf-8", "replace").decode() != str(path):
        problem = "has letters that this locale does not know; neither database nor results could name it"
        raise ConfigurationError(f"{name}: {path} {problem}")
    return path


def _shown(value):
    """A value as Python writes it, but not all of a long one."""
    try:
        return said(repr(value), most=200)
    except Exception:  # a class of the user's own may have any repr
        return f"a {type(value).__name__}"


_CONVERTERS = {
    "path_to_data": (text, "the path of a folder"),
    "path_to_outputs": (text, "the path of a folder"),
    "path_to_automated_outputs": (optional(text), "the path of a folder, or None"),
    "path_to_db": (optional(text), "the path of a folder"),
    "db_name": (optional(text), "a file name"),
    "db_url": (optional(text), "an SQLAlchemy URL, or None"),
    "program_list": (tuple_of(integer), "a list of different program numbers"),
    "flashlvl_list": (tuple_of(number), "a list of different post-flash levels in e-/px"),
    "target_list": (tuple_of(short_name), "a list of different target names of letters and digits, such as 'ngc104'"),
    "filter_list": (tuple_of(filter_name), "a list of different filter names of letters and digits, such as 'F502N'"),
    "fluxbins_lo": (tuple_of(positive, unique=False), "a list of fluxes in electrons above 0"),
    "fluxbins_hi": (tuple_of(positive, unique=False), "a list of fluxes in electrons above 0"),
    "aprads": (lambda v: tuple(sorted(tuple_of(positive)(v))), "a list of different radii in pixels above 0"),
    "forbidden_visits": (program_dict(reasons), "a dictionary: program -> {visit: reason}"),
    "same_chip_visits": (program_dict(tuple_of(visit)), "a dictionary: program -> [visits]"),
    "loss_unit": (unit, "'mag' or 'flux'"),
    "sky_annulus": (tuple_of(positive), "(inner radius, outer radius) in pixels"),
    "max_shift": (positive, "a number of pixels above 0"),
    "bad_dq_bits": (integer, "an integer of data-quality bits"),
    "dq_choices": (bits_by_name, "a dictionary: name of letters and digits -> integer of data-quality bits"),
    "chinject_modes": (tuple_of(chinject_mode), "a list of different values of CHINJECT, such as 'CONT', not 'NONE'"),
    "off_fields": (targets_by_name, "a dictionary: name of letters and digits -> TARGNAME"),
    "subdithers": (interval, "(above, below) in arcsec"),
    "xdithers": (interval, "(above, below) in arcsec"),
    "min_shared_field": (fraction, "a number above 0, up to 1"),
    "recommended_background": (positive, "a number of e-/px above 0"),
    "logs_kept": (count, "a whole number from 1"),
    "mast_server": (optional(server_url), "the http(s) address of a server, or None"),
    "tweakreg_parameters": (
        tweakreg_by_set,
        "a dictionary: (target, filter, 's' or 'l'), each or '*', -> {parameter of TweakReg: value}, without "
        "those that the monitor sets itself",
    ),
    "tweakreg_retries": (
        lambda value: tuple(tweakreg(one) for one in value),
        "a list of dictionaries {parameter of TweakReg: value}",
    ),
    "alignment_limits": (limits, f"a dictionary of numbers above 0 with names from {', '.join(ALIGNMENT_LIMITS)}"),
    "expected_exposures": (expectations, "a dictionary: program -> {visits: lines}"),
}
