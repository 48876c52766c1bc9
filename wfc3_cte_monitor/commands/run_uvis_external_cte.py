"""The wrapper: exposures in, database, figures and coefficients out."""
# PYTHON_ARGCOMPLETE_OK

import sys

from wfc3_cte_monitor import __version__
from wfc3_cte_monitor.commands.common import (
    CommandParser,
    HelpFormatter,
    add_config,
    add_engine,
    add_jobs,
    add_scheduler,
    guarded,
    load_settings,
    report,
    visit,
    yes_no,
)
from wfc3_cte_monitor.commands.completion import complete, completed, configured
from wfc3_cte_monitor.commands.subsets import add_subsets
from wfc3_cte_monitor.errors import ConfigurationError
from wfc3_cte_monitor.pipeline.request import PLOTS, SAME_CHIP, SAME_CHIP_PLOTS, Request

__all__ = ["main"]

PROGRAM = "run_uvis_external_cte"

_CTECORR = {"flt": (False,), "flc": (True,), "both": (False, True)}

_EXAMPLES = """\
examples:
  a new epoch, everything:                 run_uvis_external_cte --pr last
  after a recalibration:                   run_uvis_external_cte --pr all
  two visits of one program:               run_uvis_external_cte --pr 14012 --v 3 4
  only the figures of slopes, r = 3:        run_uvis_external_cte --pr 12379 --ap 3 --pl ratio_ypos
  the same-chip set:                       run_uvis_external_cte --pr 180
  exposures with charge injection:         run_uvis_external_cte --pr 12348 --chinject CONT
  results from the database as it is:      run_uvis_external_cte --pr all --dofind n --dophot n

exit code: 0 all well, 1 something failed (the summary says what), 2 bad arguments or configuration, or broken off, such
as by a full disk, 130 interrupted (Ctrl-C), 143 ended (SIGTERM)
"""


def parser():
    """The argument parser."""
    p = CommandParser(
        prog=PROGRAM,
        description="Measure the CTE loss of WFC3/UVIS from exposure pairs: photometry, slopes, figures, coefficients.",
        epilog=_EXAMPLES,
        formatter_class=HelpFormatter,
    )
    _add_selection(p)
    add_subsets(p)
    _add_steps(p)
    _add_results(p)
    add_config(p)
    add_jobs(p)
    add_scheduler(p)
    p.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return p


def _add_selection(p):
    """What to work on."""
    option = p.add_argument(
        "--pr",
        required=True,
        metavar="SET",
        help="all, last (newest listed program that has data), 180 (the same-chip set) or a program number",
    )
    completed(option, configured("program_list", "all", "last", SAME_CHIP))
    p.add_argument(
        "--v", nargs="+", default=[], type=visit, metavar="VISIT", help="only these visits, such as 3 4 or 0A"
    )
    option = p.add_argument(
        "--flashlvl",
        nargs="+",
        type=float,
        default=[],
        metavar="LEVEL",
        help="only these post-flash levels [e-/px] (default: all of the configuration)",
    )
    completed(option, configured("flashlvl_list"))
    p.add_argument("--ctecorr", choices=sorted(_CTECORR), default="both", help="only FLT, only FLC, or both (default)")


def _add_steps(p):
    """What to do with it."""
    p.add_argument(
        "--dotweak",
        type=yes_no,
        default=True,
        metavar="y|n",
        help="first align what lies in newdata and move it to its program (default y; never for a subset); see "
        "uvis_external_cte run_tweakreg",
    )
    p.add_argument(
        "--doadriz",
        type=yes_no,
        default=True,
        metavar="y|n",
        help="make cosmic-ray masks for the visits that came from newdata (default y); see uvis_external_cte run_adriz",
    )
    p.add_argument(
        "--dofind",
        type=yes_no,
        default=True,
        metavar="y|n",
        help="find the catalogue stars on the images (default y); with n the positions of the .coo files are used",
    )
    p.add_argument(
        "--dophot",
        type=yes_no,
        default=True,
        metavar="y|n",
        help="do photometry (default y); with n that of the database is used",
    )
    p.add_argument(
        "--force",
        action="store_true",
        help="measure exposures and pairs again that are unchanged: the same file, configuration and code as in the "
        "database; else they are left as they are and the summary counts them",
    )
    p.add_argument(
        "--retry-failed",
        action="store_true",
        help="try again the exposures that could not be measured before, though neither they nor the configuration or "
        "the code have changed; else the summary repeats what was wrong",
    )
    add_engine(
        p,
        "photometry by IRAF's phot (default n), into a database and output folders of its own, whose names end in "
        "_iraf; with --dophot n figures of that database. Needs Debian's packages iraf and iraf-noao",
    )
    p.add_argument(
        "--maskcr",
        type=yes_no,
        default=True,
        metavar="y|n",
        help="use the cosmic-ray masks where there are any (default y); else an exposure's own pixels must tell",
    )

    option = p.add_argument(
        "--dq",
        metavar="NAME",
        help="take other data-quality bits for bad pixels than bad_dq_bits: those of this name in the configuration's "
        "dq_choices, into a database and output folders of their own, whose names end in _dqNAME",
    )
    completed(option, configured("dq_choices"))


def _add_results(p):
    """What becomes of the results."""
    p.add_argument(
        "--i",
        type=yes_no,
        default=True,
        metavar="y|n",
        help="insert into the database (default y); with n "
        "everything is done as usual and the database is left as it was",
    )
    option = p.add_argument(
        "--ap",
        nargs="+",
        type=float,
        metavar="RADIUS",
        help="apertures [px] to write and draw, of those in the configuration, which are all measured (default: all)",
    )
    completed(option, configured("aprads"))
    p.add_argument(
        "--pl",
        nargs="+",
        default=None,
        choices=[*dict.fromkeys((*PLOTS, *SAME_CHIP_PLOTS)), "none"],
        metavar="PLOT",
        help=f"figures to make: {', '.join(PLOTS)}, with --pr 180 {', '.join(SAME_CHIP_PLOTS)} (default: all of "
        "these), or none",
    )
    p.add_argument(
        "--through1",
        type=yes_no,
        default=False,
        metavar="y|n",
        help="with --pr 180 also draw the losses from lines that are forced through a flux ratio of 1 at the middle "
        "row (default n); the difference is quoted as a systematic uncertainty in either case",
    )
    p.add_argument(
        "--report",
        type=yes_no,
        default=True,
        metavar="y|n",
        help="write the web page, report/index.html among the final results (default y); uvis_external_cte report "
        "writes it later",
    )
    p.add_argument(
        "--ao",
        type=yes_no,
        default=True,
        metavar="y|n",
        help="copy the results to path_to_automated_outputs, where the configuration has one (default y)",
    )


def request_of(args, settings):
    """What the arguments ask for.

    Raises
    ------
    ConfigurationError
        An argument asks for what the configuration does not have.
    """
    from wfc3_cte_monitor.pipeline.prepare import choose_programs

    choose_programs(args.pr, settings)  # A wrong name is said before anything is done.
    return Request(
        programs=args.pr,
        visits=tuple(args.v),
        aprads=_chosen("--ap", args.ap, settings.aprads, "aprads"),
        plots=_plots(args),
        insert=args.i,
        find=args.dofind,
        photometry=args.dophot,
        flashlvls=_chosen("--flashlvl", args.flashlvl, settings.flashlvl_list, "flashlvl_list"),
        ctecorr=_CTECORR[args.ctecorr],
        report=args.report,
        copy_outputs=args.ao,
        jobs=args.jobs,
        force=args.force,
        retry_failed=args.retry_failed,
        scheduler=args.scheduler,
        maskcr=args.maskcr,
        # What lies in newdata is aligned, or moved as it is, by the nominal rules alone.
        tweak=args.dotweak and not settings.subset,
        adriz=args.doadriz,
    )


def _plots(args):
    """The figures to make; with --through1 those of the same-chip set twice."""
    possible = SAME_CHIP_PLOTS if args.pr == SAME_CHIP else PLOTS
    wanted = possible if args.pl is None else tuple(name for name in args.pl if name != "none")
    unknown = [name for name in wanted if name not in possible]
    if unknown:
        raise ConfigurationError(f"--pl {unknown[0]}: with --pr {args.pr} there are {', '.join(possible)}")
    forced = (f"{name}_mid" for name in wanted if name != "ratio_ypos") if args.through1 else ()
    return () if "none" in (args.pl or ()) else (*wanted, *forced)


def _chosen(flag, wanted, legal, name):
    unknown = [value for value in wanted or () if value not in legal]
    if unknown:
        raise ConfigurationError(f"{flag} {unknown[0]:g}: not in {name} ({', '.join(f'{v:g}' for v in legal)})")
    return tuple(value for value in legal if not wanted or value in wanted)


def settings_of(args):
    """The configuration, with what the arguments choose from it.

    Raises
    ------
    ConfigurationError
        There is no such choice.
    """
    settings = load_settings(args)
    if args.dq is None:
        return settings
    if args.dq.lower() not in settings.dq_choices:
        raise ConfigurationError(f"--dq {args.dq}: not in dq_choices ({', '.join(settings.dq_choices)})")
    return settings.with_dq(args.dq.lower())


def _run(args):
    from wfc3_cte_monitor.iraf import require_iraf
    from wfc3_cte_monitor.pipeline.recipe import run

    settings = settings_of(args)
    if args.irafphot and args.dophot:
        require_iraf()
    return report(run(request_of(args, settings), settings), PROGRAM)


def main(argv=None):
    """Entry point; returns the exit code."""
    p = parser()
    complete(p)
    return guarded(_run, p.parse_args(argv), PROGRAM)


if __name__ == "__main__":
    sys.exit(main())
