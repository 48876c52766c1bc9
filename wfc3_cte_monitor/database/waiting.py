"""The lock of the one writer is taken in small steps: who waits can be told for whom, and interrupted."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from wfc3_cte_monitor.errors import DatabaseError

__all__ = ["Patience"]

_STEP = 0.1
"""Seconds between two attempts."""


@dataclass(frozen=True)
class Patience:
    """How a writer waits for another one."""

    seconds: float = 60.0
    """After which it gives up."""
    tell: Callable | None = None
    """Called while it waits, of no arguments."""
    tell_after: float = 5.0
    """Seconds until that, and ten times as long as before until it is called again."""

    def take(self, attempt: Callable[[], bool], place: str) -> None:
        """Call `attempt` until it is true.

        Parameters
        ----------
        attempt : callable
            Tries to get the lock, and says whether it did.
        place : str
            The database, for the error.

        Raises
        ------
        DatabaseError
            Another process has had the lock all the time.
        """
        began, next_word = time.monotonic(), self.tell_after
        while not attempt():
            waited = time.monotonic() - began
            if waited > self.seconds:
                raise DatabaseError(
                    f"database {place}: database is locked; another process has been writing for {self.seconds:g} s: "
                    "try again when it is done; 'uvis_external_cte database unlock' says who it is"
                )
            if self.tell and waited > next_word:
                self.tell()
                next_word *= 10
            time.sleep(_STEP)
