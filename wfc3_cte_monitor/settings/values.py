"""One value of the configuration, checked and brought to its one form; TypeError or ValueError where that fails."""

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from wfc3_cte_monitor.records import NO_INJECTION
from wfc3_cte_monitor.settings.record import ALIGNMENT_LIMITS, TWEAKREG
from wfc3_cte_monitor.uvis import target_of

__all__ = []

_RESERVED_TWEAKREG = frozenset(
    ("files", "filename", "refcat", "refxcol", "refycol", "refxyunits", "interactive", "updatewcs", "updatehdr")
    + ("wcsname", "reusename", "writecat", "see2dplot", "residplot", "headerlet", "attach", "hdrname", "clobber")
    + ("configobj", "refimage", "catfile")
)
"""Parameters of TweakReg that the monitor itself sets."""


def text(value):
    if not isinstance(value, (str, os.PathLike)) or not str(value).strip():
        raise TypeError
    return os.fspath(value)


def optional(convert):
    return lambda value: None if value is None or value == "" else convert(value)


def number(value):
    """A positive or zero number, kept int where it is one; bool is not a number here."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise TypeError
    return value


def positive(value):
    if number(value) == 0:
        raise ValueError
    return value


def integer(value):
    """An int from 0, or a string of digits: program numbers were strings in the first configurations."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError
    if int(value) < 0:
        raise ValueError
    return int(value)


def count(value):
    if integer(value) < 1:
        raise ValueError
    return int(value)


def tuple_of(convert, unique=True):
    def convert_all(value):
        if not isinstance(value, (list, tuple)) or not value:
            raise TypeError
        converted = tuple(convert(item) for item in value)
        if unique and len(set(converted)) != len(converted):
            raise ValueError
        return converted

    return convert_all


def visit(value):
    """'5', 5 and '05' are visit 05."""
    word = str(value).lower()
    if isinstance(value, bool) or not isinstance(value, (int, str)) or not word.isalnum() or len(word) > 2:
        raise ValueError
    return word.zfill(2)


def program_dict(convert):
    def convert_all(value):
        if not isinstance(value, Mapping):
            raise TypeError
        return {integer(program): convert(visits) for program, visits in value.items()}

    return convert_all


def reasons(value):
    if not isinstance(value, Mapping):
        raise TypeError
    return {visit(key): text(reason) for key, reason in value.items()}


def bits_by_name(value):
    if not isinstance(value, Mapping):
        raise TypeError
    return {short_name(name): integer(bits) for name, bits in value.items()}


def chinject_mode(value):
    """A value of CHINJECT other than that of no injection."""
    mode = filter_name(value).upper()
    if mode == NO_INJECTION:
        raise ValueError
    return mode


def targets_by_name(value):
    """TARGNAMEs as headers have them, by names that are short."""
    if not isinstance(value, Mapping):
        raise TypeError
    return {short_name(name): short_name(target_of(text(target))) for name, target in value.items()}


def interval(value):
    low, high = tuple_of(number)(value)
    if low >= high:
        raise ValueError
    return low, high


def fraction(value):
    if positive(value) > 1:
        raise ValueError
    return value


def short_name(value):
    if not text(value).isalnum() or not value.isascii():
        raise ValueError
    return value.lower()


def filter_name(value):
    """Filter names become parts of folder and file names."""
    if not text(value).isalnum() or not value.isascii():
        raise ValueError
    return value


def tweakreg(value):
    if not isinstance(value, Mapping):
        raise TypeError
    reserved = _RESERVED_TWEAKREG & set(value)
    if reserved or not all(isinstance(name, str) for name in value):
        raise ValueError
    return dict(value)


def tweakreg_by_set(value):
    """The parameters given stand on top of the defaults."""
    if not isinstance(value, Mapping):
        raise TypeError
    everywhere = ("*", "*", "*")
    given = {_set_key(key): tweakreg(parameters) for key, parameters in value.items()}
    return given | {everywhere: TWEAKREG | given.get(everywhere, {})}


def _set_key(key):
    """(target, filter, 's' or 'l'), each or '*'."""
    if not isinstance(key, tuple) or len(key) != 3 or key[2] not in ("*", "s", "l"):
        raise ValueError
    target, name, length = key
    return target if target == "*" else short_name(target), name if name == "*" else filter_name(name), length


def limits(value):
    if not isinstance(value, Mapping) or set(value) - set(ALIGNMENT_LIMITS):
        raise TypeError
    return ALIGNMENT_LIMITS | {name: positive(limit) for name, limit in value.items()}


def unit(value):
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
    address = text(value).strip().rstrip("/")
    parts = urlsplit(address)
    strange = "@" in parts.netloc or parts.query or parts.fragment or any(letter.isspace() for letter in address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0 or strange:
        raise ValueError
    return address
