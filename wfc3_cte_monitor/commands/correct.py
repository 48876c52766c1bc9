"""``uvis_external_cte correct``: a list of stars without the loss, or the answer to one question."""

import argparse
from pathlib import Path

import numpy as np

from wfc3_cte_monitor.commands.common import (
    HelpFormatter,
    add_config,
    load_settings,
    newest_coefficients,
    positive_number,
    yes_no,
)
from wfc3_cte_monitor.commands.completion import completed, configured
from wfc3_cte_monitor.commands.subsets import add_subsets, asks_for_subset
from wfc3_cte_monitor.errors import ConfigurationError
from wfc3_cte_monitor.records import CorrectionFlag
from wfc3_cte_monitor.uvis import IN_SPACE

__all__ = ["add_parser", "EXAMPLES"]

EXAMPLES = """\
examples:
  stars of an FLT:  uvis_external_cte correct in.ecsv -o out.ecsv --image ibxx01aaq_flt.fits --chip 2 --background 9
  other files:      uvis_external_cte correct in.csv -o out.csv --coeffs some/ --mjd 57800 --exptime 350 --background 9
  one question:     uvis_external_cte correct --what-if --mjd 57800 --flux 700 --background 14 --y 1800 --chip 2
  planning:         uvis_external_cte correct --plan --mjd 61000 --flux 700
"""

_POORLY_KNOWN = 0.1
"""Standard error of a correction above which it is said to be [mag]: it may do more harm than good."""
_PLANNED = (1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 20.0, 30.0, 40.0, 60.0, 90.0, 120.0)
"""Backgrounds of a plan [e-/px]."""


def add_parser(commands):
    """Add the command to the tool box."""
    p = commands.add_parser(
        "correct",
        help="correct a list of stars for the loss",
        description="Correct a list of stars (FITS, ECSV, CSV, DAOPHOT or other text) with the monitor's coefficients: "
        "the same format comes out, with columns flux_cte or mag_cte, cte_correction, cte_correction_err, cte_flags. "
        "What it was corrected with stands in it, or, where the format has no place for it, in OUT_provenance.txt.",
        epilog=EXAMPLES,
        formatter_class=HelpFormatter,
    )
    p.add_argument("catalog", nargs="?", type=Path, metavar="CATALOG", help="the list of stars")
    p.add_argument("-o", "--output", type=Path, metavar="OUT", help="where the corrected list goes")
    what = p.add_mutually_exclusive_group()
    what.add_argument("--what-if", action="store_true", help="answer for one star: --flux, --y and --chip")
    what.add_argument("--plan", action="store_true", help="the loss far from the amplifier against the background")
    p.add_argument(
        "--coeffs",
        type=Path,
        metavar="PATH",
        help="a coefficient file, or a folder of them (default: the newest results of the configuration)",
    )
    p.add_argument("--db", action="store_true", help="or fit the coefficients now, to all losses in the database")
    p.add_argument("--image", type=Path, metavar="FITS", help="the exposure: date, exposure time, FLT or FLC")
    p.add_argument("--mjd", type=_date, help="or its date [MJD]")
    p.add_argument("--exptime", type=positive_number, help="and exposure time [s] (--what-if, --plan: default 350)")
    p.add_argument("--flc", type=yes_no, metavar="y|n", help="whether it is an FLC (default: what --image is, else n)")
    p.add_argument("--background", type=float, help="sky + post-flash + dark [e-/px]")
    option = p.add_argument("--flashlvl", type=float, help="or the post-flash level of the monitor to take [e-/px]")
    completed(option, configured("flashlvl_list"))
    p.add_argument("--chip", type=int, choices=(1, 2), help="where the list has no column of chips")
    zeropoint = p.add_mutually_exclusive_group()
    zeropoint.add_argument("--zeropoint", type=float, help="magnitude of 1 e-/s, for a list of magnitudes")
    zeropoint.add_argument(
        "--instrumental",
        type=float,
        metavar="MAG",
        help="or that of 1 e- in the whole exposure: 0 for hst1pass, 25 for DAOPHOT on an image in electrons",
    )
    p.add_argument("--aperture", type=float, help="radius of the coefficients [px] (default 3)")
    option = p.add_argument("--target", help="cluster of the coefficients (default ngc104)")
    completed(option, configured("target_list"))
    option = p.add_argument("--filter", help="filter of the coefficients (default F502N)")
    completed(option, configured("filter_list"))
    p.add_argument("--y", metavar="COLUMN|ROW", help="column of the rows (default: guessed); with --what-if the row")
    p.add_argument(
        "--flux", metavar="COLUMN|FLUX", help="column of the fluxes; with --what-if and --plan the flux [e-]"
    )
    p.add_argument("--mag", metavar="COLUMN", help="column of the magnitudes")
    p.add_argument("--chip-column", metavar="COLUMN", help="column of the chips")
    add_config(p)
    add_subsets(p)
    p.set_defaults(run=_run)


def _date(text):
    """A date of WFC3 in space."""
    value = float(text)
    if not IN_SPACE[0] <= value <= IN_SPACE[1]:
        since = f"WFC3 is in space since MJD {IN_SPACE[0]:g}"
        raise argparse.ArgumentTypeError(f"{text}: {since}; is it a year, or a Julian date?")
    return value


_date.__name__ = "date"


def _run(args):
    from wfc3_cte_monitor.outputs import read_star_list, write_star_list
    from wfc3_cte_monitor.pipeline.correct_list import columns_of, correct_list

    coefficients = _coefficients(args)
    if args.what_if or args.plan:
        return (_what_if if args.what_if else _plan)(args, coefficients)
    if not args.catalog:
        raise ConfigurationError("CATALOG, a list of stars, is needed, or --what-if, or --plan")
    if not args.output:
        raise ConfigurationError("-o OUT is needed: where the corrected list goes")
    stars = read_star_list(args.catalog)
    given = {"y": args.y, "chip": args.chip_column, "flux": args.flux, "mag": args.mag}
    columns = columns_of(stars.table.colnames, given)
    facts = _facts(args)
    if "chip" in facts and not args.chip_column:
        columns.pop("chip", None)  # What is said counts more than what is guessed.
    if "chip" in facts and args.chip_column:
        raise ConfigurationError("--chip and --chip-column: one of them")
    if "mjd" not in facts or "exptime" not in facts:
        raise ConfigurationError("the date and exposure time: --image FITS, or --mjd and --exptime")
    added, provenance = correct_list(stars, columns, coefficients, **facts)
    write_star_list(stars, added, args.output, provenance)
    for name, text in provenance.items():
        print(f"{name}: {text}")
    _count(added["cte_flags"])
    print(f"{args.output}: {len(added['cte_flags'])} stars")
    return 0


def _coefficients(args):
    """Those of files, of the newest results, or of the database as it is."""
    from wfc3_cte_monitor.pipeline.correct import find_coefficients
    from wfc3_cte_monitor.pipeline.database_fit import coefficients_in_database

    if args.coeffs and args.db:
        raise ConfigurationError("--coeffs and --db: one of them")
    if not args.db:
        return find_coefficients(args.coeffs or newest_coefficients(load_settings(args)))
    facts = {"target": "ngc104", "filter": "F502N", "ctecorr": False, "aperture": 3.0} | _facts(args)
    kind = (facts[name] for name in ("target", "filter", "ctecorr", "aperture"))
    return coefficients_in_database(load_settings(args), *kind)


def _facts(args):
    """What is known of the exposure: of its header first, and then what was given."""
    from wfc3_cte_monitor.pipeline.correct_list import exposure_facts

    facts = exposure_facts(args.image, args.flc) if args.image else {}
    names = ("mjd", "exptime", "background", "flashlvl", "chip", "zeropoint", "aperture", "target", "filter")
    facts |= {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    if args.instrumental is not None and "exptime" in facts:
        facts["zeropoint"] = args.instrumental - 2.5 * np.log10(facts["exptime"])
    if asks_for_subset(args):
        facts["subset"] = load_settings(args).subset.title
    return facts if args.flc is None else facts | {"ctecorr": args.flc}


def _count(flags):
    for flag in CorrectionFlag:
        number = np.count_nonzero(flags & flag)
        if number:
            print(f"{number:7d} flagged {int(flag):2d}: {str(flag.name).lower().replace('_', ' ')}")


def _number(args, name):
    try:
        return float(getattr(args, name))
    except (TypeError, ValueError):
        raise ConfigurationError(f"--{name}: a number is needed, not {getattr(args, name)}") from None


def _what_if(args, coefficients):
    from wfc3_cte_monitor.pipeline.correct import correct_photometry

    facts = {"exptime": 350.0} | _facts(args)
    facts.pop("zeropoint", None)
    if "mjd" not in facts or "chip" not in facts:
        raise ConfigurationError("--what-if needs --mjd, --flux, --y and --chip")
    flux, y = _number(args, "flux"), _number(args, "y")
    one = correct_photometry(coefficients, flux=flux, y=y, **facts)
    print(f"correction  {one.correction:.4f} +- {one.correction_err:.4f} mag, to be subtracted from the magnitude")
    print(f"flux        {flux:g} e- measured, {one.value:.1f} e- corrected")
    print(f"by          {', '.join(one.sources)}")
    if one.correction_err > _POORLY_KNOWN:
        print(f"poorly known: these data leave a standard error of more than {_POORLY_KNOWN:g} mag")
    _count(np.array([one.flags]))
    return 0


def _plan(args, coefficients):
    from wfc3_cte_monitor.pipeline.correct import correct_photometry

    facts = {"exptime": 350.0} | _facts(args)
    for name in ("zeropoint", "background", "chip", "flashlvl"):
        if facts.pop(name, None) is not None:
            raise ConfigurationError(f"--plan runs over backgrounds, as far from the amplifier as can be: no --{name}")
    if "mjd" not in facts:
        raise ConfigurationError("--plan needs --mjd and --flux")
    flux, background = _number(args, "flux"), np.array(_PLANNED)
    plan = correct_photometry(coefficients, flux=flux, n_transfers=2051.0, background=background, **facts)
    print(f"expected loss of a star of {flux:g} e- as far from the amplifier as can be, MJD {facts['mjd']:g}")
    print("background [e-/px]   loss [mag]   standard error   flags")
    for values in zip(background, plan.correction, plan.correction_err, plan.flags, strict=True):
        print("{:18g} {:12.3f} {:16.3f} {:7d}".format(*values))
    _count(plan.flags)
    return 0
