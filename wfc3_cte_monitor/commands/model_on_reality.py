"""``uvis_external_cte plot_model_on_reality``: the model over the measured losses, from the database as it is."""

from wfc3_cte_monitor.commands.common import add_config, add_engine, add_jobs, examples, load_settings, report
from wfc3_cte_monitor.commands.completion import completed, configured
from wfc3_cte_monitor.commands.subsets import add_subsets
from wfc3_cte_monitor.pipeline.request import Request

__all__ = ["add_parser"]


def add_parser(commands):
    """Add the command to the tool box."""
    p = commands.add_parser(
        "plot_model_on_reality",
        help="draw the model over the measured losses against time",
        description="Draw, for each set in the database, the losses of all pairs against time with the model and its "
        "standard error, a panel per flux bin with the residuals under it. Figures (PNG, PDF) and tables come to "
        "model_on_reality in the newest results.",
        **examples(
            "uvis_external_cte plot_model_on_reality --ap 3",
            "uvis_external_cte plot_model_on_reality --irafphot y",
        ),
    )
    option = p.add_argument("--ap", nargs="+", type=float, metavar="RADIUS", help="apertures [px] (default: all)")
    completed(option, configured("aprads"))
    add_config(p)
    add_subsets(p)
    add_engine(p)
    add_jobs(p)
    p.set_defaults(run=_run)


def _run(args):
    from wfc3_cte_monitor.pipeline.recipe import run

    settings = load_settings(args)
    aprads = tuple(args.ap) if args.ap else settings.aprads
    off = {"find": False, "photometry": False, "tweak": False}
    request = Request("all", plots=("model_on_reality",), aprads=aprads, jobs=args.jobs, force=False, **off)
    summary = run(request, settings)
    return report(summary, "uvis_external_cte")
