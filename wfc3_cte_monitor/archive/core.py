"""MAST, asked through astroquery, which is imported where it is used: only who retrieves has to do with it.

astroquery finds the files, but its ``download_file`` does not bring them: in 0.4.11 it begins every file anew, writes
under the final name from the first byte on, sets no time limit and compares no size (later versions go on with a
partial file, without asking whether the archive's is still the same). So the bytes are streamed here, through
astroquery's own session, which holds the token, from the address that astroquery would use.
"""

import os
import re
import warnings
from urllib.parse import quote, urlsplit

from wfc3_cte_monitor.archive import http
from wfc3_cte_monitor.archive.part import Part
from wfc3_cte_monitor.archive.products import product_of, value
from wfc3_cte_monitor.archive.whole import fits_problem
from wfc3_cte_monitor.errors import ArchiveError

__all__ = ["Archive"]

_OBSERVATION = re.compile(r"[a-z0-9]{9}")
"""A rootname of an exposure or an association; the same exposures are in other observations too, under other names."""
_OBSERVATIONS_PER_QUERY = 100
_BLOCK = 1 << 16


class Archive:
    """MAST, or a server that speaks as it does.

    Proprietary data need a token in ``$MAST_API_TOKEN``. It is sent to this server; where a download is redirected to
    another, it does not go along.

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
        if os.environ.get(http.TOKEN_VARIABLE):
            self._log_in()

    def _log_in(self):
        from astroquery.exceptions import LoginError

        try:
            http.persistently(self._observations.login, self.server)
        except (LoginError, KeyError):
            problem = f"{self.server} does not accept the token in ${http.TOKEN_VARIABLE}"
            raise ArchiveError(f"{problem}; make a new one, or unset the variable") from None
        # astroquery's cookie is for every server: a redirection would carry the token away.
        self._session.cookies.clear()
        place = urlsplit(self.server)
        only_here = {"domain": place.hostname, "path": "/", "secure": place.scheme == "https"}
        self._session.cookies.set("mast_token", os.environ[http.TOKEN_VARIABLE], **only_here)

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
        releases = {str(row["obsid"]): value(row, "t_obs_release") for row in observations if _is_classic(row)}
        products, problems = {}, []
        for batch in _batches(list(releases)):
            for row in self._ask(self._observations.get_product_list, batch):
                try:
                    product = product_of(row, program, releases)
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
                warnings.simplefilter("ignore", NoResultsWarning)  # that there is none is said of what was asked for
                return http.persistently(lambda: query(*args, **criteria), self.server)
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
        return http.persistently(lambda: self._stamp(product), self.server)

    def _stamp(self, product):
        response = self._session.head(self._address(product), headers=http.headers(), allow_redirects=True)
        response.raise_for_status()
        return http.stamp(response)

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
        part = Part(folder / f"{product.name}.part", report)
        try:
            stamp = http.persistently(lambda: self._transfer(product, part), self.server)
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
        problem = http.wrong_size(product, size) or fits_problem(part.path)
        if problem:
            part.discard()
            raise ArchiveError(problem)
        return stamp

    def _receive(self, product, part, offset, known):
        with self._session.get(self._address(product), headers=http.headers(offset, known), stream=True) as response:
            if response.status_code == 416:  # the part is longer than the file
                part.discard()
                raise ArchiveError("the archive's file is another one now")
            response.raise_for_status()
            http.check_announcement(response, product, offset)
            stamp = http.stamp(response)
            if not offset or response.status_code != 206:  # no such thing as ranges here, or the file is another now
                offset = 0
                part.begin(product, stamp)
            elif not http.goes_on(response, offset) or known.differs(stamp):
                part.discard()
                raise ArchiveError("the archive sent another part of the file than it was asked for")
            part.append(response.iter_content(_BLOCK), offset)
        return stamp


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
    adapter = http.patient_adapter()
    for scheme in ("http://", "https://"):
        observations._session.mount(scheme, adapter)
    return observations


def _is_classic(row):
    return _OBSERVATION.fullmatch(str(row["obs_id"]).lower()) is not None


def _batches(items):
    return [items[k : k + _OBSERVATIONS_PER_QUERY] for k in range(0, len(items), _OBSERVATIONS_PER_QUERY)]
