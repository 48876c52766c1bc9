"""What a `host.Host` runs: reads one JSON line per call, calls drizzlepac, answers with one JSON line."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = []


def _tweakreg(filename, **parameters):
    from drizzlepac.tweakreg import TweakReg

    TweakReg(filename, configobj="defaults", **parameters)


def _astrodrizzle(filenames, **parameters):
    from drizzlepac.astrodrizzle import AstroDrizzle

    AstroDrizzle(filenames, configobj="defaults", **parameters)


def _apply_headerlet(filename, headerlet, **parameters):
    from stwcs.wcsutil.headerlet import apply_headerlet_as_primary

    apply_headerlet_as_primary(filename, headerlet, **parameters)


def _write_headerlet(filename, **parameters):
    from stwcs.wcsutil.headerlet import write_headerlet

    write_headerlet(filename, **parameters)


_TASKS: dict[str, Callable[..., None]] = {
    "tweakreg": _tweakreg,
    "astrodrizzle": _astrodrizzle,
    "apply_headerlet": _apply_headerlet,
    "write_headerlet": _write_headerlet,
}


def _serve():
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    for line in sys.stdin:
        request = json.loads(line)
        # Libraries in C print to the descriptors, not to sys.stdout.
        with Path("drizzlepac.log").open("a", encoding="utf-8") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        answers.write(json.dumps({"error": _error_of(request)}) + "\n")


def _error_of(request):
    """What went wrong, in one line, or None."""
    try:
        _TASKS[request["task"]](**request["arguments"])
    except (Exception, SystemExit) as error:  # drizzlepac raises many kinds, and exits
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return None


if __name__ == "__main__":
    _serve()
