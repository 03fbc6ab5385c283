"""The columns of rows of texts: their names, and the types that the first rows tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from ladle import OptionError
from ladle.objects.naming import check_known, check_names
from ladle.objects.values import NoSuchValueError

from .values import TextType, guess, value_of

GUESS_ROWS = 1000


class Layout(NamedTuple):
    """What the start of the first file says."""

    names: list[str]
    """All columns in their order."""
    types: dict[str, TextType]
    """The types of those that are kept."""
    rows: list[list[str]]
    """The first rows, as many as types are guessed from."""

    def typed(self, missing: frozenset[str]) -> Iterator[dict[str, Any]]:
        """The first rows with their values, but for those that are rejected."""
        columns = [(name, self.names.index(name), type_) for name, type_ in self.types.items()]
        for row in self.rows:
            with suppress(NoSuchValueError):
                yield {name: value_of(row[place], type_, missing) for name, place, type_ in columns}


def layout_of(
    names: list[str],
    rows: list[list[str]],
    columns: Sequence[str],
    types: Mapping[str, TextType],
    missing: frozenset[str],
) -> Layout:
    """The layout with these columns kept, all if none is named. Raises OptionError if an option names no column."""
    check_known(columns, names, "columns")
    check_known(types, names, "types")
    kept = [name for name in names if not columns or name in columns]
    check_names(kept, "columns")
    texts = dict(zip(names, zip(*rows, strict=True), strict=True))
    return Layout(names, {name: types.get(name) or guess(texts[name], missing) for name in kept}, rows)


def named(header: Sequence[str], names: Sequence[str], file: str) -> list[str]:
    """The names of columns: those given, else what the header says. Raises OptionError for a name that comes twice."""
    found = list(names) or [name or f"column_{place}" for place, name in enumerate(header, 1)]
    for place, name in enumerate(found):
        if name in found[:place]:
            raise OptionError(
                f"the header of {file} has `{name}` twice (fields {found.index(name) + 1} and {place + 1})",
                option="path",
                help="give the columns names of their own with `names`",
            )
    return found


def check_same(names: Sequence[str], layout: Layout, file: str, first: str) -> None:
    """Raises OptionError if a file has other columns than the first one, whose layout is given; any order will do."""
    lacking = [name for name in layout.names if name not in names]
    besides = [name for name in names if name not in layout.names]
    if lacking or besides:
        said = [f"lacks {_listed(lacking)}"] if lacking else []
        said += [f"has {_listed(besides)} besides"] if besides else []
        raise OptionError(
            f"{file} has other columns than {first}: it {' and '.join(said)}",
            option="path",
            help="read such files as sources of their own, in two [[data.NAME.source]] tables",
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
