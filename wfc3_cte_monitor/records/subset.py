"""What of the exposures that a nominal run leaves out is let in."""

from dataclasses import dataclass

__all__ = ["Subset", "NO_INJECTION"]

NO_INJECTION = "NONE"
"""CHINJECT of an exposure without charge injection."""


@dataclass(frozen=True)
class Subset:
    """A choice of exposures, by what it changes of the nominal rules; by default nothing.

    The choices can be made together: then an exposure must obey all of them.
    """

    chinject: str = NO_INJECTION
    """CHINJECT that every exposure must have."""
    field: str | None = None
    """Name of the field off the clusters, of the configuration's `off_fields`, that every exposure must be of."""
    subdithers: bool = False
    """Exposures moved along the columns take part, each paired with one that has the same stars on the other chip."""
    xdithers: bool = False
    """The same for exposures moved along the rows."""
    visits_anyway: bool = False
    """The forbidden visits take part."""

    def __bool__(self) -> bool:
        """Whether it is another one than the nominal."""
        return self != Subset()

    @property
    def dithers(self) -> bool:
        """Whether it is of dithered exposures, of which every pair must have one."""
        return self.subdithers or self.xdithers

    @property
    def suffix(self) -> str:
        """What the names of its database and folders end with, such as '_chinjectcont'; '' for the nominal one."""
        return "".join(f"_{name}" for name, _ in self._choices())

    @property
    def title(self) -> str:
        """What figures, tables and coefficients say of it, such as 'charge injection CONT'; '' for the nominal one."""
        return ", ".join(words for _, words in self._choices())

    @property
    def meta(self) -> dict[str, str]:
        """The title as metadata of a table; nothing for the nominal one, whose tables are what they would be anyway."""
        return {"subset": self.title} if self else {}

    def _choices(self) -> list[tuple[str, str]]:
        """(part of a name, words) of each choice that was made."""
        choices = (
            (self.chinject != NO_INJECTION, f"chinject{self.chinject.lower()}", f"charge injection {self.chinject}"),
            (self.field is not None, f"field{self.field}", f"field {self.field}"),
            (self.subdithers, "subdithers", "sub-dithers"),
            (self.xdithers, "xdithers", "x-dithers"),
            (self.visits_anyway, "visitsanyway", "with forbidden visits"),
        )
        return [(name, words) for chosen, name, words in choices if chosen]
