"""Every name of the configuration, given what it cannot be: one line with the file, the name and what it should be."""

import math

import numpy as np
import pytest

from wfc3_cte_monitor.errors import ConfigurationError
from wfc3_cte_monitor.settings import read_settings
from wfc3_cte_monitor.settings.read import _CONVERTERS

ODD = (1j, b"x", {1: object}, [[]], [None], {"a": {"b": "c"}}, -1, math.nan, math.inf, True, "\n", ("a", 1), [1, [2]])
"""Of no use to anybody, but for a name that may be so."""
PATHS = (1, True, b"data", ["data"], {"a": 1}, math.nan)
WRONG = {
    "path_to_data": ("", " ", None, *PATHS),
    "path_to_outputs": ("", None, *PATHS),
    "path_to_automated_outputs": PATHS,
    "path_to_db": ("", None, *PATHS),
    "db_name": ("", None, *PATHS),
    "db_url": ("mysql://x/y", "sqlite", "://", "postgresql+nothing://x/y", 1, ["sqlite://"]),
    "program_list": ([], None, "14541", [1.5], ["x"], [True], [14541, 14541], [-1], 14541, {14541: 1}, *ODD),
    "flashlvl_list": ([], None, ["0"], [-1], [math.nan], [math.inf], [0, 0], 12, *ODD),
    "target_list": ([], None, "ngc104", [""], ["../x"], ["a b"], ["x'; --"], ["ngc104", "NGC104"], ["Ω"], [1], *ODD),
    "filter_list": ([], None, "F502N", [""], ["F/502"], ["$x$"], ["F502N", "F502N"], ["Ω"], [502], *ODD),
    "fluxbins_lo": ([], None, [0], [-1], ["a"], 250, [250], [math.inf] * 8, *ODD),
    "fluxbins_hi": ([], None, [0], [1] * 8, ["a"], 500, [500], [math.nan] * 8, *ODD),
    "aprads": ([], None, 3, "3", [0], [-3], [3, 3], [math.inf], [3.1234567], ["r"], *ODD),
    "forbidden_visits": (None, [], {1: {"123": "x"}}, {1: {"01": ""}}, {"x": {}}, {1: ["01"]}, *ODD[:5]),
    "same_chip_visits": (None, [], {1: "10"}, {1: ["abc"]}, {1: []}, {"x": ["1"]}, {1: ["1", "01"]}, *ODD[:5]),
    "loss_unit": (None, "", "percent", "MAG", *ODD),
    "sky_annulus": (None, [], (12,), (20, 12), (12, 12), (0, 12), ("a", "b"), (1, 2, 3), *ODD),
    "max_shift": (None, 0, "1", [1], *ODD[:7], math.nan, math.inf, True),
    "bad_dq_bits": (None, -1, 1.5, "x", [1], *ODD),
    "dq_choices": (None, [], {"a b": 1}, {"../": 1}, {"x": "y"}, {"x": -1}, {1: 1}, *ODD),
    "chinject_modes": (None, "CONT", ["NONE"], ["a b"], ["CONT", "CONT"], *ODD),
    "off_fields": (None, [], {"a b": "NGC-104-CAL2"}, {"x": ""}, {"x": 1}, {"x": "--"}, {"x": "ngc104"}, *ODD),
    "subdithers": (None, 1, (1,), (2, 1), (1, 1), ("a", "b"), (-1, 1), *ODD),
    "xdithers": (None, 1, (1,), (2, 1), (1, 1), ("a", "b"), (math.nan, 1), *ODD),
    "min_shared_field": (None, 0, 1.1, "1", *ODD),
    "recommended_background": (None, 0, "12", [12], *ODD),
    "logs_kept": (None, 0, -1, 1.5, "x", [1], *ODD),
    "mast_server": (
        "mast",
        "ftp://x",
        "https://u:p@x",
        "https://x/?a=b",
        "https://",
        "http://x:99999",
        1,
        ["https://x"],
    ),
    "tweakreg_parameters": (None, [], {"*": {}}, {("*", "*"): {}}, {("*", "*", "x"): {}}, {("*",) * 3: {"files": 1}}),
    "tweakreg_retries": (None, 1, [1], [{"refcat": "x"}], [{1: 2}], ["tolerance"]),
    "alignment_limits": (None, [], {"unknown": 1}, {"rms": 0}, {"rms": "x"}, {"rms": math.nan}),
    "expected_exposures": (None, [], {"x": {}}, {14541: []}, {14541: {"01": "m31 F502N"}}, {14541: {"?": "ngc104"}}),
}


@pytest.mark.parametrize("name", _CONVERTERS)
def test_wrong_value_is_refused_in_one_line_that_names_it(make_config, name):
    for value in WRONG[name]:
        path = make_config()
        # As Python would have it, with the classes that its `repr` does not spell.
        path.write_text(f"{path.read_text()}\nfrom math import inf, nan\n{name} = {plain(value)}\n")
        if name == "db_url":
            assert refused_later(path), value
            continue
        with pytest.raises(ConfigurationError) as caught:
            read_settings(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: "), value
        assert name in message, value
        assert message.isprintable() and len(message) < 700 + len(str(path)), value


def plain(value):
    return repr(value).replace("<class 'object'>", "object")


def refused_later(path):
    """The URL of a database is judged by who opens it."""
    from wfc3_cte_monitor.database import Database
    from wfc3_cte_monitor.tables import Schema

    try:
        settings = read_settings(path)
        Database(settings.database_url, Schema(settings.target_list, settings.aprads, settings.bins))
    except ConfigurationError as error:
        return "db_url" in str(error)
    return False


TEXTS = {
    "half a list": ("aprads = [3,\n", "SyntaxError"),
    "no module of this name": ("import nothing_of_this_name\n", "nothing_of_this_name"),
    "an end": ("raise SystemExit(0)\n", "SystemExit"),
    "no end of recursion": ("def f(): f()\nf()\n", "RecursionError"),
    "a division": ("aprads = [1 / 0]\n", "division by zero"),
    "zero bytes": ("\0", "null byte"),
    "an error of two lines": ("raise ValueError('a\\nb\\x1b[2J')\n", r"ValueError: a b\x1b[2J"),
    "an error without end": ("raise ValueError('a' * 10**6)\n", "ValueError: aaa"),
    "a name without end": (f"{'x' * 10_000} = 1\n", "unknown name"),
    "nothing": ("", "missing: "),
    "another language": ("<?php echo 1; ?>\n", "SyntaxError"),
}


@pytest.mark.parametrize("what", TEXTS)
def test_what_is_no_configuration_is_refused_in_one_line(tmp_path, what):
    text, words = TEXTS[what]
    path = tmp_path / "config.py"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_settings(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert words in message
    assert message.isprintable() and len(message) < 1500 + len(str(path))


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "config.py"
    path.write_bytes(np.arange(256, dtype=np.uint8).tobytes())
    with pytest.raises(ConfigurationError):
        read_settings(path)


def test_a_value_with_a_strange_face_is_refused_all_the_same(make_config):
    path = make_config()
    path.write_text(path.read_text() + "class X:\n    def __repr__(self): raise OSError\naprads = X()\ndel X\n")
    with pytest.raises(ConfigurationError, match="aprads: must be .* not a X"):
        read_settings(path)
