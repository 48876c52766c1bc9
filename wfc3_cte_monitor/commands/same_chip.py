"""``uvis_external_cte cte180test_plots``: the same-chip set over nominal pairs, from the database as it is."""

from wfc3_cte_monitor.commands.common import add_config, add_engine, add_jobs, examples, load_settings, report
from wfc3_cte_monitor.pipeline.request import SAME_CHIP, Request

__all__ = ["add_parser"]

_PLOTS = ("180cte_logflux", "180cte_logflux_mid")


def add_parser(commands):
    """Add the command to the tool box."""
    p = commands.add_parser(
        "cte180test_plots",
        help="draw the same-chip set over nominal pairs",
        description="Draw the losses of the same-chip set (180-degree rolls, NGC 6583) against log flux, over those of "
        "the nominal NGC 104 pairs of the same program, from the database as it is: from free lines, and from lines "
        "forced through a flux ratio of 1 at the middle row. Figures (PNG, PDF) and tables come to 180cte_expt in the "
        "newest results.",
        **examples("uvis_external_cte cte180test_plots"),
    )
    add_config(p)
    add_engine(p)
    add_jobs(p)
    p.set_defaults(run=_run)


def _run(args):
    from wfc3_cte_monitor.pipeline.recipe import run

    request = Request(SAME_CHIP, plots=_PLOTS, find=False, photometry=False, tweak=False, jobs=args.jobs, force=True)
    summary = run(request, load_settings(args))
    return report(summary, "uvis_external_cte")
