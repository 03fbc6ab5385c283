"""Taking out of texts what leads to a person."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator

from ladle import Cleaned, Cleaner, Columns, OptionError, Reject

from .arrays import as_text, positions, with_texts
from .personal import KINDS, SOME, Kind, spans
from .values import shown

if TYPE_CHECKING:
    import pyarrow as pa

_CALLED: dict[str, str] = {
    "url": "web address",
    "email": "e-mail address",
    "iban": "account number",
    "card": "card number",
    "phone": "telephone number",
    "ip": "IP address",
}


class Redact(Cleaner):
    """Take e-mail addresses, telephone, card and account numbers and IP addresses out of texts, or drop their rows.

    They are told by their form, cards and accounts (IBAN) by their check digits too; names and postal addresses are
    not found. The report counts what was found, by kinds. What it was this cleaner keeps nowhere; but the rows before
    it are in the store, and cleaners before it tell what they change: put it first.
    """

    form = "arrow"
    is_secret: ClassVar[bool] = True

    columns: list[str] = Field(default=[], description="Text columns; empty: all of them.")
    kinds: list[Kind] = Field(
        default=[kind for kind in KINDS if kind != "url"],
        min_length=1,
        description="What to look for; telephone numbers are those with the code of a country, with a leading 0, and "
        "as North America writes them (212-555-0123).",
    )
    found: Literal["replace", "drop"] = Field(
        default="replace", description="Whether a placeholder takes its place, or the row goes."
    )
    placeholder: str = Field(default="[{kind}]", description="The placeholder; {kind} stands for what was found.")

    @field_validator("placeholder")
    @classmethod
    def _harmless(cls, placeholder: str) -> str:
        if found := re.search(r"[0-9@:.+/]", placeholder):
            raise OptionError(
                f"{shown(placeholder)} could be taken for something to redact, for it has {shown(found[0])}",
                option="placeholder",
                help='write for example "[{kind}]" or "***"',
            )
        return placeholder

    def columns_after(self, given: Columns) -> Columns:
        after = given
        for name in self.columns or given.of_type("text"):
            given.need(name, "text", option="columns")
            after = after.having(name, "text")
        return after

    @property
    def is_light(self) -> bool:
        return bool(self.columns)  # a row does not say which other columns hold texts

    def clean_row(self, row: dict[str, Any]) -> dict[str, Any] | Reject:
        """One row redacted as `clean_batch` redacts many."""
        done = {name: self._redacted(row[name]) for name in self.columns if row[name] is not None}
        where = {name: counts for name, (_, counts) in done.items() if counts}
        return _reject(where) if where and self.found == "drop" else row | {n: text for n, (text, _) in done.items()}

    def clean_batch(self, batch: pa.RecordBatch) -> Cleaned:
        import pyarrow.compute as pc

        from ladle import columns_of, with_column

        where: dict[int, dict[str, Counter[str]]] = defaultdict(dict)
        for name in self.columns or columns_of(batch.schema).of_type("text"):
            texts = as_text(batch[name])
            suspects = pc.match_substring_regex(texts, SOME)
            done = [self._redacted(text) for text in texts.filter(suspects).to_pylist()]
            batch = with_column(batch, name, with_texts(texts, suspects, [text for text, _ in done]))
            for row, (_, counts) in zip(positions(suspects), done, strict=True):
                if counts:
                    where[row][name] = counts
        counts = sum((counts for columns in where.values() for counts in columns.values()), Counter())
        rejects = {row: _reject(columns) for row, columns in where.items()} if self.found == "drop" else {}
        return Cleaned(batch, rejects, counts)

    def _redacted(self, text: str) -> tuple[str, Counter[str]]:
        """A text with placeholders, and how many of each kind these stand for."""
        counts: Counter[str] = Counter()
        before = None
        while text != before:  # what was taken out may have hidden something beside it
            before = text
            for kind in KINDS:
                found = spans(text, kind) if kind in self.kinds else []
                counts[kind] += len(found)
                for start, end in reversed(found):
                    text = f"{text[:start]}{self.placeholder.replace('{kind}', kind)}{text[end:]}"
        return text, +counts


def _reject(where: dict[str, Counter[str]]) -> Reject:
    """The reject of a row, by what was found in its columns; its rule is the kind that is looked for first."""
    rule = next(kind for kind in KINDS if any(kind in counts for counts in where.values()))
    said = {
        name: ", ".join(_CALLED[kind] + (f" ({times})" if times > 1 else "") for kind, times in counts.items())
        for name, counts in where.items()
    }
    return Reject(rule=rule, reason="; ".join(f"`{name}` has: {found}" for name, found in said.items()))
