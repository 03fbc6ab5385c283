"""Queries as recipes have them: whether they only ask, and which parameters they have."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ladle import OptionError
from ladle.errors import did_you_mean

if TYPE_CHECKING:
    import sqlalchemy as sa

_PIECES = re.compile(
    r"""
    (?P<comment> --[^\n]* | /\*.*?\*/ )
    | (?P<quoted> \b[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*`
                | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
    | (?<![:\w]) : (?P<parameter> [A-Za-z_]\w* )
    | (?P<end> ; )
    """,
    re.VERBOSE | re.DOTALL,
)
_ASKING = ("SELECT", "WITH", "VALUES", "TABLE")


@dataclass(frozen=True)
class Query:
    """One statement that asks for rows; `:name` in it, outside of quotes and comments, is a parameter."""

    text: str
    option: str
    """Where it stands in the recipe."""

    @classmethod
    def of(cls, text: str, option: str) -> Query:
        """The query of an option, without the semicolon at its end. Raises OptionError if it is none, or several."""
        end = next((piece.start() for piece in _PIECES.finditer(text) if piece["end"]), len(text))
        query, rest = cls(text[:end], option), cls(text[end:], option)
        if rest._bare().strip("; \t\r\n"):
            raise OptionError("these are several statements", option=option, help="write one query, without a `;`")
        word = (re.search(r"\w+", query._bare()) or [""])[0].upper()
        if word not in _ASKING:
            what = f"`{word}` begins no query" if word else "there is no query"
            raise OptionError(
                f"{what}: a source asks for rows, and changes nothing",
                option=option,
                help=f"begin with {', '.join(_ASKING[:-1])} or {_ASKING[-1]}",
            )
        return query

    @property
    def parameters(self) -> list[str]:
        """The names of the parameters, each once."""
        return list(dict.fromkeys(found for piece in _PIECES.finditer(self.text) if (found := piece["parameter"])))

    def check(self, given: Collection[str]) -> None:
        """Raises OptionError for a parameter that is not given, or one that is given and not in the query."""
        for name in self.parameters:
            if name not in given:
                raise OptionError(
                    f"the query has a parameter `:{name}` that is not given",
                    option=self.option,
                    help=f"write parameters = {{ {name} = … }}",
                )
        for name in given:
            if name not in self.parameters:
                raise OptionError(
                    f"the query has no parameter `:{name}`",
                    option=("parameters", name),
                    help=did_you_mean(name, self.parameters, "its parameters are"),
                )

    def bound(self, values: Mapping[str, Any]) -> sa.TextClause:
        """The statement with its parameters bound; a list stands for the values behind an IN."""
        import sqlalchemy as sa

        # SQLAlchemy takes every colon for that of a parameter, those in quotes too, unless it is told
        escaped, end = "", 0
        for piece in _PIECES.finditer(self.text):
            if piece["parameter"]:
                escaped += self.text[end : piece.start()].replace(":", r"\:") + piece[0]
                end = piece.end()
        escaped += self.text[end:].replace(":", r"\:")
        return sa.text(escaped + "\n").bindparams(
            *(sa.bindparam(name, value, expanding=isinstance(value, list)) for name, value in values.items())
        )

    def _bare(self) -> str:
        """The statement without comments, and with nothing in its quotes."""
        return _PIECES.sub(lambda piece: " " if piece["comment"] else "''" if piece["quoted"] else piece[0], self.text)
