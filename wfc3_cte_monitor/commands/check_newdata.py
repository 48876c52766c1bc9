"""``uvis_external_cte check_newdata``: is all there that a proposal promised?"""

from wfc3_cte_monitor.commands.common import HelpFormatter, add_config, add_jobs, load_settings, say, visit
from wfc3_cte_monitor.commands.completion import completed, configured

__all__ = ["add_parser", "lines"]

_HEADINGS = {
    "program": "program",
    "place": "visit",
    "target": "target",
    "filter": "filter",
    "time": "time",
    "flashlvl": "flash",
    "expected": "expected",
    "flt": "FLT",
    "flc": "FLC",
    "pairs": "pairs",
    "status": "status",
}
_NUMBERS = {"time", "flashlvl", "expected", "flt", "flc", "pairs"}

_DESCRIPTION = """\
Compare the FLT and FLC files in data/newdata and data/<program> with expected_exposures of the configuration, and say
what is missing, double, unpaired, calibrated differently or not of the monitor.
"""

_EPILOG = """\
examples:
  what lies in newdata:                    uvis_external_cte check_newdata
  all that there is:                       uvis_external_cte check_newdata --pr all
  two visits of one program:               uvis_external_cte check_newdata --pr 14012 --v 3 4

columns: time in s, or s and l (short, long) where an expectation says no more; flash in e-/px; expected and pairs in
pairs of POSTARG2 near 0 and near +82 (of the same-chip set: exposures with a partner at the opposite roll).

status: ok, MISSING, INCOMPLETE, TOO MANY, NOT EXPECTED; besides (there, but no line of expected_exposures asks for it);
consistent (the program has no expectation); forbidden visit and not in .._list (the configuration does not want it).

exit code: 0 complete and consistent, 1 something is to be mended (the findings say what), 2 bad arguments or
configuration
"""


def add_parser(commands):
    """Add the command to the tool box."""
    p = commands.add_parser(
        "check_newdata",
        help="check that all expected exposures are there",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    option = p.add_argument(
        "--pr",
        nargs="+",
        default=[],
        metavar="SET",
        help="all, last (newest listed program with data), or program numbers (default: those in newdata)",
    )
    completed(option, configured("program_list", "all", "last"))
    p.add_argument(
        "--v", nargs="+", default=[], type=visit, metavar="VISIT", help="only these visits, such as 3 4 or 0A"
    )
    add_config(p)
    add_jobs(p)
    p.set_defaults(run=_run)


def lines(inventory):
    """The report: table, findings, what is left out by rule, notes, and the verdict.

    Parameters
    ----------
    inventory : `inventory.Inventory`

    Returns
    -------
    lines : list of str
    """
    number = len(inventory.findings)
    report = [
        *_table(inventory.rows),
        *_section("Findings", [f"{f.kind}: {f.what} -> {f.todo}" for f in inventory.findings]),
        *_section("Left out by rule, as a run will do", inventory.left_out),
        *_section("Notes", inventory.notes),
    ]
    if inventory.rows or number:
        report += ["", f"{number} finding{'s' * (number > 1)}" if number else "complete and consistent"]
    return report[1:] if report and not report[0] else report


def _table(rows):
    if not rows:
        return []
    cells = [list(_HEADINGS.values()), *([str(getattr(row, name)) for name in _HEADINGS] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(_aligned, line, widths, _HEADINGS)).rstrip() for line in cells]


def _aligned(cell, width, name):
    return cell.rjust(width) if name in _NUMBERS else cell.ljust(width)


def _section(title, entries):
    return ["", title, *(f"  {entry}" for entry in entries)] if entries else []


def _run(args):
    from wfc3_cte_monitor.pipeline.check import check_archive

    inventory = check_archive(args.pr, args.v, load_settings(args), args.jobs)
    say(lines(inventory))
    return 0 if inventory.complete else 1
