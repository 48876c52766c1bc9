"""The archive, MAST: which FLT and FLC files a program has, and how they get here whole.

The only home of astroquery and of HTTP. Both are imported where they are used: they are slow to import, and only who
retrieves should wait for them.

astroquery finds the files, but its ``download_file`` does not bring them: in 0.4.11 it begins every file anew, writes
under the final name from the first byte on, sets no time limit and compares no size (later versions go on with a
partial file, without asking whether the archive's is still the same). So the bytes are streamed here, through
astroquery's own session, which holds the token, from the address that astroquery would use.
"""

import json
import logging
import os
import re
import time
import warnings
from dataclasses import asdict, dataclass
from urllib.parse import quote, urlsplit

import numpy as np
from astropy.io import fits

from wfc3_cte_monitor.errors import ArchiveError, UnreachableArchiveError
from wfc3_cte_monitor.uvis import visit_of

__all__ = ["Archive", "Product", "Stamp", "fits_problem"]

log = logging.getLogger(__name__)

TOKEN_VARIABLE = "MAST_API_TOKEN"
"""Environment variable with the token for proprietary data; the name is astroquery's."""

ATTEMPTS = 4
BACKOFF = 2.0
"""Pause before the second attempt [s]; it doubles from one to the next."""
LONGEST_PAUSE = 60.0
"""How long a server that names a time may make us wait [s]."""
TIME_LIMITS = (30.0, 300.0)
"""For a connection, and for silence on it [s]; a query may take minutes."""

_NAME = re.compile(r"i[a-z0-9]{8}_fl[tc]\.fits")
_HARMLESS_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*_fl[tc]\.fits")
"""Of other products than single exposures, such as hst_14012_05_wfc3_uvis_f502n_icqe05xy_flt.fits."""
_OBSERVATION = re.compile(r"[a-z0-9]{9}")
"""A rootname of an exposure or an association; the same exposures are in other observations too, under other names."""
_OBSERVATIONS_PER_QUERY = 100
_BLOCK = 1 << 16
_FITS_BLOCK = 2880


@dataclass(frozen=True)
class Product:
    """A file in the archive.

    Raises
    ------
    ArchiveError
        Its name is not that of the FLT or FLC of a UVIS exposure. Names come from a server and become names in a
        folder of the user's, so none that could mean another place is ever taken.
    """

    name: str
    uri: str
    program: int
    size: int | None
    """[bytes]; None where the archive does not say."""
    release: float | None
    """When it became or becomes public [MJD]."""

    def __post_init__(self):
        if not _NAME.fullmatch(self.name):
            raise ArchiveError(f"{self.name!r}: not the name of an FLT or FLC file")

    @property
    def visit(self):
        """Two characters."""
        return visit_of(self.name[:9])


@dataclass(frozen=True)
class Stamp:
    """By what a server tells one version of a file from the next; None where it does not say."""

    etag: str | None = None
    last_modified: str | None = None

    def differs(self, other):
        """Whether the two are certainly of different versions."""
        if self.etag and other.etag:
            return self.etag != other.etag
        return bool(self.last_modified and other.last_modified and self.last_modified != other.last_modified)

    @property
    def condition(self):
        """The value of If-Range; None where nothing is fit for it. A weak ETag (W/...) is not."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.last_modified


class Archive:
    """MAST, or a server that speaks as it does.

    Proprietary data need a token in ``$MAST_API_TOKEN``. It is sent to this server and to no other, whatever
    redirections there are.

    Parameters
    ----------
    server : str, optional
        Its address; None: the one that astroquery is configured for.

    Raises
    ------
    ArchiveError
        There is a token that the archive does not accept.
    """

    def __init__(self, server=None):
        self._observations = _observations(server)
        self._portal = self._observations._portal_api_connection
        self._session = self._observations._session
        self.server = self._portal.MAST_REQUEST_URL.removesuffix("/api/v0/invoke")
        if os.environ.get(TOKEN_VARIABLE):
            self._log_in()

    def _log_in(self):
        from astroquery.exceptions import LoginError

        try:
            self._persistently(self._observations.login)
        except (LoginError, KeyError):
            raise ArchiveError(
                f"{self.server} does not accept the token in ${TOKEN_VARIABLE}; make a new one, or unset the variable"
            ) from None
        # astroquery's cookie is for every server: a redirection would carry the token away.
        self._session.cookies.clear()
        host = urlsplit(self.server).hostname
        self._session.cookies.set("mast_token", os.environ[TOKEN_VARIABLE], domain=host, path="/")

    # ---- What there is ---------------------------------------------------------------------------------------------

    def products(self, program):
        """The FLT and FLC files of a program's own single exposures.

        Parameters
        ----------
        program : int

        Returns
        -------
        products : list of `Product`
            By name.
        problems : list of str
            Files that must not be taken, one line each.

        Raises
        ------
        UnreachableArchiveError
            The archive does not answer.
        ArchiveError
            It answers with an error, or in a way that cannot be understood.
        """
        observations = self._ask(
            self._observations.query_criteria,
            proposal_id=str(program),
            obs_collection="HST",
            instrument_name="WFC3/UVIS",
        )
        releases = {str(row["obsid"]): _value(row, "t_obs_release") for row in observations if _is_classic(row)}
        products, problems = {}, []
        for batch in _batches(list(releases)):
            for row in self._ask(self._observations.get_product_list, batch):
                try:
                    product = _product(row, program, releases)
                except ArchiveError as error:
                    problems.append(str(error))
                    continue
                if product:
                    products.setdefault(product.name, product)
        return [products[name] for name in sorted(products)], sorted(set(problems))

    def _ask(self, query, *args, **criteria):
        """A query through astroquery; whatever becomes of an answer that is not MAST's is an `ArchiveError`."""
        from astroquery.exceptions import InvalidQueryError, NoResultsWarning

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NoResultsWarning)
                return self._persistently(lambda: query(*args, **criteria))
        except (InvalidQueryError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise ArchiveError(
                f"the answer of {self.server} is not understood ({type(error).__name__}); is it a MAST server?"
            ) from error

    def stamp(self, product):
        """What tells the archive's present version of a file from others; costs a request, but no download.

        Raises
        ------
        ArchiveError
            The archive does not say.
        """
        return self._persistently(lambda: self._stamp(product))

    def _stamp(self, product):
        response = self._session.head(self._address(product), headers=_headers(), allow_redirects=True)
        response.raise_for_status()
        return _stamp(response)

    def _address(self, product):
        return f"{self._portal.MAST_DOWNLOAD_URL}?uri={quote(product.uri, safe=':/')}"

    # ---- How it gets here ------------------------------------------------------------------------------------------

    def fetch(self, product, folder, report=lambda n: None):
        """Download a file, or the rest of it.

        The bytes go to ``<name>.part``, which an interruption leaves, with ``<name>.part.json`` beside it that says
        of which version it is. The file has its final name once it is whole: of the size that the archive lists, and
        a FITS file in which all is right (`fits_problem`).

        Parameters
        ----------
        product : `Product`
        folder : `pathlib.Path`
        report : callable, optional
            Called with the number of bytes that there are more than at the last call; fewer than 0 where a part had
            to be thrown away.

        Returns
        -------
        stamp : `Stamp`

        Raises
        ------
        UnreachableArchiveError
            The archive does not answer.
        ArchiveError
            It did not send the file whole, in several attempts.
        OSError
            The file cannot be written.
        """
        part = _Part(folder / f"{product.name}.part", report)
        try:
            stamp = self._persistently(lambda: self._transfer(product, part))
        except ArchiveError as error:
            raise type(error)(f"{product.name}: {error}{part.what_is_kept()}") from error
        part.finish(folder / product.name)
        return stamp

    def _transfer(self, product, part):
        """One attempt to get what is missing of a file, and to find it whole."""
        offset, stamp = part.state(product)
        if not offset or offset != product.size:  # else only the check was missing
            stamp = self._receive(product, part, offset, stamp)
        size = part.path.stat().st_size
        if product.size and size < product.size:
            raise ArchiveError(f"{size} of {product.size} bytes came")
        problem = _wrong_size(product, size) or fits_problem(part.path)
        if problem:
            part.discard()
            raise ArchiveError(problem)
        return stamp

    def _receive(self, product, part, offset, known):
        with self._session.get(self._address(product), headers=_headers(offset, known), stream=True) as response:
            if response.status_code == 416:  # the part is longer than the file
                part.discard()
                raise ArchiveError("the archive's file is another one now")
            response.raise_for_status()
            _check_announcement(response, product, offset)
            stamp = _stamp(response)
            if not offset or response.status_code != 206:  # no such thing as ranges here, or the file is another now
                offset = 0
                part.begin(product, stamp)
            elif not _goes_on(response, offset) or known.differs(stamp):
                part.discard()
                raise ArchiveError("the archive sent another part of the file than it was asked for")
            part.append(response.iter_content(_BLOCK), offset)
        return stamp

    # ---- Patience --------------------------------------------------------------------------------------------------

    def _persistently(self, action):
        """Try a few times; what can only fail again is not tried again."""
        import requests
        from astroquery.exceptions import RemoteServiceError

        for attempt in range(1, ATTEMPTS + 1):
            try:
                return action()
            except (requests.RequestException, RemoteServiceError, TimeoutError, ArchiveError) as error:
                hopeless = _is_hopeless(error)
                if hopeless or attempt == ATTEMPTS:
                    raise self._explained(error, 1 if hopeless else ATTEMPTS) from error
                log.debug("attempt %d: %s", attempt, _reason(error))
                time.sleep(_pause(error, attempt))

    def _explained(self, error, attempts):
        import requests

        tried = f", {attempts} attempts" if attempts > 1 else ""
        response = getattr(error, "response", None)
        if response is None and isinstance(error, (requests.ConnectionError, requests.Timeout)):
            problem = f"{self.server} cannot be reached ({_reason(error)}{tried})"
            return UnreachableArchiveError(f"{problem}; try again later, or name another with --server")
        if response is not None and response.status_code in (401, 403):
            return ArchiveError(f"not public ({_reason(error)}); set ${TOKEN_VARIABLE} to a token that may see it")
        if isinstance(error, ArchiveError):
            return ArchiveError(f"{error}{tried}")
        if isinstance(error, ValueError):  # what should be JSON
            return ArchiveError(f"the answer of {self.server} is not understood; is it a MAST server?")
        return ArchiveError(f"{self.server}: {_reason(error)}{tried}")


def _observations(server):
    """astroquery's interface, for a server of our own where one is given; what it has for others stays as it is."""
    from astroquery import mast

    with mast.conf.set_temp("server", server or mast.conf.server):
        observations = mast.ObservationsClass()
    if server:
        # The queries' addresses are made when astroquery is imported, and no option reaches them later.
        portal = observations._portal_api_connection
        portal.MAST_REQUEST_URL = f"{server}/api/v0/invoke"
        portal.COLUMNS_CONFIG_URL = f"{server}/portal/Mashup/Mashup.asmx/columnsconfig"
        portal.MAST_DOWNLOAD_URL = f"{server}/api/v0.1/Download/file"
        portal._column_configs = {}
    adapter = _patient_adapter()
    for scheme in ("http://", "https://"):
        observations._session.mount(scheme, adapter)
    return observations


def _patient_adapter():
    """astroquery's queries would wait for ever for a server that is silent."""
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        def send(self, request, stream=False, timeout=None, **options):
            return super().send(request, stream=stream, timeout=timeout or TIME_LIMITS, **options)

    return Adapter()


# ---- The archive's tables --------------------------------------------------------------------------------------------


def _value(row, name):
    """What a row has in a column; None where it is masked or empty, or there is no such column."""
    value = row[name] if name in row.colnames else None
    return None if value is None or value is np.ma.masked or value == "" else value


def _is_classic(row):
    return _OBSERVATION.fullmatch(str(row["obs_id"]).lower()) is not None


def _batches(items):
    return [items[k : k + _OBSERVATIONS_PER_QUERY] for k in range(0, len(items), _OBSERVATIONS_PER_QUERY)]


def _product(row, program, releases):
    """The `Product` of a row; None for what is none of the program's FLT and FLC files."""
    name, uri = str(row["productFilename"]), str(row["dataURI"])
    if not name.endswith(("_flt.fits", "_flc.fits")):
        return None
    if _HARMLESS_NAME.fullmatch(name) and not _NAME.fullmatch(name):
        return None
    if (_value(row, "proposal_id") or program) not in (program, str(program)):
        return None
    size, release = _value(row, "size"), releases.get(str(_value(row, "parent_obsid")))
    product = Product(name, uri, program, int(size) if size and size > 0 else None, release and float(release))
    if uri.rpartition("/")[2] != name:
        raise ArchiveError(f"{name!r}: refused, its address in the archive is of another file ({uri!r})")
    return product


# ---- HTTP ------------------------------------------------------------------------------------------------------------


def _headers(offset=0, stamp=None):
    # Byte ranges are of the file itself, and so must be what comes: not a compressed form of it.
    headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if stamp.condition:
            headers["If-Range"] = stamp.condition
    return headers


def _stamp(response):
    return Stamp(response.headers.get("ETag"), response.headers.get("Last-Modified"))


def _check_announcement(response, product, offset):
    """What a server says that it will send may be wrong before it is sent."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "text/plain", "application/json"):
        raise ArchiveError(f"the archive sent no FITS file, but {kind}")
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and not response.headers.get("Content-Encoding"):
        problem = _wrong_size(product, int(length) + (offset if response.status_code == 206 else 0))
        if problem:
            raise ArchiveError(problem)


def _wrong_size(product, size):
    if product.size and size != product.size:
        return f"wrong size: the archive sends {size} bytes and lists {product.size}"
    return None


def _goes_on(response, offset):
    return re.match(rf"bytes {offset}-", response.headers.get("Content-Range", "")) is not None


def _is_hopeless(error):
    response = getattr(error, "response", None)
    return response is not None and 400 <= response.status_code < 500 and response.status_code not in (408, 425, 429)


def _pause(error, attempt):
    response = getattr(error, "response", None)
    wanted = response.headers.get("Retry-After", "") if response is not None else ""
    return max(BACKOFF * 2 ** (attempt - 1), min(float(wanted), LONGEST_PAUSE) if wanted.isdecimal() else 0.0)


def _reason(error):
    """A few words for what requests says in many."""
    import requests

    response = getattr(error, "response", None)
    if response is not None and response.status_code >= 400:
        return f"HTTP {response.status_code} {response.reason}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    cause = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, requests.RequestException):
        return "the connection broke off" if "Connection" in str(error) else type(error).__name__
    return " ".join(str(error).split())


# ---- A file on its way -----------------------------------------------------------------------------------------------


class _Part:
    """What there is of a file, and a note of which version it is."""

    def __init__(self, path, report):
        self.path = path
        self._note = path.with_name(f"{path.name}.json")
        self._report = report
        self._reported = 0

    def state(self, product):
        """How many bytes of the file there are, and its `Stamp`; 0 where the part is of another version."""
        note = self._read_note()
        if note.get("size") != product.size or note.get("uri") != product.uri or not self.path.is_file():
            self.discard()
            return 0, Stamp()
        size = self.path.stat().st_size
        self._tell(size)
        return size, Stamp(note.get("etag"), note.get("last_modified"))

    def _read_note(self):
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}

    def begin(self, product, stamp):
        """From the first byte on, whatever there is."""
        self.discard()
        self._note.write_text(json.dumps({"uri": product.uri, "size": product.size} | asdict(stamp)), encoding="utf-8")

    def append(self, blocks, offset):
        """Write what comes, behind the first `offset` bytes."""
        with self.path.open("r+b" if offset else "wb") as file:
            file.seek(offset)
            for block in blocks:
                file.write(block)
                self._tell(file.tell())

    def discard(self):
        """Throw it away."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
        self._tell(0)

    def what_is_kept(self):
        """For the end of a message."""
        kept = self.path.stat().st_size if self.path.is_file() else 0
        return f"; {kept} bytes are kept, the same command goes on from there" if kept else ""

    def finish(self, path):
        """The file is whole: it gets its name."""
        self.path.replace(path)
        self._note.unlink(missing_ok=True)

    def _tell(self, size):
        self._report(size - self._reported)
        self._reported = size


# ---- A file that is here ---------------------------------------------------------------------------------------------


def fits_problem(path):
    """What is wrong with a FITS file, in a few words; None where nothing is.

    It must begin as FITS does, its HDUs must fill it to the last byte, there must be as many as NEXTEND says (or more:
    NEXTEND is not kept up by all tools), and DATASUM and CHECKSUM must be right where the headers have them.

    Parameters
    ----------
    path : `pathlib.Path`
    """
    with path.open("rb") as file:
        start = file.read(30)
    if not re.fullmatch(rb"SIMPLE  = {20}T", start):
        return f"no FITS file: it begins with {start.decode('ascii', 'replace')[:20]!r}"
    try:
        with warnings.catch_warnings(), fits.open(path, memmap=True) as hdus:
            warnings.simplefilter("ignore")  # what astropy would warn of is found and said here
            return _structure_problem(hdus, path.stat().st_size) or _checksum_problem(hdus)
    except (OSError, ValueError, TypeError, LookupError, fits.VerifyError) as error:
        return f"damaged FITS file ({' '.join(str(error).split())[:120]})"


def _structure_problem(hdus, size):
    last = hdus[len(hdus) - 1].fileinfo()
    end = last["datLoc"] + last["datSpan"]
    if end != size or size % _FITS_BLOCK:
        return f"damaged FITS file: its HDUs take {end} bytes, and it has {size}"
    promised = hdus[0].header.get("NEXTEND", 0)
    if len(hdus) - 1 < promised:
        return f"incomplete FITS file: {len(hdus) - 1} extensions of {promised}"
    return None


def _checksum_problem(hdus):
    for number, hdu in enumerate(hdus):
        for keyword, verify in (("DATASUM", hdu.verify_datasum), ("CHECKSUM", hdu.verify_checksum)):
            if verify() == 0:
                return f"damaged FITS file: {keyword} of HDU {number} is wrong"
    return None
