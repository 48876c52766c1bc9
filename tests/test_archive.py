"""What the archive has comes here whole, once, under its own name: through astroquery, from a MAST on the loopback."""

import contextlib
import io
import json
import os
import re
import socket
import subprocess
import sys
from functools import cache, partial

import numpy as np
import pytest
from astropy.io import fits
from mast_server import MastServer
from running import Outcome

from wfc3_cte_monitor.archive import Archive, Product, Stamp, core, fits_problem, http
from wfc3_cte_monitor.archive.part import Part
from wfc3_cte_monitor.commands import uvis_external_cte
from wfc3_cte_monitor.errors import ArchiveError, ConfigurationError
from wfc3_cte_monitor.pipeline import retrieve as pipeline
from wfc3_cte_monitor.pipeline.retrieve import RECORDS, listed_programs
from wfc3_cte_monitor.settings import read_settings

LOOPBACK = re.compile(r"127\.0\.0\.\d+")


@cache
def fits_bytes(seed=0, *, checksum=True, columns=64):
    """A small file of the structure of a UVIS exposure."""
    rng = np.random.default_rng(seed)
    hdus = fits.HDUList([fits.PrimaryHDU()])
    for version in (1, 2):
        hdus.append(fits.ImageHDU(rng.normal(30, 3, (300, columns)).astype("f4"), name="SCI", ver=version))
        hdus.append(fits.ImageHDU(rng.integers(0, 9, (300, columns)).astype("i2"), name="DQ", ver=version))
    hdus[0].header["NEXTEND"] = 4
    for hdu in hdus if checksum else ():
        hdu.add_checksum(when="made")  # astropy would write the time into the cards
    buffer = io.BytesIO()
    hdus.writeto(buffer)
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def no_way_out(monkeypatch):
    """Only the loopback can be reached, at once, by nobody's proxy and with nobody's token; nobody waits."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,127.0.0.2")
    monkeypatch.delenv(http.TOKEN_VARIABLE, raising=False)
    monkeypatch.setattr(http, "BACKOFF", 0.001)
    connect = socket.socket.connect

    def connect_here(self, address):
        assert self.family == socket.AF_UNIX or LOOPBACK.fullmatch(address[0]), f"a test goes out to {address}"
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here)


@pytest.fixture
def mast():
    """Program 14012 with two visits of one exposure each, among all that the archive has besides."""
    with MastServer() as server:
        for seed, rootname in enumerate(("icqe03aaq", "icqe04abq")):
            for kind in ("flt", "flc"):
                server.add(14012, f"{rootname}_{kind}.fits", fits_bytes(seed))
            for name in (f"{rootname}_raw.fits", f"{rootname}_spt.fits", f"{rootname}_flt.jpg"):
                server.add(14012, name, b"not wanted")
        server.add(14012, "icqe03010_drz.fits", b"not wanted")
        again = {"observation": "icqe03010"}  # the archive lists exposures with their association too
        server.add(14012, "icqe03aaq_flt.fits", fits_bytes(0), **again)
        server.add(14012, "hst_14012_03_wfc3_uvis_f502n_icqe03aa_flt.fits", b"not wanted", **again)
        server.add(14012, "hst_14012_03_wfc3_uvis_total_drc.fits", b"not wanted", observation="hst_14012_03_total")
        server.add(14541, "id1n01xyq_flt.fits", fits_bytes(9))
        server.listed[-1]["obsID"] = server.observations[0]["obsid"]  # of another program, in this one's association
        yield server


FILES = {"icqe03aaq_flt.fits", "icqe03aaq_flc.fits", "icqe04abq_flt.fits", "icqe04abq_flc.fits"}
FLT = "icqe03aaq_flt.fits"


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "les données ☆"
    folder.mkdir()
    return folder


@pytest.fixture
def retrieve(make_config, data, mast):
    """``retrieve("--pr", 14012)`` runs the command."""
    config = make_config(path_to_data=data, mast_server=mast.url)
    return partial(command, config)


def command(config, *arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = uvis_external_cte.main(["retrieve", *map(str, arguments), "--config", str(config)])
        except SystemExit as stopped:
            code = stopped.code
    return Outcome(code, out.getvalue(), err.getvalue())


def here(data):
    """The files that have come, without what is hidden."""
    return {path.name for path in (data / "newdata").glob("[!.]*")}


def bytes_of(data, name=FLT):
    return (data / "newdata" / name).read_bytes()


def failures(outcome):
    """The lines of the summary that say what failed."""
    lines = outcome.out.splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("  failed"))
    return [line.strip() for line in lines[start + 1 :] if line.startswith("    ")]


# ---- What comes ------------------------------------------------------------------------------------------------------


def test_exactly_the_flt_and_flc_of_the_program_come(retrieve, mast, data):
    done = retrieve("--pr", 14012)
    assert (done.code, done.err.count("ERROR")) == (0, 0)
    assert here(data) == FILES
    assert bytes_of(data) == mast.contents[f"mast:HST/product/{FLT}"]
    assert sorted(mast.downloads()) == sorted(FILES), "and each once"
    assert done.count("in the archive") == done.count("retrieved") == 4


def test_only_the_visits_asked_for(retrieve, data):
    assert retrieve("--pr", 14012, "--v", 4).code == 0
    assert here(data) == {"icqe04abq_flt.fits", "icqe04abq_flc.fits"}


def test_dry_run_downloads_nothing_and_says_what_would_come(retrieve, mast, data):
    done = retrieve("--pr", 14012, "--v", "3", "--dry-run")
    assert done.code == 0
    assert list(data.iterdir()) == []
    assert mast.downloads() == []
    size = f"{len(fits_bytes()) / 1e6:.1f} MB"
    assert done.out.splitlines()[:2] == [f"icqe03aaq_{kind}.fits  {size:>9}  missing" for kind in ("flc", "flt")]
    assert done.count("to be retrieved") == 2


def test_several_programs_and_long_lists(retrieve, mast, data):
    """Answers come in pages, and the first to a query may be that it is being worked on."""
    mast.page_rows, mast.executing = 3, 2
    mast.add(14541, "id1n02xyq_flc.fits", fits_bytes(3))
    assert retrieve("--pr", "last", 14012).code == 0
    assert here(data) == FILES | {"id1n02xyq_flc.fits"}


def test_only_rootnames_are_asked_for_and_not_all_at_once(retrieve, mast, data, monkeypatch):
    """What the archive made of the exposures has thousands of products; long lists of them time out."""
    monkeypatch.setattr(core, "_OBSERVATIONS_PER_QUERY", 2)
    asked, answer = [], mast.answer
    mast.answer = lambda request: asked.append(request["params"].get("obsid")) or answer(request)
    assert retrieve("--pr", 14012).code == 0
    assert here(data) == FILES
    named = {row["obsid"]: row["obs_id"] for row in mast.observations}
    batches = [[named[obsid] for obsid in text.split(",")] for text in asked if text]
    assert batches == [["icqe03aaq", "icqe04abq"], ["icqe03010"]]


def test_visit_that_is_nowhere_is_named(retrieve, data):
    done = retrieve("--pr", 14012, "--v", 3, "0A")
    assert done.code == 1
    assert failures(done) == ["visit 0a: not in the archive for 14012"]
    assert len(here(data)) == 2


def test_program_that_has_nothing_is_named_and_the_others_come(retrieve, data):
    done = retrieve("--pr", 12348, 14012)
    assert done.code == 1
    assert failures(done) == ["program 12348: no FLT or FLC of WFC3/UVIS in the archive"]
    assert here(data) == FILES


def test_server_option_wins(make_config, data, mast):
    config = make_config(path_to_data=data, mast_server="http://127.0.0.1:1")
    assert command(config, "--pr", 14012, "--server", f"{mast.url}/").code == 0


def test_astroquery_is_left_as_it_was(retrieve):
    from astroquery import mast as astroquery

    portal = astroquery.Observations._portal_api_connection
    before = (astroquery.conf.server, portal.MAST_REQUEST_URL)
    retrieve("--pr", 14012, "--dry-run")
    assert (astroquery.conf.server, portal.MAST_REQUEST_URL) == before
    assert type(portal)._column_configs == {}, "nor does it take a column for what another server says"
    assert Archive().server == astroquery.conf.server == "https://mast.stsci.edu"


# ---- Nothing twice ---------------------------------------------------------------------------------------------------


def test_second_run_downloads_nothing(retrieve, mast, data):
    retrieve("--pr", 14012)
    mast.requests.clear()
    done = retrieve("--pr", 14012)
    assert (done.code, mast.downloads()) == (0, [])
    assert done.count("here already") == 4


def test_file_that_was_aligned_and_moved_is_not_fetched_again(retrieve, mast, data):
    retrieve("--pr", 14012)
    (data / "14012").mkdir()
    (data / "newdata" / FLT).rename(data / "14012" / FLT)
    (data / "14012" / FLT).write_bytes(fits_bytes(columns=80))
    mast.requests.clear()
    retrieve("--pr", 14012)
    assert mast.downloads() == []


def test_file_that_came_by_other_ways_counts_as_current_until_the_archive_changes(retrieve, mast, data):
    (data / "14012").mkdir()
    (data / "14012" / FLT).write_bytes(fits_bytes(columns=80))
    retrieve("--pr", 14012, "--v", 3)
    assert mast.downloads() == ["icqe03aaq_flc.fits"]
    mast.replace(FLT, fits_bytes(5, columns=100))
    assert "newer" in retrieve("--pr", 14012, "--v", 3, "--dry-run").out
    retrieve("--pr", 14012, "--v", 3)
    assert bytes_of(data) == fits_bytes(5, columns=100)
    assert (data / "14012" / FLT).read_bytes() == fits_bytes(columns=80), "what is in use stays"


@pytest.mark.parametrize(("name", "length"), [("newdata", 0), ("14012", 5000)])
def test_file_that_cannot_be_whole_is_fetched(retrieve, data, name, length):
    (data / name).mkdir()
    (data / name / FLT).write_bytes(fits_bytes()[:length])
    assert f"{FLT}     0.3 MB  damaged" in retrieve("--pr", 14012, "--dry-run").out
    assert retrieve("--pr", 14012).code == 0
    assert bytes_of(data) == fits_bytes()
    assert retrieve("--pr", 14012).count("retrieved") == 0, "once is enough, wherever the damaged one lies"


def test_product_of_another_size_is_newer(retrieve, mast, data):
    retrieve("--pr", 14012)
    newer = fits_bytes(7, columns=100)
    mast.replace(FLT, newer)
    assert retrieve("--pr", 14012).count("retrieved") == 1
    assert bytes_of(data) == newer
    assert retrieve("--pr", 14012).count("retrieved") == 0


def test_product_of_the_same_size_is_newer_if_the_server_says_so(retrieve, mast, data):
    """Recalibration seldom changes the size of a file."""
    mast.replace(FLT, fits_bytes(0), etag='"one"')
    retrieve("--pr", 14012)
    assert retrieve("--pr", 14012).count("retrieved") == 0
    mast.replace(FLT, fits_bytes(7), etag='"two"')
    assert len(fits_bytes(7)) == len(fits_bytes(0))
    done = retrieve("--pr", 14012)
    assert done.count("retrieved") == 1
    assert bytes_of(data) == fits_bytes(7)


def test_records_say_what_the_archive_said(retrieve, mast, data):
    mast.replace(FLT, fits_bytes(0), etag='"one"')
    retrieve("--pr", 14012)
    record = json.loads((data / RECORDS).read_text())[FLT]
    assert record.pop("retrieved").startswith("20")
    assert record == {
        "uri": f"mast:HST/product/{FLT}",
        "program": 14012,
        "size": len(fits_bytes(0)),
        "release": 57000.5,
        "etag": '"one"',
        "last_modified": None,
    }


def test_damaged_records_are_one_line(retrieve, data):
    for text in ("{", "[]", '{"a": 1}'):
        (data / RECORDS).write_text(text)
        done = retrieve("--pr", 14012)
        assert done.code == 2
        assert done.err.count("\n") == 1
        assert RECORDS in done.err


@pytest.mark.parametrize(
    ("one", "two", "different"),
    [
        (Stamp("a", "x"), Stamp("b", "y"), True),
        (Stamp("a", "x"), Stamp("b", "x"), False),
        (Stamp("a", "x"), Stamp("a", "y"), False),
        (Stamp(None, "x"), Stamp("b", "y"), True),
        (Stamp("a"), Stamp(), False),
        (Stamp("a"), Stamp(None, "y"), False),
    ],
)
def test_stamps_differ_where_they_can_be_compared(one, two, different):
    assert one.differs(two) is two.differs(one) is different


# ---- Interrupted -----------------------------------------------------------------------------------------------------

CUT = 200_000


def interrupted(mast, **faults):
    """A server whose connection breaks in the same place at every attempt."""
    mast.faults[FLT].cut = [CUT]
    for name, value in faults.items():
        setattr(mast.faults[FLT], name, value)


@pytest.mark.parametrize("etag", ['"one"', 'W/"weak"', None])
def test_broken_connection_goes_on_where_it_broke(retrieve, mast, data, etag):
    mast.replace(FLT, fits_bytes(), etag=etag)
    mast.faults[FLT].cut = [CUT, None]
    assert retrieve("--pr", 14012).code == 0
    assert bytes_of(data) == fits_bytes()
    assert here(data) == FILES, "nothing is left of the part"
    # What had come but not been written is sent twice: less than a block and what the sockets hold back.
    assert mast.sent[FLT] - len(fits_bytes()) <= core._BLOCK
    assert "ERROR" not in retrieve("--pr", 14012).err


def test_next_run_goes_on_where_the_last_one_broke(retrieve, mast, data, monkeypatch):
    monkeypatch.setattr(http, "ATTEMPTS", 1)
    interrupted(mast)
    done = retrieve("--pr", 14012)
    assert done.code == 1
    assert len(failures(done)) == 1
    assert "connection broke off" in failures(done)[0]
    assert "bytes are kept" in failures(done)[0]
    assert here(data) == FILES - {FLT} | {f"{FLT}.part", f"{FLT}.part.json"}
    kept = (data / "newdata" / f"{FLT}.part").stat().st_size
    assert 0 < kept <= CUT
    mast.faults.clear()
    mast.sent.clear()
    assert retrieve("--pr", 14012).code == 0
    assert mast.sent[FLT] == len(fits_bytes()) - kept
    assert bytes_of(data) == fits_bytes()
    assert here(data) == FILES


def test_server_without_ranges_sends_it_anew(retrieve, mast, data):
    mast.faults[FLT].ranges = False
    mast.faults[FLT].cut = [CUT, None]
    assert retrieve("--pr", 14012).code == 0
    assert bytes_of(data) == fits_bytes()
    assert mast.sent[FLT] == CUT + len(fits_bytes())


@pytest.mark.parametrize("etags", [('"one"', '"two"'), (None, None)])
def test_part_of_an_older_version_is_not_gone_on_with(retrieve, mast, data, monkeypatch, etags):
    """Without ETag nobody can tell, until the sum is wrong; then the file is fetched from its beginning."""
    mast.replace(FLT, fits_bytes(0), etag=etags[0])
    interrupted(mast)
    with monkeypatch.context() as patience:
        patience.setattr(http, "ATTEMPTS", 1)
        retrieve("--pr", 14012)
    mast.replace(FLT, fits_bytes(7), etag=etags[1])
    mast.faults.clear()
    assert retrieve("--pr", 14012).code == 0
    assert bytes_of(data) == fits_bytes(7)


def test_older_part_is_seen_by_the_etag_even_if_the_server_does_not_look(retrieve, mast, data, monkeypatch):
    mast.replace(FLT, fits_bytes(0, checksum=False), etag='"one"')
    interrupted(mast)
    with monkeypatch.context() as patience:
        patience.setattr(http, "ATTEMPTS", 1)
        retrieve("--pr", 14012)
    mast.replace(FLT, fits_bytes(7, checksum=False), etag='"two"')
    mast.faults.clear()
    mast.faults[FLT].if_range = False
    mast.requests.clear()
    assert retrieve("--pr", 14012).code == 0
    assert bytes_of(data) == fits_bytes(7, checksum=False)
    conditions = [headers.get("If-Range") for _, path, headers in mast.requests if FLT in path]
    assert conditions == ['"one"', None]


def test_part_of_a_file_of_another_size_is_thrown_away(retrieve, mast, data, monkeypatch):
    """Without ETag and sums only the size that is listed tells."""
    mast.replace(FLT, fits_bytes(0, checksum=False))
    interrupted(mast)
    with monkeypatch.context() as patience:
        patience.setattr(http, "ATTEMPTS", 1)
        retrieve("--pr", 14012)
    mast.replace(FLT, fits_bytes(7, checksum=False, columns=100))
    mast.faults.clear()
    assert retrieve("--pr", 14012).code == 0
    assert bytes_of(data) == fits_bytes(7, checksum=False, columns=100)


def test_answer_that_does_not_say_its_length_may_end_early(retrieve, mast, data):
    mast.faults[FLT].length = False
    mast.faults[FLT].cut = [CUT, None]
    assert retrieve("--pr", 14012).code == 0
    assert bytes_of(data) == fits_bytes()
    assert mast.sent[FLT] == len(fits_bytes()), "and is gone on with"


@pytest.mark.parametrize("ranges", [True, False])
def test_progress_adds_up(mast, tmp_path, ranges):
    mast.faults[FLT].ranges = ranges
    mast.faults[FLT].cut = [CUT, None]
    connection, steps = Archive(mast.url), []
    product = next(p for p in connection.products(14012)[0] if p.name == FLT)
    connection.fetch(product, tmp_path, steps.append)
    assert sum(steps) == product.size
    assert max(steps) <= core._BLOCK
    assert ranges or min(steps) < 0


def test_part_that_was_whole_is_only_checked(retrieve, mast, data):
    (data / "newdata").mkdir()
    (data / "newdata" / f"{FLT}.part").write_bytes(fits_bytes())
    note = {"uri": f"mast:HST/product/{FLT}", "size": len(fits_bytes())}
    (data / "newdata" / f"{FLT}.part.json").write_text(json.dumps(note))
    assert retrieve("--pr", 14012).code == 0
    assert FLT not in mast.downloads()
    assert bytes_of(data) == fits_bytes()


@pytest.mark.parametrize("note", ["", "[]", "{}"])
def test_part_that_nobody_knows_is_thrown_away(retrieve, data, note):
    (data / "newdata").mkdir()
    (data / "newdata" / f"{FLT}.part").write_bytes(b"x" * 400_000)
    (data / "newdata" / f"{FLT}.part.json").write_text(note)
    assert retrieve("--pr", 14012).code == 0
    assert bytes_of(data) == fits_bytes()


def test_killed_process_leaves_a_part_and_no_file(make_config, mast, data):
    """A real process, killed in the midst of a file."""
    config = make_config(path_to_data=data, mast_server=mast.url)
    code = """
import os, sys
from wfc3_cte_monitor.archive.part import Part
append = Part.append
def killed(self, blocks, offset):
    append(self, (next(iter(blocks)) for _ in range(2)), offset)
    os._exit(9)
Part.append = killed
from wfc3_cte_monitor.commands.uvis_external_cte import main
main(sys.argv[1:])
"""
    arguments = ["retrieve", "--pr", "14012", "--v", "3", "--config", str(config)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=False, timeout=60)
    assert done.returncode == 9
    first = "icqe03aaq_flc.fits"
    assert here(data) == {f"{first}.part", f"{first}.part.json"}
    kept = (data / "newdata" / f"{first}.part").stat().st_size
    assert kept == 2 * core._BLOCK
    mast.sent.clear()
    assert command(config, "--pr", 14012).code == 0
    assert mast.sent[first] == len(fits_bytes()) - kept
    assert bytes_of(data, first) == fits_bytes()


def test_ctrl_c_is_one_line(retrieve, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Archive, "fetch", interrupt)
    done = retrieve("--pr", 14012)
    assert done.code == 130
    assert done.err.splitlines()[-1] == "uvis_external_cte: interrupted; the same command goes on from here"


def test_two_at_the_same_time_are_refused(retrieve, data):
    (data / "newdata").mkdir()
    with pipeline._alone(data / "newdata"):
        done = retrieve("--pr", 14012)
        assert retrieve("--pr", 14012, "--dry-run").code == 0, "which writes nothing"
    assert done.code == 2
    assert "another retrieval is going on" in done.err


# ---- What must not come ----------------------------------------------------------------------------------------------


def spoiled(change):
    """The bytes of a FITS file with something changed."""
    content = bytearray(fits_bytes())
    change(content)
    return bytes(content)


def flip(content):
    content[-5000] ^= 1


def shorten(content):
    del content[-2880:]


def drop_last_hdu(content):
    del content[len(fits_bytes()) - 2880 - -(-300 * 64 * 2 // 2880) * 2880 :]


def lengthen(content):
    content.extend(bytes(2880))


def scribble(content):
    content[9000:9004] = b"oops"


BAD = {
    "a page": (b"<html>Down for maintenance</html>", "no FITS file"),
    "nothing": (b"", "no FITS file"),
    "a changed bit": (spoiled(flip), "DATASUM of HDU 4 is wrong"),
    "a block less": (spoiled(shorten), "damaged FITS file"),
    "a block more": (spoiled(lengthen), "damaged FITS file"),
    "an extension less": (spoiled(drop_last_hdu), "3 extensions of 4"),
    "a changed header": (spoiled(scribble), "damaged FITS file"),
}


@pytest.mark.parametrize("name", BAD)
def test_content_that_is_no_whole_fits_file_is_refused(retrieve, mast, data, name):
    content, problem = BAD[name]
    mast.replace(FLT, content)
    done = retrieve("--pr", 14012)
    assert done.code == 1
    (line,) = failures(done)
    assert line.startswith(f"{FLT}: ")
    assert problem in line
    assert "Traceback" not in done.err
    assert here(data) == FILES - {FLT}
    assert mast.downloads().count(FLT) == http.ATTEMPTS


def test_file_without_checksums_is_taken(retrieve, mast, data):
    mast.replace(FLT, fits_bytes(checksum=False))
    assert retrieve("--pr", 14012).code == 0
    assert bytes_of(data) == fits_bytes(checksum=False)


def test_page_with_200_is_refused_by_its_type(retrieve, mast, data):
    page = b"<html>Down for maintenance</html>"
    mast.publish(f"mast:HST/product/{FLT}", page)
    mast.faults[FLT].content_type = "text/html; charset=utf-8"
    done = retrieve("--pr", 14012)
    assert done.code == 1
    assert failures(done) == [f"{FLT}: the archive sent no FITS file, but text/html, 4 attempts"]
    assert here(data) == FILES - {FLT}


@pytest.mark.parametrize("listed", [2880, 10_000_000])
def test_wrong_size_is_refused_before_it_comes(retrieve, mast, data, listed):
    next(row for row in mast.listed if row["productFilename"] == FLT)["size"] = listed
    done = retrieve("--pr", 14012)
    assert done.code == 1
    real = len(fits_bytes())
    assert failures(done) == [f"{FLT}: wrong size: the archive sends {real} bytes and lists {listed}, 4 attempts"]
    assert here(data) == FILES - {FLT}


def test_size_that_the_archive_does_not_say(retrieve, mast, data):
    for row in mast.listed:
        row["size"] = None
    mast.faults[FLT].cut = [CUT, None]
    assert "        ?  missing" in retrieve("--pr", 14012, "--dry-run").out
    assert retrieve("--pr", 14012).code == 0
    assert bytes_of(data) == fits_bytes()
    assert retrieve("--pr", 14012).count("here already") == 4


HOSTILE = [
    "../icqe03zzq_flt.fits",
    "/tmp/icqe03zzq_flt.fits",
    "..\\icqe03zzq_flt.fits",
    "icqe03zzq_flt.fits\n_flt.fits",
    "icqe 3zzq_flt.fits",
    "ICQE03ZZQ_flt.fits",
    ".._flt.fits",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name_is_refused(retrieve, mast, data, name):
    mast.add(14012, name, fits_bytes(), observation="icqe03aaq")
    before = {path for path in data.parent.rglob("*") if path.is_file()}
    done = retrieve("--pr", 14012)
    assert done.code == 1
    assert failures(done) == [f"program 14012: {name!r}: not the name of an FLT or FLC file"]
    came = {path for path in data.parent.rglob("*") if path.is_file()} - before
    assert {path.name for path in came} == FILES | {".lock", RECORDS}
    assert {path.parent for path in came} == {data / "newdata", data}


def test_address_of_another_file_is_refused(retrieve, mast):
    mast.add(14012, "icqe03zzq_flt.fits", fits_bytes(), uri="mast:HST/product/../../secret")
    done = retrieve("--pr", 14012)
    assert done.code == 1
    assert "address in the archive is of another file" in failures(done)[0]


@pytest.mark.parametrize("name", [*HOSTILE, "", "icqe03zzq_flt.fits/", "icqe03zzq_raw.fits"])
def test_no_product_can_have_such_a_name(name):
    with pytest.raises(ArchiveError):
        Product(name, "mast:HST/product/x", 14012, 1, None)


# ---- Servers in trouble ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_trouble_that_passes_is_waited_for(retrieve, mast, data, status):
    mast.query_status = [status, status]
    mast.faults[FLT].status = [status, status, 200]
    assert retrieve("--pr", 14012).code == 0
    assert here(data) == FILES


def test_trouble_that_stays_is_one_line_and_the_others_come(retrieve, mast, data):
    mast.faults[FLT].status = [500]
    done = retrieve("--pr", 14012)
    assert done.code == 1
    assert failures(done) == [f"{FLT}: {mast.url}: HTTP 500 Internal Server Error, 4 attempts"]
    assert here(data) == FILES - {FLT}
    assert retrieve("--pr", 14012).count("here already") == 3


def test_archive_that_answers_with_errors_is_asked_for_every_file(retrieve, mast):
    for name in FILES:
        mast.faults[name].status = [500]
    done = retrieve("--pr", 14012)
    assert sorted(line.partition(":")[0] for line in failures(done)) == sorted(FILES)


@pytest.mark.parametrize(("wanted", "pause"), [("3", 3), ("9999", http.LONGEST_PAUSE), ("soon", 0.004), ("", 0.004)])
def test_server_may_name_the_pause(wanted, pause):
    class Error(Exception):
        response = type("Response", (), {"headers": {"Retry-After": wanted}})

    assert http._pause(Error(), 3) == pause


@pytest.mark.parametrize(("status", "said"), [(404, "HTTP 404 Not Found"), (401, http.TOKEN_VARIABLE)])
def test_what_can_only_fail_again_is_not_tried_again(retrieve, mast, status, said):
    mast.faults[FLT].status = [status]
    done = retrieve("--pr", 14012)
    assert done.code == 1
    assert said in failures(done)[0]
    assert mast.downloads().count(FLT) == 1


def test_archive_that_is_down_is_one_line(make_config, data):
    with MastServer() as gone:
        config = make_config(path_to_data=data, mast_server=gone.url)
    done = command(config, "--pr", "all")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert f"{gone.url} cannot be reached (Connection refused, 4 attempts)" in done.err


@pytest.mark.parametrize("status", [[500] * 9, [404]])
def test_archive_that_only_answers_with_errors_is_one_line(retrieve, mast, status):
    mast.query_status = list(status)
    done = retrieve("--pr", 14012)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert f"HTTP {status[0]}" in done.err


@pytest.mark.parametrize("answer", [{}, [], None, {"status": "COMPLETE"}, {"status": "ERROR", "msg": "no\nway"}, "x"])
def test_server_that_is_no_mast_is_one_line(retrieve, mast, monkeypatch, answer):
    monkeypatch.setattr(mast, "answer", lambda request: answer)
    done = retrieve("--pr", 14012)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "Traceback" not in done.err


def test_query_that_fails_after_others_were_answered_fails_alone(retrieve, mast, data):
    mast.add(14541, "id1n02xyq_flc.fits", fits_bytes(3))
    answer = mast.answer
    mast.answer = lambda request: {"status": "ERROR", "msg": "busy"} if "14541" in str(request) else answer(request)
    done = retrieve("--pr", 14012, 14541)
    assert done.code == 1
    assert failures(done) == [f"program 14541: {mast.url}: busy, 4 attempts"]
    assert here(data) == FILES


def test_archive_that_falls_silent_is_not_asked_for_every_file(retrieve, mast, monkeypatch):
    for k in range(5):
        mast.add(14012, f"icqe05a{k}q_flt.fits", fits_bytes())
    monkeypatch.setattr(Archive, "_address", lambda self, product: f"http://127.0.0.1:1/{product.name}")
    done = retrieve("--pr", 14012)
    assert done.code == 1
    *files, last = failures(done)
    assert len(files) == 3
    assert last == "the archive is silent: 6 more files not asked for; run the same command later"


def test_silent_server_is_not_waited_for_for_ever(retrieve, mast, monkeypatch):
    monkeypatch.setattr(http, "TIME_LIMITS", (0.2, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = retrieve("--pr", 14012, "--server", f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert done.code == 2
    assert "cannot be reached (no answer in time, 4 attempts)" in done.err


def test_comparison_that_fails_leaves_what_is_here(retrieve, mast, monkeypatch):
    for name in FILES:
        mast.replace(name, fits_bytes(0), etag='"one"')
    retrieve("--pr", 14012)
    mast.requests.clear()
    monkeypatch.setattr(Archive, "_address", lambda self, product: f"{mast.url}/nowhere")
    done = retrieve("--pr", 14012)
    assert done.code == 0
    assert "icqe03aaq_flc.fits: cannot be compared" in done.err
    assert len([path for _, path, _ in mast.requests if path == "/nowhere"]) == 1, "the others would fail as well"
    assert done.count("here already") == 4


# ---- The token -------------------------------------------------------------------------------------------------------


def test_token_goes_to_the_archive_and_nowhere_else(retrieve, mast, data, monkeypatch):
    monkeypatch.setenv(http.TOKEN_VARIABLE, "secret123")
    mast.token = "secret123"
    with MastServer("127.0.0.2") as elsewhere:
        elsewhere.publish(f"mast:HST/product/{FLT}", fits_bytes())
        mast.faults[FLT].redirect = elsewhere.url
        done = retrieve("--pr", 14012)
    assert done.code == 0
    assert here(data) == FILES
    downloads = [headers for method, path, headers in mast.requests if method == "GET" and "Download" in path]
    assert all("secret123" in headers["Cookie"] for headers in downloads)
    assert elsewhere.requests
    assert "secret123" not in str(elsewhere.requests)
    assert "secret123" not in done.out + done.err
    assert not [path for path in data.rglob("*") if path.is_file() and b"secret123" in path.read_bytes()]


def test_token_that_is_not_accepted_is_one_line(retrieve, mast, monkeypatch):
    monkeypatch.setenv(http.TOKEN_VARIABLE, "secret123")
    done = retrieve("--pr", 14012)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert f"does not accept the token in ${http.TOKEN_VARIABLE}" in done.err
    assert "secret123" not in done.out + done.err


# ---- Arguments and folders -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "programs"),
    [
        (["all"], (11924, 12348, 12379, 12692, 13083, 13566, 14012, 14378, 14541)),
        (["last"], (14541,)),
        (["14012", "11924", "14012"], (11924, 14012)),
        (["14012", "last"], (14012, 14541)),
    ],
)
def test_programs_are_resolved(settings_file, wanted, programs):
    assert listed_programs(wanted, read_settings(settings_file)) == programs


@pytest.mark.parametrize("wanted", ["99999", "newest", "", "-1", "14012.0", "²"])
def test_unknown_program_is_one_line(settings_file, retrieve, mast, wanted):
    with pytest.raises(ConfigurationError):
        listed_programs([wanted], read_settings(settings_file))
    done = retrieve(f"--pr={wanted}")
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert mast.requests == []


@pytest.mark.parametrize("arguments", [("--v", "x y"), ("--v", "003"), ("--server", "mast.stsci.edu"), ("--pr",)])
def test_wrong_arguments_are_refused(retrieve, arguments):
    done = retrieve("--pr", 14012, *arguments)
    assert done.code == 2
    assert "Traceback" not in done.err


def test_no_folder_for_data(make_config, mast, tmp_path):
    config = make_config(path_to_data=tmp_path / "nowhere", mast_server=mast.url)
    done = command(config, "--pr", 14012)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert not (tmp_path / "nowhere").exists()


def test_no_room_is_said_before_anything_comes(retrieve, mast, data, monkeypatch):
    monkeypatch.setattr(pipeline.shutil, "disk_usage", lambda folder: os.terminal_size((0, 0)) and _Usage)
    done = retrieve("--pr", 14012)
    assert done.code == 2
    assert "make room" in done.err
    assert mast.downloads() == []


class _Usage:
    free = 1000


def test_disk_that_is_full_after_all_is_one_line(retrieve, mast, data, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Part, "append", full)
    done = retrieve("--pr", 14012)
    assert done.code == 1
    assert failures(done) == ["icqe03aaq_flc.fits: cannot be written (No space left on device); not gone on with"]


def test_help_shows_examples(capsys):
    with pytest.raises(SystemExit):
        uvis_external_cte.main(["retrieve", "--help"])
    out = capsys.readouterr().out
    assert "uvis_external_cte retrieve --pr 14012 --v 3 4 --dry-run" in out
    assert http.TOKEN_VARIABLE in out


# ---- FITS files ------------------------------------------------------------------------------------------------------


def test_whole_files_have_no_problem(tmp_path, observatory):
    path = tmp_path / "x_flt.fits"
    for content in (fits_bytes(), fits_bytes(checksum=False)):
        path.write_bytes(content)
        assert fits_problem(path) is None
    assert {fits_problem(path) for path in (observatory / "data").glob("[0-9]*/*.fits")} == {None}
