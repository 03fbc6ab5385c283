"""The columns that rows have between stages, and how a component says which it reads and writes.

An option that holds column names is annotated with what the component does to them:

    column: Annotated[str, Changes("text")] = "text"
    into: Annotated[str, Makes("text")] = "label"

A component whose columns do not follow from single options overrides `columns_after` instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from .errors import OptionError, did_you_mean

ColumnType = Literal["text", "integer", "number", "boolean", "time", "bytes", "vector", "list", "record", "any"]

_FITS: dict[str, set[str]] = {"number": {"integer", "boolean"}}  # a column of these types will do as well


class Reads:
    """The option names columns that are read; any of `types` will do, or every type if none is given."""

    def __init__(self, *types: ColumnType) -> None:
        self.types = types


class Changes(Reads):
    """The option names columns that are read and rewritten in place."""


class Makes:
    """The option names columns that come into being, with this type."""

    def __init__(self, type: ColumnType = "any") -> None:
        self.type = type


class Columns(Mapping[str, ColumnType]):
    """Column names and types at one point of a recipe.

    Derived columns share one log of what was read and written, so that after `component.columns_after(given)`
    the core knows both. With `known=False` (a source that cannot be looked at) no column is ever missing.
    """

    def __init__(
        self, types: Mapping[str, ColumnType], known: bool = True, hints: Mapping[str, str] | None = None
    ) -> None:
        self._types = dict(types)
        self._hints = dict(hints or {})
        self.known = known
        self.read: set[str] = set()
        self.written: set[str] = set()

    def __getitem__(self, name: str) -> ColumnType:
        return self._types[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)

    def __repr__(self) -> str:
        return f"Columns({self._types!r})"

    def need(self, name: str, *types: ColumnType, option: str | None = None) -> ColumnType:
        """The type of a column that the component reads.

        Raises OptionError, naming `option`, if there is no such column or its type is none of `types`.
        """
        if name not in self._types:
            if not self.known:
                self.read.add(name)
                return "any"
            raise OptionError(
                f"no column `{name}` at this point",
                option=option,
                item=name,
                help=self._hints.get(name) or did_you_mean(name, list(self._types), "the columns here are"),
                code="missing-column",
            )
        self.read.add(name)
        found = self._types[name]
        fitting = set(types).union(*(_FITS.get(type_, set()) for type_ in types))
        if types and found != "any" and found not in fitting:
            raise OptionError(
                f"column `{name}` holds {found}, expected {' or '.join(types)}",
                option=option,
                item=name,
                help='convert it first (`use = "convert"`), or name another column',
                code="column-type",
            )
        return found

    def having(self, name: str, type: ColumnType) -> Columns:
        """These columns with one made, or changed."""
        self.written.add(name)
        return self._derived(self._types | {name: type})

    def without(self, names: Iterable[str]) -> Columns:
        """These columns with some removed."""
        gone = set(names)
        self.written |= gone
        return self._derived({n: t for n, t in self._types.items() if n not in gone})

    def of_type(self, *types: ColumnType) -> list[str]:
        """The names of the columns of these types."""
        return [name for name, found in self._types.items() if found in types]

    def fresh(self, hints: Mapping[str, str] | None = None) -> Columns:
        """The same columns with an empty log: what the next component is given.

        `hints` maps names of columns that do not exist here to a remedy ("made later, by …").
        """
        return Columns(self._types, self.known, hints)

    def as_json(self) -> dict[str, Any]:
        """What a run's lock keeps of them: the columns, if they are known, and the log."""
        types = dict(self._types) if self.known else None
        return {"columns": types, "reads": sorted(self.read), "writes": sorted(self.written)}

    def _derived(self, types: Mapping[str, ColumnType]) -> Columns:
        derived = Columns(types, self.known, self._hints)
        derived.read, derived.written = self.read, self.written
        return derived
