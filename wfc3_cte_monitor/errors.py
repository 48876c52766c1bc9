"""Errors that carry what the user needs to know; ``str(error)`` is one readable line."""

__all__ = [
    "printable",
    "place_and_reason",
    "said",
    "MonitorError",
    "ConfigurationError",
    "DatabaseError",
    "CatalogError",
    "CoefficientError",
    "ArchiveError",
    "UnreachableArchiveError",
    "UnusableExposureError",
    "NotEnoughPointsError",
    "UndeterminedFitError",
    "AlignmentError",
    "IrafError",
    "ClusterError",
    "TerminatedError",
    "KilledWorkError",
]


def printable(text: object) -> str:
    """A text as one line that a terminal shows and does not obey.

    What comes from a file may have line breaks, escape sequences, and bytes that are no letters; they are spelled out
    as Python does, such as ``\\n`` and ``\\x1b``.
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def said(error: object, most: int = 300) -> str:
    """What an error of a library says: one line, and not all of a file.

    Parameters
    ----------
    error : Exception or str
        Of an `OSError` the reason alone: who calls names the file.
    most : int, optional
        Characters.
    """
    return " ".join(str(getattr(error, "strerror", None) or error).split())[:most]


def place_and_reason(error: OSError) -> str:
    """Where an `OSError` happened, as far as it tells, and what was wrong."""
    return f"{error.filename2 or error.filename or 'output'}: {error.strerror or error}"


class MonitorError(Exception):
    """Base of every error that is the input's fault and not the program's."""

    def __str__(self) -> str:
        return printable(super().__str__())


class ConfigurationError(MonitorError):
    """The configuration file, a path that it names, or an argument is wrong."""


class DatabaseError(MonitorError):
    """The database cannot be opened or does not fit its table definitions."""


class CatalogError(MonitorError):
    """A master catalogue is missing or holds nothing usable."""


class CoefficientError(MonitorError):
    """A coefficient file cannot be read, or none is of the kind that is needed."""


class ArchiveError(MonitorError):
    """The archive does not give what it was asked for."""


class UnreachableArchiveError(ArchiveError):
    """The archive does not answer."""


class UnusableExposureError(MonitorError):
    """An exposure that should have been measured cannot be.

    Parameters
    ----------
    filename : str
        The file at fault.
    problem : str
        What is wrong and, where it helps, what to do.
    """

    def __init__(self, filename: str, problem: str) -> None:
        # Both to the base class: without them the error does not survive the way back from a worker process.
        super().__init__(filename, problem)
        self.filename = str(filename)
        self.problem = problem

    def __str__(self) -> str:
        return printable(f"{self.filename}: {self.problem}")


class NotEnoughPointsError(MonitorError):
    """Fewer points than the fit needs.

    Parameters
    ----------
    n_points, n_needed : int
        How many there are, and how many there must be.
    """

    def __init__(self, n_points: int, n_needed: int) -> None:
        super().__init__(n_points, n_needed)
        self.n_points = n_points
        self.n_needed = n_needed

    def __str__(self) -> str:
        return f"{self.n_points} points, {self.n_needed} needed"


class UndeterminedFitError(MonitorError):
    """The points do not determine every coefficient.

    Parameters
    ----------
    rank, n_terms : int
        Rank of the weighted design matrix, and the number of coefficients asked for.
    """

    def __init__(self, rank: int, n_terms: int) -> None:
        super().__init__(rank, n_terms)
        self.rank = rank
        self.n_terms = n_terms

    def __str__(self) -> str:
        return f"the points determine {self.rank} of {self.n_terms} coefficients"


class IrafError(MonitorError):
    """IRAF's task failed; the message has its own words."""


class AlignmentError(MonitorError):
    """drizzlepac broke off; the message is its own."""


class ClusterError(MonitorError):
    """The cluster that should do the work cannot be reached, cannot do it, or is gone."""


class TerminatedError(KeyboardInterrupt):
    """SIGTERM, a scheduler's way to end a job: whatever ends well after Ctrl-C ends well after this."""


class KilledWorkError(Exception):
    """A piece of work, whichever it is, whose process is killed each time."""

    def __str__(self) -> str:
        return (
            "the process that worked on it was killed, and again when nothing else was done beside it (out of memory?)"
        )
