"""Requests and answers: what is asked for, what an answer announces, and patience with what passes."""

import logging
import re
import time

from wfc3_cte_monitor.archive.products import Stamp
from wfc3_cte_monitor.errors import ArchiveError, UnreachableArchiveError

__all__ = ["patient_adapter", "persistently", "headers", "stamp", "check_announcement", "wrong_size", "goes_on"]

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


# ---- One request -----------------------------------------------------------------------------------------------------


def headers(offset=0, stamp=None):
    """Of a request for a file, or for what follows its first `offset` bytes if it still has that `Stamp`."""
    # Byte ranges are of the file itself, and so must be what comes: not a compressed form of it.
    headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if stamp.condition:
            headers["If-Range"] = stamp.condition
    return headers


def stamp(response):
    """The `Stamp` of a file that is answered with."""
    return Stamp(response.headers.get("ETag"), response.headers.get("Last-Modified"))


def check_announcement(response, product, offset):
    """What a server says that it will send may be wrong before it is sent."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "text/plain", "application/json"):
        raise ArchiveError(f"the archive sent no FITS file, but {kind}")
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and not response.headers.get("Content-Encoding"):
        problem = wrong_size(product, int(length) + (offset if response.status_code == 206 else 0))
        if problem:
            raise ArchiveError(problem)


def wrong_size(product, size):
    """What is wrong with a size [bytes]; None where nothing is, as far as the archive says."""
    if product.size and size != product.size:
        return f"wrong size: the archive sends {size} bytes and lists {product.size}"
    return None


def goes_on(response, offset):
    """Whether an answer with a part of a file has the part that was asked for."""
    return re.match(rf"bytes {offset}-", response.headers.get("Content-Range", "")) is not None


# ---- Patience --------------------------------------------------------------------------------------------------------


def patient_adapter():
    """astroquery's queries would wait for ever for a server that is silent."""
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        def send(self, request, stream=False, timeout=None, verify=True, cert=None, proxies=None):
            return super().send(request, stream, timeout or TIME_LIMITS, verify, cert, proxies)

    return Adapter()


def persistently(action, server):
    """Try a few times; what can only fail again is not tried again.

    Parameters
    ----------
    action : callable
        Without arguments.
    server : str
        For messages.

    Raises
    ------
    UnreachableArchiveError
        The last attempt had no answer at all.
    ArchiveError
        It failed in another way.
    """
    import requests
    from astroquery.exceptions import RemoteServiceError

    for attempt in range(1, ATTEMPTS + 1):
        try:
            return action()
        except (requests.RequestException, RemoteServiceError, TimeoutError, ArchiveError) as error:
            hopeless = _is_hopeless(error)
            if hopeless or attempt == ATTEMPTS:
                raise _explained(error, server, 1 if hopeless else ATTEMPTS) from error
            log.debug("attempt %d: %s", attempt, _reason(error))
            time.sleep(_pause(error, attempt))


def _explained(error, server, attempts):
    import requests

    tried = f", {attempts} attempts" if attempts > 1 else ""
    response = getattr(error, "response", None)
    if response is None and isinstance(error, (requests.ConnectionError, requests.Timeout)):
        problem = f"{server} cannot be reached ({_reason(error)}{tried})"
        return UnreachableArchiveError(f"{problem}; try again later, or name another with --server")
    if response is not None and response.status_code in (401, 403):
        return ArchiveError(f"not public ({_reason(error)}); set ${TOKEN_VARIABLE} to a token that may see it")
    if isinstance(error, ArchiveError):
        return ArchiveError(f"{error}{tried}")
    if isinstance(error, ValueError):  # what should be JSON
        return ArchiveError(f"the answer of {server} is not understood; is it a MAST server?")
    return ArchiveError(f"{server}: {_reason(error)}{tried}")


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
