"""``uvis_external_cte compare_results``: the same pairs, measured twice."""

from pathlib import Path

import numpy as np

from wfc3_cte_monitor.commands.common import add_config, add_engine, examples, load_settings
from wfc3_cte_monitor.commands.completion import completed, files
from wfc3_cte_monitor.commands.subsets import add_field

__all__ = ["add_parser"]

_STRIKING = 3.0


def add_parser(commands):
    """Add the command to the tool box."""
    p = commands.add_parser(
        "compare_results",
        help="compare the losses of two databases or folders of slope files",
        description="Compare the losses of the pairs that A and B both have: IRAF with Python, before with after a "
        "recalibration. A and B are SQLite files, URLs of databases, _slopes.txt files or folders of them. Writes the "
        "mean difference B - A of each set and flux bin with its significance (compare_results_r<ap>.txt, ECSV, and as "
        "figures .png, .pdf) and every pair (compare_results_pairs.txt).",
        **examples(
            "uvis_external_cte compare_results database/uvis_external_cte.db database/uvis_external_cte_iraf.db",
            "uvis_external_cte compare_results before.db database/uvis_external_cte.db --folder recalibration",
        ),
    )
    option = p.add_argument("a", metavar="A", help="such as database/uvis_external_cte.db")
    completed(option, files)
    option = p.add_argument("b", metavar="B", help="such as database/uvis_external_cte_iraf.db")
    completed(option, files)
    p.add_argument(
        "--folder", type=Path, help="where to write (default: compare_results in the outputs of the configuration)"
    )
    add_config(p)
    add_engine(p)
    add_field(p)
    p.set_defaults(run=_run)


def _run(args):
    from wfc3_cte_monitor.outputs import make_folder, write_table
    from wfc3_cte_monitor.pipeline.compare import compare_losses, losses_in, summarised

    settings = load_settings(args)
    both = compare_losses(*(losses_in(source, settings) for source in (args.a, args.b)))
    folder = make_folder(args.folder or settings.path_to_outputs / "compare_results")
    write_table(both, folder / "compare_results_pairs.txt")
    summary = summarised(both, settings.loss_unit)
    for aperture in np.unique(summary["aperture"]) if len(summary) else ():
        _write(summary[summary["aperture"] == aperture], aperture, folder, args)
    _say(summary, both)
    print(f"in {folder}")
    return 0 if len(both) else 1


def _write(summary, aperture, folder, args):
    from wfc3_cte_monitor.outputs import write_table
    from wfc3_cte_monitor.pipeline.drawing import save
    from wfc3_cte_monitor.plots import plot_comparison

    path = folder / f"compare_results_r{aperture:g}.png"
    summary.meta |= {"a": args.a, "b": args.b}
    write_table(summary, path.with_suffix(".txt"))
    title = f"B − A   r = {aperture:g} px   A {Path(args.a).name}   B {Path(args.b).name}"
    save(plot_comparison(summary, title=title), path)


def _say(summary, both):
    if not len(summary):
        print("A and B have no pair, aperture and flux bin in common (FLT and FLC are different pairs)")
        return
    print(f"{len(both)} losses of both, {len(summary)} sets and flux bins")
    shown = summary[np.abs(summary["significance"]) >= _STRIKING]
    print(f"{len(shown)} differ by {_STRIKING:g} standard errors or more")
    for row in shown:
        kind = f"pf{row['flashlvl']:g} {'FLC' if row['ctecorr'] else 'FLT'} r{row['aperture']:g}"
        on = f" chip {row['chip']}" if row["chip"] else ""
        where = f"{row['target']}{on} {row['filter']} {row['length']} {kind} {row['lo']:g}-{row['hi']:g} e-"
        value = f"{row['difference']:+.4f} +- {row['difference_err']:.4f}"
        print(f"  {where}: {value} ({row['significance']:+.1f} sigma, {row['n_pairs']} pairs)")
