"""The tool box: set-up, database, retrieval, simulation."""
# PYTHON_ARGCOMPLETE_OK

import sys
from pathlib import Path

from wfc3_cte_monitor import __version__
from wfc3_cte_monitor.commands import (
    check_newdata,
    coefficients,
    compare,
    correct,
    database,
    model_on_reality,
    photom_tests,
    preparation,
    report,
    retrieve,
    same_chip,
    setup,
    validate,
)
from wfc3_cte_monitor.commands.common import CommandParser, add_jobs, examples, guarded, positive_int
from wfc3_cte_monitor.commands.completion import complete
from wfc3_cte_monitor.settings import CONFIG_VARIABLE

__all__ = ["main"]

PROGRAM = "uvis_external_cte"


def parser():
    """The argument parser."""
    p = CommandParser(
        prog=PROGRAM,
        description="Tools of the WFC3/UVIS external CTE monitor.",
        **examples(
            "uvis_external_cte initial_setup --folder ~/uvis_cte",
            "uvis_external_cte check_newdata",
            "uvis_external_cte database status",
            more="Each command has a --help of its own, with examples.",
        ),
    )
    p.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = p.add_subparsers(title="commands", required=True, metavar="COMMAND")
    setup.add_parser(commands)
    check_newdata.add_parser(commands)
    database.add_parsers(commands)
    retrieve.add_parser(commands)
    preparation.add_parsers(commands)
    photom_tests.add_parser(commands)
    same_chip.add_parser(commands)
    model_on_reality.add_parser(commands)
    correct.add_parser(commands)
    coefficients.add_parser(commands)
    compare.add_parser(commands)
    report.add_parser(commands)
    _add_simulate(commands)
    validate.add_parser(commands)
    return p


def main(argv=None):
    """Entry point; returns the exit code."""
    p = parser()
    complete(p)
    args = p.parse_args(argv)
    return guarded(args.run, args, PROGRAM)


# ---- Simulation ------------------------------------------------------------------------------------------------------


def _add_simulate(commands):
    p = commands.add_parser(
        "simulate",
        help="simulate an observatory with a known CTE loss",
        description="Write FLT and FLC exposures of star clusters on real UVIS headers, master catalogues, pixel area "
        "maps and a configuration to run the monitor with; the truth lies beside, in truth/.",
        **examples(
            "uvis_external_cte simulate somewhere",
            "uvis_external_cte simulate somewhere --targets ngc104 --lengths l --flashlvl 0 --columns 96",
            "uvis_external_cte simulate rehearsal --archive --epochs 2",
        ),
    )
    p.add_argument("destination", type=Path, metavar="FOLDER", help="where the observatory is made")
    p.add_argument("--seed", type=int, default=0, help="the same seed gives the same files (default 0)")
    p.add_argument("--epochs", type=positive_int, default=4, metavar="N", help="epochs per cluster (default 4)")
    p.add_argument(
        "--targets",
        nargs="+",
        default=["ngc104", "ngc6791"],
        choices=["ngc104", "ngc6791", "ngc6583"],
        help="clusters (default: ngc104 ngc6791)",
        metavar="TARGET",
    )
    p.add_argument(
        "--flashlvl",
        nargs="+",
        type=float,
        default=[0.0, 12.0],
        metavar="LEVEL",
        help="post-flash levels [e-/px] (default: 0 12)",
    )
    p.add_argument(
        "--lengths",
        nargs="+",
        default=["s", "l"],
        choices=["s", "l"],
        metavar="s|l",
        help="short and long exposures (default: both)",
    )
    p.add_argument(
        "--columns",
        type=positive_int,
        default=256,
        metavar="N",
        help="columns of a chip (default 256; only rows matter to CTE)",
    )
    p.add_argument("--full-frame", action="store_true", help="all 4096 columns")
    p.add_argument(
        "--archive",
        action="store_true",
        help="as the archive delivers them: all exposures in FOLDER/archive, their pointing wrong by up to 0.5 arcsec "
        "and 0.05 degrees, nothing in data; the master catalogues lie beside the truth",
    )
    p.add_argument("--oddities", action="store_true", help="add exposures that nominal runs must leave out")
    add_jobs(p)
    p.set_defaults(run=_simulate)


def _simulate(args):
    from tqdm import tqdm

    from wfc3_cte_monitor import simulate

    plan = simulate.default_plan(
        n_epochs=args.epochs,
        targets=tuple(args.targets),
        flashlvls=tuple(args.flashlvl),
        lengths=tuple(args.lengths),
        oddities=args.oddities,
        **({"wcs_error": 0.5, "roll_error": 0.05} if args.archive else {}),
    )
    config = setup.set_up(setup.default_answers(args.destination.resolve()), keep_config=True)
    total = sum(len(exposure.variants) for exposure in plan)
    with tqdm(total=total, unit="file", disable=not sys.stderr.isatty()) as bar:
        paths = simulate.simulate_observatory(
            args.destination,
            plan,
            seed=args.seed,
            n_columns=args.columns,
            full_frame=args.full_frame,
            archive=args.archive,
            jobs=args.jobs,
            progress=lambda path: bar.update(),
        )
    folder = args.destination / ("archive" if args.archive else "data")
    print(f"{len(paths)} exposures in {folder}, the truth in {args.destination / 'truth'}")
    if args.archive:
        newdata = args.destination / "data" / "newdata"
        print(f"as if they came from the archive: cp {folder}/*.fits {newdata}; then uvis_external_cte check_newdata,")
        print("build_master_catalog for each cluster, and then")
    print(f"run_uvis_external_cte --pr all --config {config}   (or export {CONFIG_VARIABLE}={config})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
