"""From new files to aligned exposures: ``run_tweakreg``, ``run_adriz`` and ``build_master_catalog``."""

import argparse

from wfc3_cte_monitor.commands.common import add_config, add_jobs, load_settings, visit
from wfc3_cte_monitor.errors import ConfigurationError
from wfc3_cte_monitor.pipeline.align import align_newdata
from wfc3_cte_monitor.pipeline.mask import make_masks
from wfc3_cte_monitor.pipeline.prepare import choose_programs

__all__ = ["add_parsers"]


def add_parsers(commands):
    """Add the commands to the tool box."""
    _add_tweakreg(commands)
    _add_adriz(commands)


def _add_tweakreg(commands):
    p = commands.add_parser(
        "run_tweakreg",
        help="align what lies in newdata, and move it to data/<program>",
        description="Align every FLC in data/newdata to the master catalogue of its target with TweakReg, give its "
        "FLT the same WCS, and move both to data/<program>. A fit is judged by its matches, rms, shift, rotation, and "
        "by where the stars are afterwards (alignment_limits in the configuration); what cannot be trusted stays in "
        "newdata, as it was, with its reason. Look through outputs/tweakreg: hist2d_*.png should be centred, "
        "residuals_*.png even, vector_*.png random; alignments.txt has the numbers.",
        epilog="example:\n  uvis_external_cte run_tweakreg --jobs 4\n\n"
        "exit code: 0 all well, 1 something stays in newdata, 2 bad arguments or configuration",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--force", action="store_true", help="align again what was aligned already")
    add_config(p)
    add_jobs(p)
    p.set_defaults(run=_run_tweakreg)


def _run_tweakreg(args):
    settings = load_settings(args)
    if not settings.path_to_newdata.is_dir():
        raise ConfigurationError(f"path_to_data: no folder {settings.path_to_newdata}")
    return _closed(align_newdata(settings, args.jobs, args.force))


def _closed(summary):
    """Print a summary; the exit code."""
    print("\n".join(summary.lines()))
    return 1 if summary.failures else 0


def _add_adriz(commands):
    p = commands.add_parser(
        "run_adriz",
        help="make cosmic-ray masks and measure the sky with AstroDrizzle",
        description="Compare the exposures of each visit, of the same field, filter and length, with AstroDrizzle: "
        "cosmic-ray masks <rootname>_sci<1|2>_crmask.fits in outputs/crmasks (0 is a hit; sci1 is UVIS2, sci2 UVIS1), "
        "and MDRIZSKY in the headers of FLC and FLT. Where no second exposure looks L.A.Cosmic fills in. crmasks.txt "
        "says how much of the stars' cores a mask takes; a run flags stars that a mask touches and alters none.",
        epilog="example:\n  uvis_external_cte run_adriz --pr 14012 --v 3 4\n\n"
        "exit code: 0 all well, 1 something failed, 2 bad arguments or configuration",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--pr", default="last", metavar="SET", help="all, last (default) or a program number")
    p.add_argument(
        "--v", nargs="+", default=[], type=visit, metavar="VISIT", help="only these visits, such as 3 4 or 0A"
    )
    add_config(p)
    add_jobs(p)
    p.set_defaults(run=_run_adriz)


def _run_adriz(args):
    settings = load_settings(args)
    return _closed(make_masks(choose_programs(args.pr, settings), args.v, settings, args.jobs))
