"""What is asked of a run, and what came of it."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from wfc3_cte_monitor.errors import KilledWorkError, UnusableExposureError, place_and_reason, said

__all__ = ["Request", "Summary", "SAME_CHIP", "PLOTS", "SAME_CHIP_PLOTS", "TABLES"]

SAME_CHIP = "180"
"""The same-chip set, as it is asked for."""

PLOTS = ("ratio_ypos", "cte_time", "cte_logflux", "cte_flashlvl")
"""The figures that a run can make; 'model_on_reality' is made by a command of its own."""

SAME_CHIP_PLOTS = ("ratio_ypos", "180cte_expt", "180cte_logflux")
"""Those of the same-chip set. With '_mid' behind the last two, from lines forced through 1 at the middle row."""

TABLES = ("master", "fileinfo", "phot", "results")
"""What of the database can be filled again from files."""

INTERRUPTED, TERMINATED = 130, 143
"""Exit codes after Ctrl-C and SIGTERM."""
_WARNINGS_SHOWN = 10


@dataclass(frozen=True)
class Request:
    """What to work on now; what is legal to work on is the configuration's affair."""

    programs: str | tuple
    """'all', 'last', '180' (the same-chip set), a program number as text, or a tuple of program numbers, int."""
    visits: tuple = ()
    """Two characters each; empty: all."""
    aprads: tuple = (3, 5, 10)
    """Apertures whose results are written and drawn [px]; all of the configuration are measured."""
    plots: tuple = PLOTS
    insert: bool = True
    """False: nothing stays in the database."""
    find: bool = True
    photometry: bool = True
    flashlvls: tuple = ()
    """Post-flash levels [e-/px]; empty: all that are legal."""
    ctecorr: tuple = (False, True)
    """FLT, FLC or both."""
    copy_outputs: bool = True
    """Copy the figures to path_to_automated_outputs, where that is set."""
    jobs: int = 1
    force: bool = False
    """Do again what is unchanged."""
    retry_failed: bool = False
    """Try again what could not be measured before, though nothing has changed."""
    scheduler: str | None = None
    """Address of the Dask scheduler whose workers extract and draw; None: this machine does."""
    maskcr: bool = True
    """Use AstroDrizzle's cosmic-ray masks where there are any."""
    tweak: bool = True
    """Align what lies in newdata first."""
    adriz: bool = True
    """Make cosmic-ray masks for the visits that came from newdata."""

    report: bool = True
    """Write the web page."""

    same_chip: bool = False
    """Whether the programs are those of the same-chip set, of which only the visits of that set count."""

    def wants(self, exposure):
        """Whether an exposure is of the flash levels and of the kind (FLT, FLC) asked for."""
        return exposure.ctecorr in self.ctecorr and (not self.flashlvls or exposure.flashlvl in self.flashlvls)


@dataclass
class Summary:
    """What came of a run. The one thing in the pipeline that grows as it goes."""

    log_file: Path | None
    """None where no run is recorded."""
    run_id: int | None = None
    """Of the run's row in the database."""
    interrupted: int = 0
    """The exit code of a run that Ctrl-C or SIGTERM ended, else 0."""
    broken_off: str | None = None
    """What ended the run before its end, one line."""
    aligned: int = 0
    """Files that came from newdata."""
    elsewhere: dict = field(default_factory=dict)
    """Program -> how many of these files are of it, of the programs that were not asked for."""
    masked: int = 0
    """Exposures among them that got a cosmic-ray mask."""
    found: int = 0
    measured: list = field(default_factory=list)
    """Image names extracted in this run."""
    unchanged: list = field(default_factory=list)
    """Image names whose photometry in the database is of the same file, configuration and code."""
    rejections: list = field(default_factory=list)
    """`records.Rejection`"""
    not_asked_for: int = 0
    """Of other flash levels, or FLT or FLC; nominal ones that are no partners of dithered ones."""
    failures: list = field(default_factory=list)
    """One line each."""
    not_tried_again: int = 0
    """Failures among them that are of an earlier run."""
    failed_files: set = field(default_factory=set)
    """Their names, where the failure is a file's."""
    warnings: list = field(default_factory=list)
    unpaired: list = field(default_factory=list)
    """Image names."""
    unpaired_because: list = field(default_factory=list)
    """One line each, where there is more than one reason."""
    pairs: int = 0
    unchanged_pairs: int = 0
    """Whose photometry did not change."""
    figures: int = 0
    folders: list = field(default_factory=list)
    """Where the results were published."""
    report: Path | None = None
    """The web page."""
    about: dict = field(default_factory=dict)
    """Who ran it, where, when and how: user, host, started, command."""

    def fail(self, error):
        """Note a failure; one that an earlier step has noted counts once.

        Parameters
        ----------
        error : Exception or str
        """
        if str(error) not in self.failures:
            self.failures.append(str(error))
        self.failed_files.add(getattr(error, "filename", None))

    def take_over(self, step):
        """Note the failures and warnings of an earlier step.

        Parameters
        ----------
        step : object
            With `failures` and `warnings`, lists of str.
        """
        self.failures += step.failures
        self.warnings += step.warnings

    @property
    def exit_code(self):
        """0 all well, 1 something failed, 2 broken off, 130 or 143 interrupted."""
        if self.interrupted:
            return self.interrupted
        return 2 if self.broken_off else int(bool(self.failures))

    @property
    def outcome(self):
        """In the words of the record of runs."""
        return {0: "complete", 1: "failures", 2: "broken off"}.get(self.exit_code, "interrupted")

    @property
    def counts(self):
        """For the record of runs: column -> number."""
        return {
            "FOUND": self.found,
            "EXTRACTED": len(self.measured),
            "UNCHANGED": len(self.unchanged),
            "LEFTOUT": len(self.rejections),
            "FAILED": len(self.failures),
            "WARNINGS": len(self.warnings),
            "PAIRS": self.pairs,
            "PAIRSUNCHANGED": self.unchanged_pairs,
            "FIGURES": self.figures,
        }

    @property
    def totals(self):
        """What the closing summary and the web page count: in words -> number, in their order."""
        return {
            "exposures found": self.found,
            "extracted": len(self.measured),
            "unchanged": len(self.unchanged),
            "left out by rule": len(self.rejections),
            "without a partner": len(self.unpaired),
            "failed": len(self.failures),
            "warnings": len(self.warnings),
            "pairs measured": self.pairs,
            "pairs unchanged": self.unchanged_pairs,
            "figures": self.figures,
        }

    @property
    def reasons(self):
        """(rule, how many it left out), in order of the rules."""
        return sorted(Counter(rejection.reason for rejection in self.rejections).items())

    def lines(self):
        """The closing summary, line by line."""
        more = len(self.warnings) - _WARNINGS_SHOWN
        below = {
            "left out by rule": [
                *(f"    {number:5d}  {reason}" for reason, number in self.reasons),
                *([_total("not asked for", self.not_asked_for)] if self.not_asked_for else []),
            ],
            "without a partner": [f"    {line}" for line in self.unpaired_because],
            "failed": [
                *(f"    {line}" for line in self.failures),
                *([f"    {self.not_tried_again} not tried again (--retry-failed)"] if self.not_tried_again else []),
            ],
            "warnings": [
                *(f"    {line}" for line in self.warnings[:_WARNINGS_SHOWN]),
                *([f"    and {more} more in the log"] if more > 0 else []),
            ],
        }
        behind = {"without a partner": _names(self.unpaired)}
        return [
            "Summary" + (" of what was done until the run was interrupted" if self.interrupted else ""),
            *([f"  broken off by        {self.broken_off}"] if self.broken_off else []),
            *([_total("came from newdata", self.aligned)] if self.aligned else []),
            *(f"    {number:5d}  of {program}, which was not asked for" for program, number in self.elsewhere.items()),
            *([_total("cosmic rays masked", self.masked)] if self.masked else []),
            *(
                line
                for words, number in self.totals.items()
                for line in (_total(words, number) + behind.get(words, ""), *below.get(words, ()))
            ),
            *(f"  results in {folder.parent / 'most_recent'} ({folder.name})" for folder in self.folders),
            *([f"  report in {self.report}"] if self.report else []),
            f"  log in {self.log_file}",
        ]


def _total(words, number):
    return f"  {words:<21}{number:5d}"


def _names(names, most=6):
    if not names:
        return ""
    return "  " + ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def unexpected(name, error):
    """An error that nobody foresaw, as one line."""
    if isinstance(error, KilledWorkError):
        return UnusableExposureError(name, str(error))
    if isinstance(error, OSError) and error.strerror:
        return UnusableExposureError(name, place_and_reason(error))
    return UnusableExposureError(name, f"{type(error).__name__}: {said(str(error))}")
