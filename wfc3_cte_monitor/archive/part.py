"""A file on its way."""

import json
from dataclasses import asdict

from wfc3_cte_monitor.archive.products import Stamp

__all__ = ["Part"]


class Part:
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
