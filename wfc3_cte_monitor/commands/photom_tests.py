"""``uvis_external_cte photom_tests_modeldata``: the engines of photometry on model stars."""

import sys
from pathlib import Path

from wfc3_cte_monitor.commands.common import add_config, examples, load_settings, positive_int

__all__ = ["add_parser"]

PROGRAM = "uvis_external_cte photom_tests_modeldata"

_FOLDER = "photom_tests"


def add_parser(commands):
    """Add the command to the tool box."""
    p = commands.add_parser(
        "photom_tests_modeldata",
        help="compare the engines of photometry on model stars",
        description="Measure model stars of known flux and place with every engine of photometry, and compare with the "
        "truth: flux against aperture radius, centres against the place in the pixel and the flux, time per star. "
        "Without IRAF the Python engine alone takes part, which a line says. Writes photom_tests.png and the tables "
        "photom_tests_apertures.txt, _phases.txt and _centres.txt (ECSV).",
        **examples("uvis_external_cte photom_tests_modeldata --folder somewhere"),
    )
    p.add_argument(
        "--folder",
        type=Path,
        help=f"where to write (default: {_FOLDER} in the outputs of the configuration, which --folder does without)",
    )
    p.add_argument(
        "--side", type=positive_int, default=30, metavar="N", help="N x N stars per image (default 30: 900 stars)"
    )
    p.add_argument("--seed", type=int, default=0, help="of places and noise (default 0)")
    add_config(p)
    p.set_defaults(run=_run)


def _run(args):
    from wfc3_cte_monitor.outputs import make_folder, write_table
    from wfc3_cte_monitor.pipeline.drawing import save
    from wfc3_cte_monitor.pipeline.model_stars import compare, engines_here, make_stars
    from wfc3_cte_monitor.plots import plot_photom_tests

    folder = make_folder(args.folder or Path(load_settings(args).path_to_outputs) / _FOLDER)
    engines, missing = engines_here()
    if missing:
        print(f"{PROGRAM}: {missing}", file=sys.stderr)
    tables = compare(make_stars(args.side, args.seed), engines, seed=args.seed)
    for name, table in zip(("apertures", "phases", "centres"), tables, strict=True):
        write_table(table, folder / f"{_FOLDER}_{name}.txt")
        _show(table)
    title = f"{', '.join(engines)}: photometry of {args.side**2} model stars"
    save(plot_photom_tests(*tables, title=title), folder / f"{_FOLDER}.png")
    print(f"{folder / _FOLDER}.png")
    return 0


def _show(table):
    shown = table.copy()
    for name in shown.colnames:
        if shown[name].dtype.kind == "f":
            shown[name].format = ".4g"
    print("\n".join(shown.pformat(max_lines=-1, max_width=-1)), end="\n\n")
