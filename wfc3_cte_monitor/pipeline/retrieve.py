"""From the archive to ``newdata``: what is missing or newer, and nothing twice."""

import contextlib
import datetime
import fcntl
import json
import logging
import shutil
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tqdm import tqdm

from wfc3_cte_monitor.archive import Archive, Product, Stamp
from wfc3_cte_monitor.errors import ArchiveError, ConfigurationError, UnreachableArchiveError
from wfc3_cte_monitor.outputs import make_folder, replace_file
from wfc3_cte_monitor.pipeline.parallel import progress

__all__ = ["Retrieval", "listed_programs", "retrieve"]

log = logging.getLogger(__name__)

RECORDS = ".retrieved.json"
"""In path_to_data: what the archive said of each file when it was retrieved."""

_FITS_BLOCK = 2880
_SILENT_FILES = 3
"""So many files in a row that the archive did not answer for: it is down, and waiting for the others is of no use."""


@dataclass(frozen=True)
class Wanted:
    """A file to download, and why."""

    product: Product
    reason: str


@dataclass
class Retrieval:
    """What came of it. Grows as it goes."""

    folder: Path
    dry_run: bool = False
    found: int = 0
    wanted: list = field(default_factory=list)
    """`Wanted`"""
    retrieved: list = field(default_factory=list)
    """`archive.Product`"""
    failures: list = field(default_factory=list)
    """One line each."""

    def fail(self, error):
        """Note a failure.

        Parameters
        ----------
        error : Exception or str
        """
        log.error("failed: %s", error)
        self.failures.append(str(error))

    @property
    def exit_code(self):
        """0 all well, 1 something failed."""
        return 1 if self.failures else 0

    def lines(self):
        """The closing summary, line by line; after a dry run, each file before it."""
        plan = [f"{w.product.name}  {_bytes(w.product.size):>9}  {w.reason}" for w in self.wanted]
        label = "to be retrieved " if self.dry_run else "retrieved       "
        done = [w.product for w in self.wanted] if self.dry_run else self.retrieved
        return [
            *(plan if self.dry_run else []),
            "Summary",
            f"  in the archive   {self.found:5d}",
            f"  here already     {self.found - len(self.wanted):5d}",
            f"  {label} {len(done):5d}  {_bytes(_total(done))}",
            f"  failed           {len(self.failures):5d}",
            *(f"    {line}" for line in self.failures),
            f"  files in {self.folder}",
        ]


def _total(products):
    return sum(product.size or 0 for product in products)


def _bytes(size):
    return "?" if size is None else f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.2f} GB"


# ---- The recipe ------------------------------------------------------------------------------------------------------


def listed_programs(wanted, settings):
    """Resolve 'all', 'last' and numbers.

    Parameters
    ----------
    wanted : list of str
    settings : `settings.Settings`

    Returns
    -------
    programs : tuple of int
        In the order of the configuration. 'last' is the newest that is listed, whether it has data here or not.

    Raises
    ------
    ConfigurationError
        A program is not listed.
    """
    listed = settings.program_list
    chosen = set()
    for text in wanted:
        if text not in ("all", "last") and not (text.isascii() and text.isdecimal()):
            raise ConfigurationError(f"--pr {text}: must be all, last or program numbers")
        if text.isdecimal() and int(text) not in listed:
            raise ConfigurationError(f"--pr {text}: not in program_list ({', '.join(map(str, listed))}); add it there")
        chosen.update(listed if text == "all" else listed[-1:] if text == "last" else [int(text)])
    return tuple(program for program in listed if program in chosen)


def retrieve(programs, visits, settings, *, server=None, dry_run=False):
    """Download the FLT and FLC files of programs that are missing here, or newer in the archive.

    A file is here if it lies in ``newdata`` or in ``<program>``. It is newer in the archive if

    * the size that the archive lists is another one than the size that it listed when the file was retrieved, or
    * the archive's server tells versions apart (ETag, Last-Modified) and says another one than it said then:
      recalibration seldom changes the size of a file. Each file of which a version is on record costs a request.

    Alignment changes the files that are here, so it is the record of what the archive said (`RECORDS`) that is
    compared, and not they; the archive's lists have no date of the files themselves. Of a file that has no record,
    put here by other ways, nothing can be compared but whether it can be whole at all (a FITS file is made of blocks
    of 2880 bytes, none of them missing): if so it counts as current, and what the archive lists now becomes its
    record, so that from now on a change of size is seen.

    Parameters
    ----------
    programs : tuple of int
    visits : tuple of str
        Two characters each; empty: all.
    settings : `settings.Settings`
    server : str, optional
        Wins over the configuration's.
    dry_run : bool, optional
        Only find out what there is to do.

    Returns
    -------
    retrieval : `Retrieval`

    Raises
    ------
    ArchiveError
        The archive does not answer, or not as an archive does.
    ConfigurationError
        There is no folder for data, it cannot be written, there is no room in it, or another retrieval is going on.
    """
    data = settings.path_to_data
    if not data.is_dir():
        raise ConfigurationError(f"path_to_data: no such folder {data}")
    retrieval = Retrieval(settings.path_to_newdata, dry_run)
    with contextlib.nullcontext() if dry_run else _alone(make_folder(retrieval.folder)):
        records = Records(data / RECORDS)
        archive = Archive(server or settings.mast_server)
        products = _find(archive, programs, visits, retrieval)
        retrieval.found = len(products)
        retrieval.wanted = _choose(products, records, data, archive)
        if not dry_run:
            records.adopt(set(products) - {wanted.product for wanted in retrieval.wanted})
            _check_room(retrieval)
            _download(archive, records, retrieval)
    return retrieval


@contextlib.contextmanager
def _alone(folder):
    """Two retrievals at the same time would write into the same partial files."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(f"{folder}: another retrieval is going on; wait for its end") from None
        except OSError as error:  # there are file systems without locks
            log.debug("no lock: %s", error)
        yield


# ---- What there is to do ---------------------------------------------------------------------------------------------


def _find(archive, programs, visits, retrieval):
    """The products of the programs and visits. If the archive does not answer for the first of them, it is down."""
    products, answered, seen = [], False, set()
    for program in progress(programs, len(programs), "queries"):
        try:
            found, problems = archive.products(program)
        except ArchiveError as error:
            if not answered:
                raise
            retrieval.fail(f"program {program}: {error}")
            continue
        answered = True
        for problem in problems:
            retrieval.fail(f"program {program}: {problem}")
        if not found and not problems:
            retrieval.fail(f"program {program}: no FLT or FLC of WFC3/UVIS in the archive")
        products += [product for product in found if not visits or product.visit in visits]
        seen |= {product.visit for product in found}
    for visit in sorted(set(visits) - seen) if seen else ():
        retrieval.fail(f"visit {visit}: not in the archive for {', '.join(map(str, programs))}")
    return products


def _choose(products, records, data, archive):
    """What is missing, damaged or newer, with the reason, in order of program and name."""
    reasons = {product: _reason(product, records, data) for product in products}
    current = [p for p in products if not reasons[p] and records.stamp(p) != Stamp()]
    for product in progress(current, len(current), "comparing"):
        try:
            if archive.stamp(product).differs(records.stamp(product)):
                reasons[product] = "newer (the archive has another version)"
        except ArchiveError as error:
            log.warning("%s: cannot be compared (%s); what is here counts as current", product.name, error)
            break
    return [Wanted(product, reason) for product, reason in reasons.items() if reason]


def _reason(product, records, data):
    """Why a file is to be downloaded, as far as is known here; None where it is not."""
    here = [path for path in (data / "newdata" / product.name, data / str(product.program) / product.name)]
    sizes = [path.stat().st_size for path in here if path.is_file()]
    if not sizes:
        return "missing"
    if all(size == 0 or size % _FITS_BLOCK for size in sizes):
        return "damaged (what is here is no whole FITS file)"
    before = records.size(product)
    if before and product.size and before != product.size:
        return f"newer ({before} bytes then, {product.size} now)"
    return None


class Records:
    """What the archive said of each file when it was retrieved, in a JSON file.

    Raises
    ------
    ConfigurationError
        The file cannot be read.
    """

    def __init__(self, path):
        self._path = path
        try:
            self._files = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
            if not all(isinstance(record, dict) for record in self._files.values()):
                raise ValueError("not a record")
        except (OSError, ValueError, AttributeError) as error:
            raise ConfigurationError(
                f"{path}: damaged ({error}); remove it, and all files that are here will count as current"
            ) from error

    def size(self, product):
        """Size that the archive listed [bytes], or None."""
        return self._files.get(product.name, {}).get("size")

    def stamp(self, product):
        """`archive.Stamp` of the version that was retrieved."""
        record = self._files.get(product.name, {})
        return Stamp(record.get("etag"), record.get("last_modified"))

    def adopt(self, products):
        """Files that came here by other ways: from now on a change is seen."""
        new = {p.name: self._record(p, Stamp(), None) for p in products if p.name not in self._files}
        if new:
            self._files |= new
            self._write()

    def add(self, product, stamp):
        """A file that has just come."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._files[product.name] = self._record(product, stamp, now)
        self._write()

    def _record(self, product, stamp, retrieved):
        known = {name: value for name, value in asdict(product).items() if name != "name"}
        return known | asdict(stamp) | {"retrieved": retrieved}

    def _write(self):
        text = json.dumps(self._files, indent=1, sort_keys=True)
        replace_file(self._path, lambda new: new.write_text(text + "\n", encoding="utf-8"))


# ---- Doing it --------------------------------------------------------------------------------------------------------


def _check_room(retrieval):
    products = [wanted.product for wanted in retrieval.wanted]
    parts = [retrieval.folder / f"{product.name}.part" for product in products]
    needed = _total(products) - sum(path.stat().st_size for path in parts if path.is_file())
    free = shutil.disk_usage(retrieval.folder).free
    if needed > free:
        raise ConfigurationError(
            f"{retrieval.folder}: {_bytes(needed)} are to come and {_bytes(free)} are free; make room, or ask for less"
        )


def _download(archive, records, retrieval):
    """One file after the other, each failure alone, until the archive is silent."""
    total = _total([wanted.product for wanted in retrieval.wanted])
    silent = 0
    with tqdm(total=total, unit="B", unit_scale=True, disable=not sys.stderr.isatty(), leave=False) as bar:
        for number, wanted in enumerate(retrieval.wanted):
            product = wanted.product
            bar.set_description(product.name.removesuffix(".fits"))
            try:
                records.add(product, archive.fetch(product, retrieval.folder, bar.update))
            except ArchiveError as error:
                retrieval.fail(error)
                silent = silent + 1 if isinstance(error, UnreachableArchiveError) else 0
            except OSError as error:
                retrieval.fail(f"{product.name}: cannot be written ({error.strerror or error}); not gone on with")
                return
            else:
                log.info("retrieved: %s", product.name)
                retrieval.retrieved.append(product)
                silent = 0
            left = len(retrieval.wanted) - number - 1
            if silent == _SILENT_FILES and left:
                retrieval.fail(f"the archive is silent: {left} more files not asked for; run the same command later")
                return
