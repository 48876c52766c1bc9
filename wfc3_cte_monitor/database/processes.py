"""Whether a process that a row names is still there."""

import os
from pathlib import Path

__all__ = ["is_alive"]

_TOLERANCE = 2.0
"""Seconds that two ways to tell when a process began may differ by."""


def is_alive(pid, began=None):
    """Whether a process of this machine is at work, and is the one that was meant.

    Parameters
    ----------
    pid : int
    began : float, optional
        When it began [s since 1970]: numbers of processes are used again.
    """
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # another user's
    state, seconds = _seen(pid)
    return state != "Z" and (began is None or seconds is None or abs(seconds - began) < _TOLERANCE)


def _seen(pid):
    """State and time of birth of a process; None where the system does not tell."""
    try:
        # The name of the program, in parentheses, may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
    except OSError:
        return None, None
    return fields[0], float(boot.split()[1]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
