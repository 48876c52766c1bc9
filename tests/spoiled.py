"""Exposures spoiled in every way that a saboteur who knows FITS would think of: a table of them."""

import gzip
import os
import stat
from dataclasses import dataclass

import numpy as np
from astropy.io import fits

__all__ = ["SPOILED", "NAMES", "HARMLESS", "BLOCK"]

BLOCK = 2880
CARD = 80


# ---- Ways to spoil a file: functions of the HDU list of a good exposure and of the path to write ---------------------


def header(**keywords):
    """Keywords of the primary header changed, or removed where None."""
    return lambda hdus, path: (apply(hdus[0].header, keywords), hdus.writeto(path))


def sci(**keywords):
    """The same in the headers of both chips."""

    def change(hdus, path):
        for number in (1, 2):
            apply(hdus["SCI", number].header, keywords)
        hdus.writeto(path)

    return change


def apply(target, keywords):
    for keyword, value in keywords.items():
        if value is None:
            target.remove(keyword)
        else:
            target[keyword] = value


def pixels(value):
    def fill(hdus, path):
        for number in (1, 2):
            hdus["SCI", number].data[:] = value
        hdus.writeto(path)

    return fill


def data(name, change):
    """The pixels of an extension of both chips, changed."""

    def replace(hdus, path):
        for number in (1, 2):
            hdus[name, number].data = change(hdus[name, number].data)
        hdus.writeto(path)

    return replace


def without(*names):
    def remove(hdus, path):
        fits.HDUList([hdu for hdu in hdus if (hdu.name, hdu.ver) not in names]).writeto(path)

    return remove


def twice(*name):
    return lambda hdus, path: fits.HDUList([*hdus, hdus[name].copy()]).writeto(path)


def cut(extension, part, offset):
    """Ends at some bytes behind the begin of the header or of the data of an extension."""

    def shorten(hdus, path):
        hdus.writeto(path)
        with fits.open(path) as written:
            size = written[extension].fileinfo()[{"header": "hdrLoc", "data": "datLoc"}[part]] + offset
        os.truncate(path, size)

    return shorten


def content(text):
    return lambda hdus, path: path.write_bytes(text)


def cards(*lines, keyword, extension=0):
    """Cards as no FITS library would write them, in the place of one that is there; all others stay."""

    def overwrite(hdus, path):
        head = hdus[extension].header
        at = [card.keyword for card in head.cards].index(keyword) * CARD
        block = b"".join(line[:CARD].ljust(CARD) for line in lines)
        hdus.writeto(path)
        with fits.open(path) as written:
            start, end = (written[extension].fileinfo()[name] for name in ("hdrLoc", "datLoc"))
        whole = path.read_bytes()
        new = whole[start : start + at] + block + whole[start + at + CARD : end].rstrip(b" ")
        path.write_bytes(whole[:start] + new.ljust(-(-len(new) // BLOCK) * BLOCK) + whole[end:])

    return overwrite


def card(keyword, value, extension=0):
    return cards(f"{keyword:8}= {value:>20}".encode("latin-1"), keyword=keyword, extension=extension)


def with_card(keyword, value, **keywords):
    """The same after other keywords of the primary header were set."""
    return lambda hdus, path: (apply(hdus[0].header, keywords), card(keyword, value)(hdus, path))


def two_values(keyword, value, extension=0):
    """The keyword once more, with another value, behind the card that is there."""

    def double(hdus, path):
        head = hdus[extension].header
        first = str(next(one for one in head.cards if one.keyword == keyword)).encode()
        cards(first, f"{keyword:8}= {value:>20}".encode(), keyword=keyword, extension=extension)(hdus, path)

    return double


def zipped(hdus, path):
    hdus.writeto(path)
    path.write_bytes(gzip.compress(path.read_bytes(), 1))


def longer(hdus, path):
    hdus.writeto(path)
    path.write_bytes(path.read_bytes() + bytes(BLOCK))


def points_to(place):
    return lambda hdus, path: path.symlink_to(place)


# ---- The table -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spoiled:
    """A row: how a file is spoiled, and words that its one line must have."""

    spoil: object
    words: str
    """Regular expression."""
    left_out: bool = False
    """Whether a rule leaves it out, so that it is no failure: the line is in the log alone."""


NEEDED = (
    *("ROOTNAME", "PROPOSID", "TARGNAME", "FILTER", "EXPTIME", "EXPSTART", "POSTARG1", "POSTARG2", "PA_V3", "CHINJECT"),
    *("SUBARRAY", "FLASHSTA", "INSTRUME", "DETECTOR"),
)

STRUCTURE = {
    "empty file": (content(b""), "empty file"),
    "text": (content(b"<html>404 not found</html>\n" * 300), "not a FITS file"),
    "zeros": (content(b"\0" * 100_000), "not a FITS file"),
    "a header's first card alone": (content(b"SIMPLE  =                    T".ljust(CARD)), "cannot be read|damaged"),
    "compressed": (zipped, "gunzip"),
    "cut in the primary header": (cut(0, "header", 1000), "cannot be read|truncated"),
    "cut at a block of the primary header": (cut(0, "header", BLOCK), "cannot be read|truncated"),
    "cut behind the primary header": (cut(1, "header", 0), "extension missing"),
    "cut in the header of SCI,1": (cut(("SCI", 1), "header", 1000), "missing|truncated"),
    "cut in the pixels of SCI,1": (cut(("SCI", 1), "data", 12_345), "truncated|missing"),
    "cut at a block of SCI,1": (cut(("SCI", 1), "data", 3 * BLOCK), "truncated|missing"),
    "cut in the middle of DQ,1": (cut(("DQ", 1), "data", 9_999), "truncated|missing"),
    "cut between the chips": (cut(("SCI", 2), "header", 0), "SCI,2"),
    "cut in the header of SCI,2": (cut(("SCI", 2), "header", 500), "SCI,2|truncated"),
    "cut behind SCI,2": (cut(("ERR", 2), "header", 0), "DQ,2"),
    "cut in the last extension": (cut(-1, "data", 100), "truncated"),
    "cut before the distortion tables": (cut(7, "header", 0), "WCS"),
    "directory": (lambda hdus, path: path.mkdir(), "directory"),
    "pipe": (lambda hdus, path: os.mkfifo(path), "pipe"),
    "socket": (lambda hdus, path: os.mknod(path, stat.S_IFSOCK | 0o600), "not a file"),
    "link to a device": (points_to("/dev/zero"), "device"),
    "dangling link": (points_to("nowhere"), "No such file"),
    "link to itself": (lambda hdus, path: path.symlink_to(path), "symbolic links"),
    "one chip missing": (without(("SCI", 2), ("ERR", 2), ("DQ", 2)), "SCI,2"),
    "no DQ": (without(("DQ", 1)), "DQ,1"),
    "SCI,1 twice": (twice("SCI", 1), "extension twice: SCI,1"),
    "DQ,2 twice": (twice("DQ", 2), "extension twice: DQ,2"),
    "SCI of one dimension": (data("SCI", np.ravel), "no image"),
    "SCI of three dimensions": (data("SCI", lambda sci: sci[np.newaxis]), "no image"),
    "SCI without pixels": (data("SCI", lambda sci: None), "no image"),
    "DQ of another shape": (data("DQ", lambda dq: dq[:-1]), r"DQ,1 is \(2050, 8\), SCI is \(2051, 8\)"),
    "DQ of floats": (data("DQ", lambda dq: dq.astype(np.float32)), "not integers"),
    "BITPIX that there is not": (card("BITPIX", 7, ("SCI", 1)), "BITPIX 7"),
    "NAXIS1 without end": (card("NAXIS1", 10**12, ("SCI", 1)), "truncated"),
    "NAXIS without end": (card("NAXIS", 10**15, ("SCI", 1)), "NAXIS"),
    "NAXIS below 0": (card("NAXIS", -2, ("SCI", 1)), "NAXIS -2"),
    "no SIMPLE": (cards(b"COMPLEX =                    T", keyword="SIMPLE"), "not a FITS file"),
    "XTENSION of another kind": (cards(b"XTENSION= 'NONSENSE'", keyword="XTENSION", extension=1), "SCI,1"),
    "no END": (content(b"SIMPLE  =                    T".ljust(CARD) * 108), "cannot be read|damaged"),
}

PIXELS = {
    "NaN pixels": (pixels(np.nan), "finite pixel"),
    "infinite pixels": (pixels(np.inf), "finite pixel"),
    "pixels all alike": (pixels(7.0), "stars are seen"),
    "pixels beyond all numbers": (pixels(3e38), "stars are seen|misaligned"),
    "pixels of BSCALE 0": (sci(BSCALE=0.0, BZERO=5.0), "stars are seen|damaged"),
    "not in electrons": (sci(BUNIT="COUNTS"), "COUNTS"),
    "no unit": (sci(BUNIT=None), "BUNIT"),
    "chip unknown": (sci(CCDCHIP=None), "CCDCHIP"),
    "the other chip": (sci(CCDCHIP=1), "CCDCHIP 1, not 2"),
    "no read noise": (header(READNSEC=None), "READNSEC"),
    "read noise of NaN": (card("READNSEC", "NaN"), "READNSEC"),
    "no stars": (header(), "catalogue stars are seen"),
}

HEADERS = {
    "text for a number": (header(EXPTIME="abc"), "EXPTIME"),
    "truth for a number": (header(EXPTIME=True), "EXPTIME"),
    "complex number": (card("EXPTIME", "(1.0, 2.0)"), "EXPTIME"),
    "text for a mean": (sci(MEANDARK="abc"), "MEANDARK"),
    "text for a kept number": (header(FLASHDUR="abc"), "FLASHDUR"),
    "text for a POSTARG": (header(POSTARG1="left"), "POSTARG1"),
    "POSTARG beyond the sky": (header(POSTARG2=1e30), "POSTARG2"),
    "roll beyond a circle": (header(PA_V3=1e6), "PA_V3"),
    "blank number": (card("EXPSTART", ""), "EXPSTART"),
    "NaN date": (card("EXPSTART", "NaN"), "EXPSTART"),
    "negative date": (header(EXPSTART=-57770.0), "EXPSTART"),
    "date of 1858": (header(EXPSTART=0.0), "EXPSTART"),
    "date of 2100": (header(EXPSTART=88069.0), "EXPSTART"),
    "date beyond all dates": (header(EXPSTART=1e300), "EXPSTART"),
    "no time": (header(EXPTIME=0.0), "EXPTIME"),
    "negative time": (header(EXPTIME=-1.0), "EXPTIME"),
    "NaN time": (card("EXPTIME", "NaN"), "EXPTIME"),
    "huge time": (header(EXPTIME=1e30), "EXPTIME"),
    "two times": (two_values("EXPTIME", 30.0), "EXPTIME has two values"),
    "two dates": (two_values("EXPSTART", 57000.0), "EXPSTART has two values"),
    "flash of NaN": (with_card("FLASHLVL", "NaN", FLASHSTA="SUCCESSFUL", FLASHLVL=1.0), "FLASHLVL"),
    "text for a truth": (header(SUBARRAY="F"), "SUBARRAY"),
    "program of letters": (header(PROPOSID="CTE"), "PROPOSID"),
    "half a program": (header(PROPOSID=14541.5), "PROPOSID"),
    "negative program": (header(PROPOSID=-14541), "PROPOSID"),
    "huge program": (header(PROPOSID=10**15), "PROPOSID"),
    "program of another folder": (header(PROPOSID=12348), "lies in 14541.*12348"),
    "path for a rootname": (header(ROOTNAME="../../x"), "ROOTNAME"),
    "quotes in a rootname": (header(ROOTNAME="ib'x\"01`q"), "ROOTNAME"),
    "line break in a rootname": (card("ROOTNAME", "'ib7x\n010q'"), r"ROOTNAME|damaged"),
    "rootname without end": (header(ROOTNAME="i" * 5000), "ROOTNAME"),
    "empty rootname": (header(ROOTNAME=""), "ROOTNAME"),
    "rootname of another exposure": (header(ROOTNAME="ib7x0101q"), "ROOTNAME"),
    "letters of another alphabet": (card("ROOTNAME", "'ïb7x010q'"), "ROOTNAME|damaged"),
    "unknown target": (header(TARGNAME="OMEGACEN"), "OMEGACEN"),
    "empty target": (header(TARGNAME=""), "unknown target"),
    "number for a target": (header(TARGNAME=104), "unknown target"),
    "SQL for a target": (header(TARGNAME="x'); DROP TABLE ngc104_phot; --"), "DROP TABLE"),
    "script for a target": (header(TARGNAME="<script>alert(1)</script>"), "script"),
    "path for a target": (header(TARGNAME="../../../etc/passwd"), "passwd"),
    "shell for a target": (header(TARGNAME="$(touch x); `touch x` | touch x"), "touch"),
    "format for a target": (header(TARGNAME="%s%n{0}{settings}"), "%s%n"),
    "escape sequence for a target": (card("TARGNAME", "'\x1b[2J\x1b]0;x\x07'"), r"\\x1b|damaged|TARGNAME"),
    "quotation without end": (card("EXPTIME", "'350"), "EXPTIME|damaged|cannot"),
    "another instrument": (header(INSTRUME="ACS"), "not a WFC3/UVIS"),
    "another detector": (header(DETECTOR="IR"), "not a WFC3/UVIS"),
    **{f"{keyword} missing": (header(**{keyword: None}), keyword) for keyword in NEEDED},
}


WCS = {
    "field elsewhere": (sci(CRVAL1=10.0, CRVAL2=40.0), "none of the .* stars of ngc104_master"),
    "other side of the sky": (sci(CRVAL1=186.0, CRVAL2=72.0), "none of the .* stars"),
    "CRVAL of NaN": (card("CRVAL1", "NaN", ("SCI", 1)), "CRVAL1"),
    "CRVAL off the sky": (sci(CRVAL2=950.0), "none of the .* stars|WCS"),
    "two places": (two_values("CRVAL1", 10.0, ("SCI", 1)), "CRVAL1 has two values"),
    "singular matrix": (sci(CD1_1=1e-5, CD1_2=1e-5, CD2_1=1e-5, CD2_2=1e-5), "WCS"),
    "no projection": (sci(CTYPE1="LINEAR", CTYPE2="LINEAR"), "WCS"),
    "projection that there is not": (sci(CTYPE1="RA---XYZ-SIP", CTYPE2="DEC--XYZ-SIP"), "WCS"),
    "one axis": (sci(CTYPE2="RA---TAN-SIP"), "WCS"),
    "SIP that is not announced": (sci(CTYPE1="RA---TAN", CTYPE2="DEC--TAN"), "CTYPE"),
    "SIP without end": (sci(A_ORDER=10**6, B_ORDER=10**6), "A_ORDER"),
    "SIP without an order": (sci(B_ORDER=None), "WCS"),
    "SIP that turns around": (sci(A_0_2=1.0, A_2_0=-1.0, B_1_1=1e3), "none of the .* stars|stars are seen|misaligned"),
    "text for a place": (sci(CRVAL1="here"), "WCS|none of the"),
}


def _rows(table, **more):
    return {what: Spoiled(*row, **more) for what, row in table.items()}


LEFT_OUT = {
    "path for a filter": (header(FILTER="../../x"), r"filter not in filter_list \.\./\.\./x"),
    "mathematics for a filter": (header(FILTER=r"$\frac{1}$"), "filter not in filter_list"),
    "escape sequence for an injection": (header(CHINJECT="CONT'; --"), "charge injection CHINJECT CONT'"),
    "flash that failed": (header(FLASHSTA="ABORTED"), "failed post-flash FLASHSTA ABORTED"),
    "flash without a level": (header(FLASHSTA="SUCCESSFUL", FLASHLVL=77.7), "flash level not .* FLASHLVL 77.7"),
    "negative flash": (header(FLASHSTA="SUCCESSFUL", FLASHLVL=-12.0), "flash level not .* FLASHLVL -12"),
    "binned": (sci(BINAXIS1=2), "binned"),
    "sub-dither": (header(POSTARG2=40.0), "sub-dither"),
}

SPOILED = {**_rows(STRUCTURE), **_rows(PIXELS), **_rows(HEADERS), **_rows(WCS), **_rows(LEFT_OUT, left_out=True)}


def _name(number):
    return f"ib7x0{'abcdefgh'[number // 36]}{'0123456789abcdefghijklmnopqrstuvwxyz'[number % 36]}0q_flt.fits"


NAMES = {what: _name(number) for number, what in enumerate(SPOILED)}

HARMLESS = {
    "no ERR": without(("ERR", 1), ("ERR", 2)),
    "100,000 cards": cards(*[b"HISTORY calibrated again"] * 100_000, keyword="NEXTEND"),
    "a long text over several cards": header(PROPTTL1="CTE " * 100),
    "bytes of no alphabet in a comment": cards(b"COMMENT \xff\xfe\x00\x1b", keyword="NEXTEND"),
    "a keyword twice with the same value": two_values("EXPTIME", 350.0),
    "integers for pixels": data("SCI", lambda sci: np.rint(sci).astype(np.int32)),
    "DQ of 32 bits": data("DQ", lambda dq: dq.astype(np.int32)),
    "bytes behind the end": longer,
}
"""What is odd, but no fault: it must be read as the file that it was."""
