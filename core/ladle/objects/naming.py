"""Names of columns in options and files."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ..errors import OptionError, did_you_mean

RESERVED = ("_id", "_split", "_origin")


def check_known(names: Iterable[str], known: Collection[str], option: str) -> None:
    """Raises OptionError for a name that the data does not have."""
    for name in names:
        if name not in known:
            raise OptionError(
                f"the data has no column `{name}`",
                option=option,
                help=did_you_mean(name, list(known), "its columns are"),
                code="missing-column",
            )


def check_names(names: Collection[str], option: str) -> None:
    """Raises OptionError for names that are empty, given twice, or kept for the core's own columns."""
    for place, name in enumerate(names):
        if not name:
            raise OptionError("a column has an empty name", option=option, help="give every column a name")
        if name in RESERVED:
            raise OptionError(
                f"a column cannot be called `{name}`: ladle keeps a column of its own there",
                option=option,
                help="give it another name, or name the columns to keep in `columns`",
            )
        if name in list(names)[:place]:
            raise OptionError(f"two columns are called `{name}`", option=option, help="give each a name of its own")
