"""The options that ask for what a nominal run leaves out."""

from wfc3_cte_monitor.commands.completion import completed, configured
from wfc3_cte_monitor.errors import ConfigurationError
from wfc3_cte_monitor.records import NO_INJECTION, Subset

__all__ = ["add_subsets", "add_field", "asks_for_subset", "chosen_subset"]


def add_subsets(parser):
    """The options that choose a subset, and with it a database and folders of results."""
    group = parser.add_argument_group(
        "subsets",
        "What nominal runs leave out, by the rules of the configuration. Each, or several together, has a database "
        "and output folders of its own, whose names end in its own, and says what it is in titles and tables",
    )
    option = group.add_argument(
        "--chinject", metavar="MODE", help="exposures with this charge injection, such as CONT, of chinject_modes"
    )
    completed(option, configured("chinject_modes"))
    add_field(group)
    group.add_argument(
        "--subdithers",
        action="store_true",
        help="exposures moved along the columns by less than a chip, paired with those that have the same stars on the "
        "other chip; the summary says why one has no partner",
    )
    group.add_argument("--xdithers", action="store_true", help="exposures moved along the rows, likewise")
    group.add_argument(
        "--visits-anyway", action="store_true", help="the forbidden visits take part, beside what is nominal"
    )


def add_field(parser):
    """The option for a field off the clusters."""
    option = parser.add_argument(
        "--field", metavar="NAME", help="a field off the clusters, such as cal2, of off_fields: its exposures alone"
    )
    completed(option, configured("off_fields"))


def asks_for_subset(args):
    """Whether any of these options is given."""
    return bool(args.chinject or args.field or args.subdithers or args.xdithers or args.visits_anyway)


def chosen_subset(args, settings):
    """The `records.Subset` that the arguments ask for; those of a command that has no such options for the nominal one.

    Raises
    ------
    ConfigurationError
        The configuration does not have it.
    """
    chinject, field = (getattr(args, name, None) for name in ("chinject", "field"))
    return Subset(
        chinject=_listed("--chinject", chinject, str.upper, settings.chinject_modes, "chinject_modes") or NO_INJECTION,
        field=_listed("--field", field, str.lower, settings.off_fields, "off_fields"),
        subdithers=getattr(args, "subdithers", False),
        xdithers=getattr(args, "xdithers", False),
        visits_anyway=getattr(args, "visits_anyway", False),
    )


def _listed(flag, given, spelled, legal, name):
    if given is None or spelled(given) in legal:
        return given and spelled(given)
    raise ConfigurationError(f"{flag} {given}: not in {name} ({', '.join(legal)})")
