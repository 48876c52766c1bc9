"""Kill the pipeline at random moments, look at what is left, and compare what a rerun makes of it.

Each trial runs the wrapper over the same small simulated observatory, kills it (kill -9 of all its processes or, of
some with worker processes, of the main one alone, whose workers must end by themselves), checks that the database opens
and holds whole exposures only and that files are whole or absent, and runs the same command again, to its end. The
content of database and output tree must then be that of a run which nobody disturbed.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.wholeness import broken_rows, files_of, left_over, rows_of, unreadable_files
from wfc3_cte_monitor import simulate
from wfc3_cte_monitor.commands import run_uvis_external_cte
from wfc3_cte_monitor.tables import shipped_file

PHASES = ("start", "alignment", "masks", "extraction", "pairs", "figures", "publishing", "end")
COLUMNS = 48
_EXTRACTED, _MEASURED = "INFO    extracted ", "INFO    measured "
"""How the lines of the log begin that say so."""
_WITH_NEW = 5
"""Of so many trials one finds its newest exposures in newdata, where they must be aligned and masked first."""
_PATIENCE = 120
"""Seconds in which worker processes notice that the main one is gone; they look every second."""


@dataclass(frozen=True)
class Trial:
    """What is killed, and when."""

    number: int
    new: bool
    """Whether exposures wait in newdata."""
    jobs: int
    alone: bool
    """Whether the main process alone is killed."""
    when: float
    """Fraction of the duration of a run."""

    def __str__(self):
        whom = "main process" if self.alone else "all processes"
        return f"trial {self.number} ({'newdata, ' if self.new else ''}--jobs {self.jobs}, {whom})"


@dataclass
class Outcome:
    """What a trial showed."""

    phase: str
    seconds: float
    lost: int = 0
    """Rows that are not there after the rerun."""
    doubled: int = 0
    """Rows that should not be there, or not as often."""
    unreadable: int = 0
    temporary: int = 0
    """Files and folders that the kill left."""
    problems: list = field(default_factory=list)


@dataclass(frozen=True)
class Reference:
    """What a run leaves that nobody disturbs."""

    rows: Counter
    files: dict
    exposures: int
    pairs: int


def trial_of(number, seed):
    """The trial of a number, by chance and always the same."""
    chance = random.Random(f"{seed}/{number}")
    jobs = chance.choice((1, 1, 2))
    return Trial(number, number % _WITH_NEW == 0, jobs, jobs > 1 and chance.random() < 0.5, chance.random())


# ---- The observatory, and runs over it -------------------------------------------------------------------------------


class Site:
    """A small observatory, made anew for each trial in the same place, since rows and fingerprints know it."""

    def __init__(self, folder):
        self.folder, self.root = folder, folder / "site"
        for new in (False, True):
            _simulate(self.template(new), new)

    def template(self, new):
        return self.folder / ("with_newdata" if new else "without_newdata")

    def renew(self, new):
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.template(new), self.root)

    @property
    def database(self):
        return self.root / "database" / "uvis_external_cte.db"

    def start(self, jobs):
        """Start the wrapper in a session of its own; its process is a copy of this one, for imports take longer."""
        sys.stdout.flush()
        pid = os.fork()
        if not pid:
            _become_the_wrapper(self.root, jobs)
        return psutil.Process(pid)

    def complete(self, jobs):
        """Run the command to its end; its exit code."""
        return self.start(jobs).wait()

    def phase(self, reference, new):
        """Where the newest run is, by its log and the tree."""
        text = "".join(path.read_text() for path in sorted((self.root / "outputs" / "logs").glob("*.log"))[-1:])
        if "  exposures found" in text:
            return "end"
        if any((self.root / "outputs" / "finalresults").glob("*/2*")):
            return "publishing"
        if text.count(_MEASURED) == reference.pairs:
            return "figures"
        if text.count(_EXTRACTED) == reference.exposures:
            return "pairs"
        if "not asked for: " in text or " filled " in text:
            return "extraction"
        if not text or not new:
            return "start" if not new or not (self.root / "outputs" / "logs").exists() else "alignment"
        return "alignment" if any((self.root / "data" / "newdata").glob("*.fits")) else "masks"


def _simulate(root, new):
    """Two epochs, a pair each; where there is something new the pointing is wrong, as the archive has it."""
    error = {"wcs_error": 0.5, "roll_error": 0.05} if new else {}
    plans = [
        simulate.default_plan(n_epochs=2, targets=("ngc104",), lengths=("l",), flashlvls=(0.0,), **kind)
        for kind in ({}, error)
    ]
    newest = max(one.program for one in plans[0])
    plan = [one for one in plans[0] if one.program != newest] + [one for one in plans[1] if one.program == newest]
    simulate.simulate_observatory(root, plan, seed=5, n_columns=COLUMNS)
    if new:
        for path in (root / "data" / str(newest)).glob("*.fits"):
            path.replace(root / "data" / "newdata" / path.name)
    (root / "config.py").write_text(shipped_file("config.example.py").read_text() + "aprads = [3]\n")


def _become_the_wrapper(root, jobs):
    code = 99
    try:
        os.setsid()
        with (root / "printed.txt").open("a") as printed:
            os.dup2(printed.fileno(), 1)
            os.dup2(printed.fileno(), 2)
        arguments = ("--pr", "all", "--ctecorr", "flt", "--jobs", str(jobs), "--config", str(root / "config.py"))
        code = run_uvis_external_cte.main(arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def kill(process, alone):
    """kill -9; how many processes outlived it that should not have."""
    try:
        (os.kill if alone else os.killpg)(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # It has not its own session yet.
        process.kill()
    process.wait()
    began = time.monotonic()
    while (left := _session(process.pid)) and time.monotonic() - began < _PATIENCE:
        time.sleep(0.05)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return len(left)


def _session(pid):
    """The processes of a session that are alive."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == pid and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            continue
    return found


# ---- Trials ----------------------------------------------------------------------------------------------------------


class Soak:
    """Trials, one after another, in a folder."""

    def __init__(self, folder):
        self.site = Site(folder)
        self.references, self.durations = {}, {}

    def prepare(self, new, jobs):
        """Know what a run leaves that nobody disturbs, and how long it takes; all of a kind must be the same."""
        if (new, jobs) not in self.durations:
            self._undisturbed(new, jobs)

    def _undisturbed(self, new, jobs):
        self.site.renew(new)
        began = time.monotonic()
        code = self.site.complete(jobs)
        self.durations[new, jobs] = time.monotonic() - began
        log = "".join(path.read_text() for path in (self.site.root / "outputs" / "logs").glob("*.log"))
        rows, files = rows_of(self.site.database), files_of(self.site.root)
        found = Reference(rows, files, log.count(_EXTRACTED), log.count(_MEASURED))
        said = f"undisturbed{', newdata' if new else ''}, --jobs {jobs}: {self.durations[new, jobs]:.1f} s, "
        print(f"{said}{rows.total()} rows, {len(files)} files, {found.pairs} pairs", flush=True)
        if code or not found.pairs or not any(name.endswith("_coeffs.ecsv") for name in files):
            sys.exit(f"the undisturbed run ended with {code}:\n{(self.site.root / 'printed.txt').read_text()}")
        problems = judge(self.references.setdefault(new, found), self.site, Outcome("end", 0.0)).problems
        if problems:
            sys.exit("two undisturbed runs differ:\n" + "\n".join(problems))

    def run(self, trial):
        """Kill, look, run again, compare."""
        self.prepare(trial.new, trial.jobs)
        reference = self.references[trial.new]
        while True:
            self.site.renew(trial.new)
            moment = trial.when * self.durations[trial.new, trial.jobs]
            began, process = time.monotonic(), self.site.start(trial.jobs)
            try:
                process.wait(moment)
            except psutil.TimeoutExpired:
                break
            # The machine was faster than before.
            self.durations[trial.new, trial.jobs] = time.monotonic() - began
        outlived = kill(process, trial.alone)
        outcome = Outcome(self.site.phase(reference, trial.new), moment)
        outcome.problems += [f"{outlived} worker processes did not end"] if outlived else []
        look(self.site, outcome)
        outcome.temporary = len(left_over(self.site.root))
        code = self.site.complete(trial.jobs)
        outcome.problems += [f"the rerun ended with {code}"] if code else []
        look(self.site, outcome)
        return judge(reference, self.site, outcome)

    def keep(self, trial):
        """Put the site of a trial that failed aside."""
        kept = self.site.folder / f"trial_{trial.number}"
        shutil.rmtree(kept, ignore_errors=True)
        self.site.root.rename(kept)
        return kept


def look(site, outcome):
    """Note what must never be, in whatever moment one looks."""
    try:
        outcome.problems += broken_rows(site.database)
    except Exception as error:
        outcome.problems.append(f"the database does not open: {error}")
    unreadable = unreadable_files(site.root)
    outcome.unreadable += len(unreadable)
    outcome.problems += [f"{path}: {why}" for path, why in unreadable]


def judge(reference, site, outcome):
    """Note in what a site differs from that of a run which nobody disturbed; the outcome is returned."""
    rows, files = rows_of(site.database), files_of(site.root)
    lost, doubled = reference.rows - rows, rows - reference.rows
    outcome.lost, outcome.doubled = lost.total(), doubled.total()
    for word, which in (("lost", lost), ("doubled or different", doubled)):
        by_table = Counter(table for table, _ in which.elements())
        outcome.problems += [f"{table}: {number} rows {word}" for table, number in by_table.items()]
    outcome.problems += [f"{name}: missing" for name in sorted(reference.files.keys() - files.keys())]
    outcome.problems += [f"{name}: not there before" for name in sorted(files.keys() - reference.files.keys())]
    both = sorted(reference.files.keys() & files.keys())
    outcome.problems += [f"{name}: differs" for name in both if reference.files[name] != files[name]]
    outcome.problems += [f"{path}: left over" for path in left_over(site.root)]
    return outcome


def table(outcomes):
    """The closing table, line by line."""
    by_phase = defaultdict(list)
    for one in outcomes:
        by_phase[one.phase].append(one)
    head = "phase          kills   equal   rows lost   rows doubled   unreadable files   left-over temporary files"
    lines = [_line(phase, by_phase[phase]) for phase in PHASES if by_phase[phase]]
    return [head, *lines, _line("all", outcomes)]


def _line(name, outcomes):
    equal = sum(not one.problems for one in outcomes)
    sums = [sum(getattr(one, what) for one in outcomes) for what in ("lost", "doubled", "unreadable", "temporary")]
    return f"{name:12s} {len(outcomes):7d} {equal:7d} {sums[0]:11d} {sums[1]:14d} {sums[2]:18d} {sums[3]:27d}"


def soak(folder, trials, seed):
    """Run trials, and print what they showed; whether all were equal. Ctrl-C ends it with what was seen so far."""
    bench, outcomes = Soak(folder), []
    with suppress(KeyboardInterrupt):
        for trial in trials:
            outcomes.append(bench.run(trial))
            _print(trial, outcomes[-1])
            if outcomes[-1].problems:
                print(f"    kept: {bench.keep(trial)}; again: --seed {seed} --only {trial.number}", flush=True)
    equal = sum(not one.problems for one in outcomes)
    print("\n".join(["", *table(outcomes), "", f"{equal} of {len(outcomes)} equal"]))
    return equal == len(outcomes)


def _print(trial, outcome):
    verdict = "differs" if outcome.problems else "equal"
    print(f"{trial}, {outcome.seconds:.2f} s, {outcome.phase}, {outcome.temporary} temporary: {verdict}", flush=True)
    for line in outcome.problems[:20]:
        print(f"    {line}", flush=True)


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100, metavar="N", help="how many trials (default 100)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (default 1)")
    parser.add_argument("--only", type=int, nargs="+", metavar="NUMBER", help="only these trials, from 1")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="work there, and leave it")
    args = parser.parse_args(argv)
    trials = [trial_of(number, args.seed) for number in args.only or range(1, args.kills + 1)]
    folder = args.keep or Path(tempfile.mkdtemp(prefix="soak_"))
    folder.mkdir(parents=True, exist_ok=True)
    all_equal = soak(folder.resolve(), trials, args.seed)
    if all_equal and not args.keep:
        shutil.rmtree(folder)
    return 0 if all_equal else 1


if __name__ == "__main__":
    sys.exit(main())
