"""Input that nobody would think of: whatever it is, it ends in a result or in one line that says what is wrong.

The cases are the same in every run (``derandomize``), so that a failure can be had again; hypothesis prints the
smallest input that fails. The quick tests try one in twenty of those of ``make test``, which are 10,000.
"""

import math
import re
import runpy
import shutil
import warnings
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running import dump, run
from test_correct import BACKGROUNDS, coefficients

from wfc3_cte_monitor.catalogs import read_catalog
from wfc3_cte_monitor.errors import MonitorError
from wfc3_cte_monitor.exposures import footprint, read_chip, read_exposure
from wfc3_cte_monitor.matching import stars_on_chip
from wfc3_cte_monitor.outputs import read_coefficients, read_star_list, write_coefficients, write_star_list
from wfc3_cte_monitor.outputs.coefficient_table import coefficient_table, table_text
from wfc3_cte_monitor.outputs.coefficients import publish_coefficients
from wfc3_cte_monitor.pipeline.correct import correct_photometry
from wfc3_cte_monitor.pipeline.correct_list import columns_of, correct_list
from wfc3_cte_monitor.records import Exposure, Rejection
from wfc3_cte_monitor.settings import read_settings
from wfc3_cte_monitor.simulate import PlannedExposure, make_cluster, simulate_exposure
from wfc3_cte_monitor.tables import Schema, shipped_file

NAME = "ib7x0101q_flt.fits"


def cases(number):
    """The test's `n_cases`: all of them, or, quick, some."""
    return pytest.mark.parametrize("n_cases", [number // 10, pytest.param(number, marks=pytest.mark.slow)])


def try_all(strategy, check, n_cases):
    """Call `check` with so many cases of a strategy."""

    @settings(max_examples=n_cases, derandomize=True, database=None, deadline=None, suppress_health_check=HealthCheck)
    @given(strategy)
    def one(case):
        check(case)

    one()


def outcome_of(function, *arguments):
    """What a function gives, or None where it says in one line what is wrong; any other error is the test's failure."""
    try:
        return function(*arguments)
    except MonitorError as error:
        assert str(error).isprintable()
        assert len(str(error)) < 1000
        return None


# ---- FITS ------------------------------------------------------------------------------------------------------------

BLOCK, CARD = 2880, 80
READ = (
    *("ROOTNAME", "PROPOSID", "TARGNAME", "FILTER", "EXPTIME", "EXPSTART", "POSTARG1", "POSTARG2", "PA_V3", "CHINJECT"),
    *("SUBARRAY", "FLASHSTA", "FLASHLVL", "FLASHDUR", "FLASHCUR", "SHUTRPOS", "CAL_VER", "INSTRUME", "DETECTOR"),
    *("BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "EXTEND", "XTENSION", "PCOUNT", "GCOUNT", "EXTNAME", "EXTVER", "SIMPLE"),
    *("BUNIT", "CCDCHIP", "MEANFLSH", "MEANDARK", "MDRIZSKY", "BINAXIS1", "BINAXIS2", "READNSEC", "READNSED"),
)
"""Keywords that somebody reads."""
OF_WCS = (
    *("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CD1_1", "CD1_2", "CD2_1", "CD2_2", "CTYPE1", "CTYPE2", "CUNIT1"),
    *("WCSAXES", "A_ORDER", "B_ORDER", "A_0_2", "A_2_0", "B_1_1", "B_0_2", "A_4_0", "IDCSCALE", "RADESYS", "LONPOLE"),
    *("CPDIS1", "DP1", "D2IMDIS1", "D2IM1", "AXISCORR", "EQUINOX", "MJDREF", "NAXIS1", "NAXIS2", "EXPTIME"),
)
OF_WCS_ALL = re.compile(r"CR|CD\d|CTYPE|CUNIT|[AB]_|D2IM|DP\d|CPDIS|CPERR|WCS|IDCSCALE|RADESYS|LATPOLE|LONPOLE|END")

keywords = st.sampled_from(READ)
odd_numbers = st.sampled_from(["1D5", "1e400", "-1E-400", "0x1F", "007", "+5", ".5", "5.", "1_0"])
numbers = st.integers().map(str) | st.floats().map(repr) | odd_numbers
texts = st.text(st.characters(max_codepoint=255), max_size=12).map(lambda text: f"'{text}'")
hostile = st.sampled_from(
    ["", "T", "F", "'", "''", "'a", "(1.0, 2.0)", "nan", "Infinity", "' / '", "/ no value", "''''", "'../../x '"]
    + ["'; DROP TABLE ngc104_phot'", "'<script>'", "'\x1b[2J\x07'", "'a\nb'", "'\0'", "'$x$'", "'%s%n'", "'ib7x0101q'"]
)
values = numbers | texts | hostile
places = st.floats(0, 1, exclude_max=True)


@cache
def template(n_parts):
    """A FITS file of 8 x 8 pixels, and 8 x 8 nodes of its distortion: (cards, data) of its parts, as bytes.

    Without the cards that nobody reads: whatever is done to them, astropy needs most of the time for them.
    """
    plan = PlannedExposure(14541, "01", 1, 57770.0, "ngc104")
    hdus = simulate_exposure(plan, make_cluster("ngc104", n_columns=8, flux=[]), n_columns=8)
    return [_part(hdu) for hdu in hdus if hdu.name != "ERR"][:n_parts]


def _part(hdu):
    data = None if hdu.data is None else hdu.data[:8, :8]
    header = type(hdu)(data=data, header=hdu.header).header
    cards = tuple(str(one).encode() for one in header.cards if one.keyword in READ or OF_WCS_ALL.match(one.keyword))
    return cards, b"" if data is None else data.astype(data.dtype.newbyteorder(">")).tobytes()


def card(keyword, value):
    return f"{keyword:8.8}= {value:>20}".encode("latin-1", "replace")[:CARD].ljust(CARD)


def changes(words):
    """Changes of the cards of a header: (kind, keyword, value, place)."""
    return st.one_of(
        st.tuples(st.sampled_from(["set", "set", "double"]), words, values, places),
        st.tuples(st.sampled_from(["remove", "move", "comment"]), words, st.none(), places),
        st.tuples(st.just("insert"), st.none(), st.binary(min_size=8, max_size=12), places),
    )


def changed(cards, change):
    """The cards after a change; one that is to be set and is not there is put in."""
    kind, keyword, value, where = change
    cards, at = list(cards), int(where * len(cards))
    place = next((i for i, one in enumerate(cards) if keyword and one.startswith(keyword.ljust(8).encode())), None)
    if kind == "insert":
        cards.insert(at, value.ljust(CARD))
    elif kind == "double" or place is None:
        cards.insert(at, card(keyword, value or ""))
    elif kind == "set":
        cards[place] = card(keyword, value)
    elif kind == "comment":
        cards[place] = cards[place].replace(b"=", b" ", 1)
    else:
        moved = cards.pop(place)
        if kind == "move":
            cards.insert(at, moved)
    return cards


damages = st.one_of(
    st.tuples(st.just("flip"), places, st.integers(1, 255)),
    st.tuples(st.just("cut"), places, st.none()),
    st.tuples(st.just("insert"), places, st.integers(1, 3000)),
)


def damaged(whole, damage):
    """The bytes of a file after one was flipped, the end cut off, or zeros put in."""
    kind, where, value = damage
    at = int(where * len(whole))
    if kind == "cut":
        return whole[:at]
    if kind == "insert":
        return whole[:at] + bytes(value) + whole[at:]
    return whole[:at] + bytes([whole[at] ^ value]) + whole[at + 1 :]


def recipes(words=keywords, parts=(0, 0, 1, 1, 3), n_parts=5):
    """How a file is spoiled: its number of parts, changes of their headers, and perhaps a damage."""
    change = st.tuples(st.sampled_from(parts), changes(words))
    return st.tuples(st.just(n_parts), st.lists(change, max_size=3), st.none() | damages)


def spoiled(recipe):
    """The bytes of an exposure, spoiled."""
    n_parts, steps, damage = recipe
    whole = list(template(n_parts))
    for part, change in steps:
        whole[part] = changed(whole[part][0], change), whole[part][1]
    headers = (b"".join([*cards, b"END".ljust(CARD)]) for cards, _ in whole)
    content = b"".join(padded(h, b" ") + padded(data, b"\0") for h, (_, data) in zip(headers, whole, strict=True))
    return damaged(content, damage) if damage else content


def padded(content, fill):
    return content + fill * (-len(content) % BLOCK)


@pytest.fixture(scope="module")
def legal(tmp_path_factory):
    """The settings of the example."""
    path = tmp_path_factory.mktemp("legal") / "config.py"
    path.write_text(shipped_file("config.example.py").read_text())
    return read_settings(path)


@cases(1200)
def test_any_header_is_an_exposure_a_rejection_or_unusable(n_cases, legal, tmp_path):
    def check(recipe):
        path = tmp_path / NAME
        path.write_bytes(spoiled(recipe))
        read = outcome_of(read_exposure, path, legal)
        assert read is None or isinstance(read, Exposure | Rejection)
        if isinstance(read, Exposure):
            numbers = read.exptime, read.expstart, read.flashlvl, read.postarg1, read.postarg2, read.pa_v3
            assert all(isinstance(value, float) and math.isfinite(value) for value in numbers)
            assert (read.imagename, type(read.program), read.target in legal.target_list) == (NAME, int, True)

    try_all(recipes(), check, n_cases)


@cases(500)
def test_any_wcs_places_stars_or_is_unusable(n_cases, tmp_path):
    ra, dec = np.array([6.02, 6.03, 186.0, 0.0]), np.array([-72.08, -72.07, 72.0, 90.0])

    def look(path):
        image = read_chip(path, 2)
        index, x, y = stars_on_chip(image.wcs, image.data.shape, ra, dec)
        assert len(index) == len(x) == len(y)
        assert np.isfinite([x, y]).all()
        return footprint(image)

    def check(recipe):
        path = tmp_path / NAME
        path.write_bytes(spoiled(recipe))
        outcome_of(look, path)

    try_all(recipes(st.sampled_from(OF_WCS), parts=(1,), n_parts=None), check, n_cases)


def test_a_run_over_spoiled_exposures_ends_well_for_the_rest(observatory, make_config, tmp_path):
    """Each is a whole frame but for its columns; what the rules cannot see must be seen by what is measured."""
    data = tmp_path / "data"
    shutil.copytree(observatory / "data" / "master_cat", data / "master_cat")
    (data / "14541").mkdir()
    for name in GOOD:
        shutil.copy(observatory / "data" / "14541" / name, data / "14541")
    for number, recipe in enumerate(sample(recipes(), N_SPOILED)):
        name = f"ib7x0{number:02d}zq"
        content = spoiled(recipe).replace(NAME[:9].encode(), name.encode())
        (data / "14541" / f"{name}_flt.fits").write_bytes(content)
    outcome = run(make_config(tmp_path, aprads=[3]), "--pr", "all", "--ctecorr", "flt")
    assert outcome.code == 1
    assert "Traceback" not in outcome.out + outcome.err
    assert all(line.isprintable() for line in outcome.lines)
    assert outcome.count("exposures found") == N_SPOILED + 2
    assert outcome.count("failed") + outcome.count("left out by rule") == N_SPOILED
    assert outcome.count("pairs measured") == 1
    rows = dump(tmp_path / "database")
    assert {row["IMAGENAME"] for row in rows["ngc104_fileinfo"]} == {*GOOD}
    assert {row["FILE_ID"] for row in rows["ngc104_phot"]} == {row["id"] for row in rows["ngc104_fileinfo"]}
    assert not [path for path in (tmp_path / "outputs").rglob("*zq*")]


N_SPOILED = 60
GOOD = ("ib7x0101q_flt.fits", "ib7x0102q_flt.fits")


def sample(strategy, number):
    """So many different cases of a strategy."""
    found = {}
    try_all(strategy, lambda case: found.setdefault(repr(case), case), 3 * number)
    return list(found.values())[:number]


# ---- Catalogues ------------------------------------------------------------------------------------------------------

words = st.one_of(
    st.integers().map(str),
    st.floats(-400, 400).map(repr),
    st.sampled_from(["nan", "inf", "1e999", "٣", "1_0", "0x1", "-0", "7.0", "9" * 5000]),
    st.sampled_from(["\x1b[2J", "<b>", "\ufeff", "\0", "'", "$x", "\\input{x}"]),
    st.text(max_size=6),
)
blanks = st.sampled_from([" ", "  ", "\t", ",", "\u3000"])
ends = st.sampled_from(["\n", "\r\n", "\r", "\x0c", "\u2028", ""])
lines = st.tuples(st.lists(words, max_size=7), blanks, ends).map(lambda line: line[1].join(line[0]) + line[2])
files = st.lists(lines, max_size=8).map("".join).map(lambda text: text.encode("utf-8", "surrogatepass"))
garbage = st.binary(max_size=200)


@cases(1000)
def test_any_catalogue_is_read_line_by_line(n_cases, tmp_path):
    path = tmp_path / "ngc104_master.cat"

    def check(content):
        path.write_bytes(content)
        read = outcome_of(read_catalog, path, "ngc104")
        if read is None:
            return
        catalog, problems = read
        assert (catalog.id.dtype, len(set(catalog.id.tolist()))) == (np.int64, len(catalog)) != (np.int64, 0)
        assert np.isfinite([catalog.x, catalog.y, catalog.ra, catalog.dec]).all()
        assert catalog.ra.min() >= 0 and catalog.ra.max() <= 360 and np.abs(catalog.dec).max() <= 90
        assert all(line.isprintable() and len(line) < 300 for line in problems)

    good = st.tuples(st.integers(-5, 5), st.floats(0, 360), st.floats(-90, 90)).map("{0[0]} 1 2 {0[1]} {0[2]}\n".format)
    mixed = st.tuples(st.lists(good, max_size=3).map("".join).map(str.encode), files).map(b"".join)
    try_all(files | garbage | mixed, check, n_cases)


@pytest.fixture(scope="module")
def known():
    """Coefficients of two levels, in memory."""
    return [coefficients(flash) for flash in BACKGROUNDS]


@cases(800)
def test_any_list_of_stars_is_corrected_or_refused(n_cases, known, tmp_path):
    facts = {"mjd": 57800.0, "exptime": 350.0, "background": 2.0, "chip": 2}

    def correct(path):
        stars = read_star_list(path)
        columns = columns_of(stars.table.colnames, dict.fromkeys(("y", "chip", "flux", "mag")))
        added, provenance = correct_list(stars, columns, known, **facts)
        write_star_list(stars, added, path.with_name(f"out{path.suffix}"), provenance)
        assert {len(values) for values in added.values()} == {len(stars.table)}
        return added

    def check(case):
        suffix, content = case
        path = tmp_path / f"in{suffix}"
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # what cannot be computed has a flag
            outcome_of(correct, path)

    heads = [b"", b"# x y flux\n", b"x,y,flux\n", b"# y mag chip\n", b" NL NX NY\n1 2 3\n\n", ECSV_HEAD]
    rows = st.lists(st.lists(words, min_size=3, max_size=3).map(" ".join), max_size=4).map("\n".join)
    content = st.tuples(
        st.sampled_from(heads), rows.map(lambda text: text.encode("utf-8", "surrogatepass")) | files
    ).map(b"".join)
    suffixes = st.sampled_from([".txt", ".csv", ".ecsv", ".fits", ".fits.gz", ""])
    try_all(st.tuples(suffixes, content | garbage), check, n_cases)


ECSV_HEAD = b"""# %ECSV 1.0
# ---
# datatype:
# - {name: y, datatype: float64}
# - {name: flux, datatype: float64}
# - {name: chip, datatype: int64}
# schema: astropy-2.0
y flux chip
"""


@cases(640)
def test_any_set_of_coefficients_is_read_or_refused(n_cases, known, tmp_path):
    write_coefficients(known[0], tmp_path / "a_coeffs.txt")
    publish_coefficients(known[0], tmp_path / "a_coeffs.ecsv")
    originals = {path.suffix: path.read_text().splitlines(keepends=True) for path in tmp_path.iterdir()}

    def correct(path):
        one = read_coefficients(path)
        assert all(line.isprintable() for line in table_text(coefficient_table([one]), "latex").splitlines())
        kind = {"target": one.target, "filter": one.filter, "ctecorr": one.ctecorr, "aperture": one.aperture}
        return correct_photometry(one, flux=700.0, n_transfers=900.0, mjd=57000.0, length=one.length, **kind)

    def check(case):
        suffix, changes = case
        text = originals[suffix]
        for where, word, value in changes:
            text = replaced(text, int(where * len(text)), word, value)
        path = tmp_path / f"changed{suffix}"
        path.write_text("".join(text), encoding="utf-8", errors="surrogatepass")
        outcome_of(correct, path)

    change = st.tuples(places, places, st.none() | words)
    try_all(st.tuples(st.sampled_from(sorted(originals)), st.lists(change, max_size=3)), check, n_cases)


def replaced(text, line, word, value):
    """Lines of which one has another word at a place, or is not there (None)."""
    if value is None:
        return text[:line] + text[line + 1 :]
    parts = re.split(r"(\s+|,|: )", text[line])
    parts[int(word * len(parts))] = value
    return [*text[:line], "".join(parts), *text[line + 1 :]]


# ---- Configuration ---------------------------------------------------------------------------------------------------

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=4)
literals = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.integers() | st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=6,
)


@cases(800)
def test_any_configuration_is_settings_or_refused(n_cases, legal, tmp_path):
    path = tmp_path / "config.py"
    names = st.sampled_from(sorted(plain_values()))

    def check(case):
        changes, line = case
        values = plain_values() | dict(changes)
        text = "".join(f"{name} = {literal(value)}\n" for name, value in values.items())
        path.write_text(text + line, encoding="utf-8", errors="surrogatepass")
        read = outcome_of(read_settings, path)
        if read:  # What stands on it must be able to.
            assert Schema(read.target_list, read.aprads, read.bins)
            assert read.photometry_setup.aprads
            assert read.database_url

    more = st.sampled_from(["", "x = 1", "import os", "del aprads", "raise SystemExit"]) | st.text(max_size=20)
    try_all(st.tuples(st.lists(st.tuples(names, literals), max_size=2), more), check, n_cases)


@cache
def plain_values():
    """What the example says, but for what is long and has a default."""
    names = runpy.run_path(str(shipped_file("config.example.py")))
    left_out = ("_", "tweakreg", "expected")
    return {name: value for name, value in names.items() if not name.startswith(left_out)}


def literal(value):
    return re.sub(r"\b(nan|inf)\b", r"float('\1')", repr(value)) if not isinstance(value, str) else repr(value)
