"""``uvis_external_cte print_coeff_latextable``: coefficients as a table for a report."""

from pathlib import Path

from wfc3_cte_monitor.commands.common import add_config, examples, load_settings, newest_coefficients
from wfc3_cte_monitor.commands.completion import completed, configured
from wfc3_cte_monitor.commands.subsets import add_subsets
from wfc3_cte_monitor.errors import CoefficientError, ConfigurationError

__all__ = ["add_parser"]


def add_parser(commands):
    """Add the command to the tool box."""
    p = commands.add_parser(
        "print_coeff_latextable",
        help="coefficients as a table: LaTeX, Markdown or ECSV",
        description="Print the coefficients of the newest results as a table, the newest epoch of each set, with their "
        "standard errors. Options choose sets and epochs.",
        **examples(
            "uvis_external_cte print_coeff_latextable --target ngc104 --ap 3 --ctecorr flt",
            "uvis_external_cte print_coeff_latextable --epochs all --format markdown -o coefficients.md",
        ),
    )
    p.add_argument(
        "--coeffs",
        type=Path,
        metavar="PATH",
        help="a coefficient file or a folder of them (default: the newest results)",
    )
    p.add_argument("--format", choices=["latex", "markdown", "csv", "ecsv"], default="latex", help="default latex")
    p.add_argument("-o", "--output", type=Path, metavar="OUT", help="a file (default: the terminal)")
    option = p.add_argument("--target", nargs="+", help="only these clusters")
    completed(option, configured("target_list"))
    option = p.add_argument("--filter", nargs="+", help="only these filters")
    completed(option, configured("filter_list"))
    p.add_argument("--length", choices=["s", "l"], help="only short or only long exposures")
    option = p.add_argument(
        "--flashlvl", nargs="+", type=float, metavar="LEVEL", help="only these post-flash levels [e-/px]"
    )
    completed(option, configured("flashlvl_list"))
    p.add_argument("--ctecorr", choices=["flt", "flc"], help="only FLT or only FLC")
    option = p.add_argument("--ap", nargs="+", type=float, metavar="RADIUS", help="only these apertures [px]")
    completed(option, configured("aprads"))
    p.add_argument(
        "--epochs", nargs="+", metavar="MJD|all", help="epochs, to the day, or all of them (default: the newest)"
    )
    add_config(p)
    add_subsets(p)
    p.set_defaults(run=_run)


def _run(args):
    from wfc3_cte_monitor.outputs import coefficient_table, replace_file, table_text
    from wfc3_cte_monitor.pipeline.correct import all_coefficients, newest_of_each_set

    found = all_coefficients([args.coeffs] if args.coeffs else newest_coefficients(load_settings(args)))
    # The surfaces of all post-flash levels have other terms; their ECSV files are their tables.
    chosen = [one for one in found if one.flashlvl is not None and _is_wanted(one, args)]
    if not args.epochs:
        chosen = newest_of_each_set(chosen)
    if not chosen:
        raise CoefficientError(f"none of {len(found)} coefficient files is of what was asked for")
    text = table_text(coefficient_table(chosen), args.format)
    if args.output:
        replace_file(args.output, lambda new: new.write_text(text, encoding="utf-8"))
    print(f"{args.output}: {len(chosen)} sets" if args.output else text, end="\n" if args.output else "")
    return 0


def _is_wanted(one, args):
    epochs = None if not args.epochs or "all" in args.epochs else {round(_mjd(word)) for word in args.epochs}
    return all(
        wanted is None or value in wanted
        for value, wanted in (
            (one.target, args.target),
            (one.filter, args.filter),
            (one.length, args.length and [args.length]),
            (one.flashlvl, args.flashlvl),
            ("flc" if one.ctecorr else "flt", args.ctecorr and [args.ctecorr]),
            (one.aperture, args.ap),
            (round(one.epoch_mjd), epochs),
        )
    )


def _mjd(word):
    try:
        return float(word)
    except ValueError:
        raise ConfigurationError(f"--epochs {word}: must be a date [MJD] or all") from None
