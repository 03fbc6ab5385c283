"""The names of a result's columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ladle import OptionError
from ladle.errors import did_you_mean

_RESERVED = ("_id", "_split", "_origin")


def check_names(names: Sequence[str], option: str) -> None:
    """Raises OptionError for names that are empty, there twice, or kept for the core's own columns."""
    help = "name it in the query: … AS name" if option == "query" else "leave it out, or read it by a query: … AS name"
    for place, name in enumerate(names):
        if name in names[:place]:
            raise OptionError(f"two columns are called `{name}`", option=option, help=help)
        if not name or name in _RESERVED:
            what = f"cannot be called `{name}`: ladle keeps one of its own there" if name else "has no name"
            raise OptionError(f"a column {what}", option=option, help=help)


def check_known(names: Iterable[str], known: Collection[str], option: str) -> None:
    """Raises OptionError for a name that the result does not have."""
    for name in names:
        if name not in known:
            raise OptionError(
                f"there is no column `{name}`",
                option=option,
                item=name,
                help=did_you_mean(name, list(known), "its columns are"),
                code="missing-column",
            )
