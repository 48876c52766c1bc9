"""``uvis_external_cte validate``: a known loss goes in, and is looked for in all that the monitor publishes."""

import sys
from pathlib import Path

from wfc3_cte_monitor.commands.common import add_jobs, examples, positive_int
from wfc3_cte_monitor.commands.setup import default_answers, set_up
from wfc3_cte_monitor.errors import ConfigurationError, NotEnoughPointsError
from wfc3_cte_monitor.pipeline.request import Request
from wfc3_cte_monitor.settings import read_settings

__all__ = ["add_parser"]

_TABLES = ("losses", "bins", "corrected", "left_out", "coverage")


def add_parser(commands):
    """Add the command to the tool box."""
    p = commands.add_parser(
        "validate",
        help="closure: does a known loss come back?",
        description="Simulate exposures with a known loss in FOLDER, run the whole pipeline over them, correct their "
        "photometry with the coefficients, and hold everything against the truth: losses and their errors, photometry "
        "after correction, epochs that were left out of the fit. The checks are printed; a figure (PNG, PDF) and all "
        "tables (ECSV) come to FOLDER/validation. A FOLDER that was simulated before is used again.",
        **examples(
            "uvis_external_cte validate somewhere",
            "uvis_external_cte validate smaller --epochs 4 --columns 96 --flashlvl 0 12",
        ),
    )
    p.add_argument("folder", type=Path, metavar="FOLDER", help="where everything comes to")
    p.add_argument("--epochs", type=positive_int, default=10, metavar="N", help="number of epochs (default 10)")
    p.add_argument("--columns", type=positive_int, default=384, metavar="N", help="columns of a chip (default 384)")
    p.add_argument(
        "--flashlvl",
        nargs="+",
        type=float,
        default=[0.0, 6.0, 12.0, 33.0, 116.0],
        metavar="LEVEL",
        help="post-flash levels [e-/px] (default: 0 6 12 33 116)",
    )
    p.add_argument("--ctecorr", choices=["flt", "flc"], default="flt", help="FLT (default) or FLC")
    p.add_argument("--seed", type=int, default=0, help="of the simulation (default 0)")
    add_jobs(p)
    p.set_defaults(run=_run)


def _run(args):
    from wfc3_cte_monitor.outputs import make_folder
    from wfc3_cte_monitor.pipeline.recipe import run
    from wfc3_cte_monitor.pipeline.validate import validate

    folder, ctecorr = args.folder.resolve(), args.ctecorr == "flc"
    _simulate(args, folder, ctecorr)
    settings = read_settings(set_up(default_answers(folder), keep_config=True))
    plots = ("cte_time", "cte_logflux", "cte_flashlvl")
    summary = run(Request("all", aprads=(3,), plots=plots, ctecorr=(ctecorr,), jobs=args.jobs), settings)
    if summary.interrupted:
        raise KeyboardInterrupt
    if summary.exit_code:
        raise ConfigurationError(f"{folder}: the run over it failed: {summary.broken_off or summary.failures[0]}")
    try:
        found = validate(folder, settings, ctecorr)
    except NotEnoughPointsError as error:
        raise ConfigurationError(f"{folder}: {error}: too few stars or epochs; more --epochs or --columns") from error
    _write(found, make_folder(folder / "validation"), ctecorr)
    print("\n".join(_lines(found.checks)))
    failed = sum(not check.passed for check in found.checks)
    print(
        f"{len(found.checks) - failed} of {len(found.checks)} checks passed; figure and tables in {folder}/validation"
    )
    return 1 if failed else 0


def _simulate(args, folder, ctecorr):
    """Only where nothing is yet: to look again at what there is takes seconds."""
    from wfc3_cte_monitor import simulate
    from wfc3_cte_monitor.pipeline.validate import LENGTH, TARGET

    if (folder / "truth" / "surface.ecsv").is_file():
        print(f"{folder}: is used as it was simulated before", file=sys.stderr)
        return
    plan = simulate.default_plan(
        n_epochs=args.epochs,
        targets=(TARGET,),
        flashlvls=tuple(args.flashlvl),
        lengths=(LENGTH,),
        ctecorr=(ctecorr,),
    )
    simulate.simulate_observatory(folder, plan, seed=args.seed, n_columns=args.columns, jobs=args.jobs)


def _write(found, folder, ctecorr):
    from wfc3_cte_monitor.outputs import replace_file, write_table
    from wfc3_cte_monitor.pipeline.drawing import save
    from wfc3_cte_monitor.plots import plot_validation

    title = f"Closure on simulated {'FLC' if ctecorr else 'FLT'} exposures of NGC 104, F502N, long, r = 3 px"
    save(plot_validation(found.losses, found.corrected, found.left_out, title=title), folder / "validation.png")
    for name in _TABLES:
        write_table(getattr(found, name), folder / f"{name}.ecsv")
    text = "\n".join(_lines(found.checks)) + "\n"
    replace_file(folder / "checks.txt", lambda new: new.write_text(text, encoding="utf-8"))


def _lines(checks):
    yield f"{'':6s}{'value':>9s}{'error':>9s}   {'limits':16s} check"
    for check in checks:
        error = f"{check.error:9.4f}" if check.error == check.error else " " * 9
        word = "ok" if check.inside else "near" if check.passed else "FAILED"
        yield f"{word:6s}{check.value:9.4f}{error}   {f'{check.low:g} .. {check.high:g}':16s} {check.name}"
    if any(check.passed and not check.inside for check in checks):
        yield "near: outside of its limits, by no more than three of its standard errors"
