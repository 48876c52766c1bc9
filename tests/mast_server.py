"""A small MAST on the loopback: of its protocol what astroquery asks for, and faults on demand."""

import json
import sys
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote_plus, urlsplit

_COLUMNS = {
    "Mast.Caom.Cone": ("proposal_id", "obs_collection", "instrument_name", "obs_id", "obsid"),
    "Mast.Caom.Products": ("obsID", "obs_id", "productFilename", "dataURI", "size", "proposal_id", "parent_obsid"),
}
_OBSERVATION = {
    "obsid": "string",
    "obs_id": "string",
    "obs_collection": "string",
    "instrument_name": "string",
    "proposal_id": "string",
    "target_name": "string",
    "t_obs_release": "float",
}
_PRODUCT = {
    "obsID": "string",
    "parent_obsid": "string",
    "obs_id": "string",
    "obs_collection": "string",
    "productFilename": "string",
    "dataURI": "string",
    "size": "int",
    "proposal_id": "string",
}


@dataclass
class Faults:
    """What is wrong with the way of one file; each of a list is for one request, the last for all that follow."""

    status: list = field(default_factory=list)
    """HTTP status codes; 200 is none."""
    cut: list = field(default_factory=list)
    """After so many bytes of a body the connection is cut; None: not at all."""
    ranges: bool = True
    if_range: bool = True
    length: bool = True
    """Whether an answer says how long it is; if not, it ends with the connection."""
    content_type: str = "application/fits"
    redirect: str | None = None

    def next(self, name):
        """The fault of the next request, or None."""
        remaining = getattr(self, name)
        return remaining.pop(0) if len(remaining) > 1 else remaining[0] if remaining else None


class _Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """Who refuses an answer hangs up in the midst of it."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class MastServer:
    """``with MastServer() as mast:`` answers at ``mast.url``; what it has is put in with `add`."""

    def __init__(self, host="127.0.0.1"):
        self.observations, self.listed = [], []
        self.contents, self.etags = {}, {}
        self.faults = defaultdict(Faults)
        self.query_status = []
        """Status codes of the next queries, before they are answered."""
        self.page_rows = 50_000
        self.executing = 0
        """So many times a query is answered with 'executing'."""
        self.token = None
        """The one that is accepted."""
        self.requests = []
        """(method, path, headers) of each."""
        self.sent = defaultdict(int)
        """Bytes of each file."""
        self._server = _Server((host, 0), _handler_of(self))
        self._server.daemon_threads = True
        self.url = f"http://{host}:{self._server.server_port}"

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add(self, program, name, content, *, size=None, uri=None, observation=None, etag=None):
        """A file of an exposure, which is an observation of its own unless another is named."""
        rootname = observation or name[:9]
        if not any(row["obs_id"] == rootname for row in self.observations):
            self.observations.append(
                {
                    "obsid": str(24_000_000 + len(self.observations)),
                    "obs_id": rootname,
                    "obs_collection": "HST",
                    "instrument_name": "WFC3/UVIS",
                    "proposal_id": str(program),
                    "target_name": "NGC104",
                    "t_obs_release": 57_000.5,
                }
            )
        obsid = next(row["obsid"] for row in self.observations if row["obs_id"] == rootname)
        uri = uri or f"mast:HST/product/{name}"
        row = {"obsID": obsid, "parent_obsid": obsid, "obs_id": rootname, "obs_collection": "HST"}
        row |= {"productFilename": name, "dataURI": uri, "proposal_id": str(program)}
        self.listed.append(row | {"size": len(content) if size is None else size})
        self.publish(uri, content, etag)

    def publish(self, uri, content, etag=None):
        """The content of an address, also when it becomes another."""
        self.contents[uri] = content
        self.etags[uri] = etag

    def replace(self, name, content, *, etag=None):
        """A recalibration."""
        for row in self.listed:
            if row["productFilename"] == name:
                row["size"] = len(content)
                self.publish(row["dataURI"], content, etag)

    def downloads(self):
        """Names of the files that were asked for with GET, in order."""
        paths = [path for method, path, _ in self.requests if method == "GET" and "Download" in path]
        return [parse_qs(urlsplit(path).query)["uri"][0].rpartition("/")[2] for path in paths]

    def answer(self, request):
        """The answer to a query of the portal."""
        service, params = request["service"], request["params"]
        if self.executing:
            self.executing -= 1
            return {"status": "EXECUTING", "data": [], "fields": []}
        if service == "Mast.Caom.Filtered":
            wanted = {entry["paramName"]: entry["values"] for entry in params["filters"]}
            rows = [row for row in self.observations if all(row[name] in values for name, values in wanted.items())]
            return self._page(rows, _OBSERVATION, request)
        if service == "Mast.Caom.Products":
            obsids = params["obsid"].split(",")
            return self._page([row for row in self.listed if row["obsID"] in obsids], _PRODUCT, request)
        return {"status": "ERROR", "msg": f"no service {service}"}

    def _page(self, rows, columns, request):
        size, page = min(self.page_rows, request["pagesize"]), request["page"]
        n_pages = max(1, -(-len(rows) // size))
        return {
            "status": "COMPLETE",
            "msg": "",
            "fields": [{"name": name, "type": kind} for name, kind in columns.items()],
            "data": rows[(page - 1) * size : page * size],
            "paging": {"page": page, "pageSize": size, "pagesFiltered": n_pages, "rowsTotal": len(rows)},
        }


def _handler_of(mast):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or each answer waits 40 ms for an acknowledgement

        def log_message(self, *_):
            pass

        def _note(self):
            mast.requests.append((self.command, self.path, dict(self.headers)))

        def _send(self, status, body=b"", kind="application/json", **headers):
            self.send_response(status)
            for name, value in ({"Content-Type": kind, "Content-Length": str(len(body))} | headers).items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        # ---- Queries -------------------------------------------------------------------------------------------------

        def do_POST(self):
            self._note()
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status = mast.query_status.pop(0) if mast.query_status else 200
            if status != 200:
                self._send(status, b"<html>sorry</html>", "text/html")
            elif self.path == "/portal/Mashup/Mashup.asmx/columnsconfig":
                columns = _COLUMNS[body.removeprefix("colConfigId=")]
                self._json({name: {"text": name, "vot.datatype": "char"} for name in columns})
            elif self.path == "/api/v0/invoke":
                self._json(mast.answer(json.loads(unquote_plus(body.removeprefix("request=")))))
            else:
                self._send(404)

        def _json(self, value):
            self._send(200, json.dumps(value).encode())

        # ---- Files ---------------------------------------------------------------------------------------------------

        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            self._note()
            url = urlsplit(self.path)
            if url.path == "/whoami":
                self._json({"anon": f"mast_token={mast.token}" not in self.headers.get("Cookie", ""), "attrib": {}})
                return
            uri = parse_qs(url.query).get("uri", [""])[0]
            if url.path != "/api/v0.1/Download/file" or uri not in mast.contents:
                self._send(404)
                return
            self._send_file(uri, uri.rpartition("/")[2])

        def _send_file(self, uri, name):
            faults, content, etag = mast.faults[name], mast.contents[uri], mast.etags[uri]
            if faults.redirect:
                self._send(302, Location=faults.redirect + self.path)
                return
            status = 200 if self.command == "HEAD" else faults.next("status") or 200
            if status != 200:
                self._send(status, b"<html>sorry</html>", "text/html", Retry_After="0")
                return
            start = self._start(faults, etag)
            headers = {"ETag": etag} if etag else {}
            if start:
                status, headers["Content-Range"] = 206, f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.send_response(status)
            headers["Content-Type"] = faults.content_type
            headers |= {"Content-Length": str(len(content) - start)} if faults.length else {"Connection": "close"}
            for key, value in headers.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self._send_body(content[start:], faults.next("cut"), name)

        def _start(self, faults, etag):
            """Where a byte range begins; 0 where the file is sent from its beginning."""
            if not faults.ranges or faults.if_range and self.headers.get("If-Range") not in (None, etag):
                return 0
            return int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])

        def _send_body(self, body, cut, name):
            part = body[:cut]
            self.wfile.write(part)
            mast.sent[name] += len(part)
            if len(part) < len(body):
                self.close_connection = True

    return Handler
