"""From new files to aligned exposures: ``run_tweakreg``, ``run_adriz`` and ``build_master_catalog``."""

from pathlib import Path

from wfc3_cte_monitor.commands.common import (
    HelpFormatter,
    add_config,
    add_jobs,
    load_settings,
    positive_int,
    positive_number,
    say,
    visit,
)
from wfc3_cte_monitor.commands.completion import completed, configured
from wfc3_cte_monitor.commands.subsets import add_field
from wfc3_cte_monitor.errors import ConfigurationError

__all__ = ["add_parsers"]


def add_parsers(commands):
    """Add the commands to the tool box."""
    _add_tweakreg(commands)
    _add_adriz(commands)
    _add_build(commands)


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
        formatter_class=HelpFormatter,
    )
    p.add_argument("--force", action="store_true", help="align again what was aligned already")
    add_config(p)
    add_jobs(p)
    p.set_defaults(run=_run_tweakreg)


def _run_tweakreg(args):
    from wfc3_cte_monitor.pipeline.align import align_newdata

    settings = load_settings(args)
    if not settings.path_to_newdata.is_dir():
        raise ConfigurationError(f"path_to_data: no folder {settings.path_to_newdata}")
    return _closed(align_newdata(settings, args.jobs, args.force))


def _closed(summary):
    """Print a summary; the exit code."""
    say(summary.lines())
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
        formatter_class=HelpFormatter,
    )
    option = p.add_argument("--pr", default="last", metavar="SET", help="all, last (default) or a program number")
    completed(option, configured("program_list", "all", "last"))
    p.add_argument(
        "--v", nargs="+", default=[], type=visit, metavar="VISIT", help="only these visits, such as 3 4 or 0A"
    )
    add_config(p)
    add_jobs(p)
    p.set_defaults(run=_run_adriz)


def _run_adriz(args):
    from wfc3_cte_monitor.pipeline.mask import make_masks
    from wfc3_cte_monitor.pipeline.prepare import choose_programs

    settings = load_settings(args)
    return _closed(make_masks(choose_programs(args.pr, settings), args.v, settings, args.jobs))


def _add_build(commands):
    p = commands.add_parser(
        "build_master_catalog",
        help="make a master catalogue from exposures",
        description="Align the FLC exposures of a cluster in data/newdata and data/<program> to each other (or to the "
        "master catalogue that there is, or to --refcat), combine them with AstroDrizzle, find the stars and measure "
        "them on every exposure. Writes data/master_cat/final/<target>_master.cat (id x y ra dec) and beside it "
        "<target>_<filter>_master.ecsv with fluxes, flags, crowding and saturation. Stars that were in the catalogue "
        "before keep their ids, and none is dropped: a second filter adds its stars. The exposures stay as they are.",
        epilog="examples:\n  uvis_external_cte build_master_catalog --target ngc104 --filter F502N\n"
        "  uvis_external_cte build_master_catalog --target ngc104 --filter F606W --pr 12379 --refcat gaia.ecsv\n\n"
        "exit code: 0 all well, 1 an exposure could not take part, 2 no catalogue could be made, bad arguments or "
        "configuration",
        formatter_class=HelpFormatter,
    )
    what = p.add_mutually_exclusive_group(required=True)
    option = what.add_argument("--target", help="of target_list, such as ngc104")
    completed(option, configured("target_list"))
    add_field(what)
    option = p.add_argument("--filter", required=True, help="of filter_list, such as F502N")
    completed(option, configured("filter_list"))
    option = p.add_argument("--pr", nargs="+", type=int, metavar="PROGRAM", help="only exposures of these programs")
    completed(option, configured("program_list"))
    p.add_argument("--v", nargs="+", default=[], type=visit, metavar="VISIT", help="only these visits, such as 3 or 0A")
    p.add_argument(
        "--refcat",
        type=Path,
        metavar="FILE",
        help="align to this catalogue: a table with columns ra and dec in degrees (ECSV, FITS, VOTable, CSV), such as "
        "Gaia's, or a .cat file",
    )
    p.add_argument(
        "--at-most",
        type=positive_int,
        default=8,
        metavar="N",
        help="exposures to use, of the earliest visits (default 8)",
    )
    p.add_argument("--sigma", type=positive_number, default=5.0, metavar="N", help="detection limit (default 5)")
    add_config(p)
    add_jobs(p)
    p.set_defaults(run=_run_build)


def _run_build(args):
    from wfc3_cte_monitor.catalogs import read_reference
    from wfc3_cte_monitor.pipeline.build import build_master_catalog

    settings = load_settings(args)
    target = args.target or settings.off_fields[settings.subset.field]
    for value, name in ((target, "target_list"), (args.filter, "filter_list")):
        if value not in getattr(settings, name):
            raise ConfigurationError(f"{value}: not in {name} ({', '.join(getattr(settings, name))})")
    summary = build_master_catalog(
        target,
        args.filter,
        settings,
        programs=args.pr,
        visits=args.v,
        reference=read_reference(args.refcat) if args.refcat else None,
        at_most=args.at_most,
        n_sigma=args.sigma,
        jobs=args.jobs,
    )
    return _closed(summary)
