"""Texts in one form: HTML, wrong encodings, Unicode, white space, and what cannot be seen."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from ladle import Cleaned, Cleaner, Columns, OptionError, Reject

from .arrays import as_text, collapsed, positions, with_texts
from .html import MARKUP, TAG, text_of
from .mojibake import GARBLED, repaired
from .values import shown

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Sample

LINE_ENDS = r"\r\n|[\r\x0b\x0c\x1c-\x1e\x{85}\x{2028}\x{2029}]"  # what Python's str.splitlines splits at
CONTROL = r"\x00-\x08\x0e-\x1b\x1f\x7f-\x{84}\x{86}-\x{9f}"
JOINERS = r"\x{200c}\x{200d}"
NO_WIDTH = r"\x{ad}\x{180e}\x{200b}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2060}-\x{2064}\x{2066}-\x{2069}\x{feff}"


def _of_python(pattern: str) -> str:
    """A pattern of Arrow's regular expressions in those of Python, as far as these patterns go."""
    return re.sub(r"\\x\{([0-9a-f]+)\}", lambda found: f"\\u{found[1]:>04}", pattern)


_LINE_ENDS = _of_python(LINE_ENDS)
_INVISIBLE = _of_python(f"[{CONTROL}{NO_WIDTH}{JOINERS}]")
_INVISIBLE_BUT_JOINERS = _of_python(f"[{CONTROL}{NO_WIDTH}]")
_SPACES = r"[\t\x1f \xa0\u1680\u2000-\u200a\u202f\u205f\u3000]+"


class Standardise(Cleaner):
    """Write texts in one form: no HTML, no mojibake, Unicode, line ends, white space, and nothing that cannot be seen.

    Line ends of every kind become line feeds; the rest is as the options say. Done twice, it changes nothing more,
    unless HTML shows its readers what looks like HTML.
    """

    form = "arrow"

    columns: list[str] = Field(default=[], description="Text columns; empty: all of them.")
    html: bool = Field(
        default=False,
        description="Whether texts are HTML, of which what a reader sees is kept: blocks and <br> make lines (with "
        '`space = "keep-lines"` they stay), scripts and styles go, and entities become what they stand for. A text '
        "without any markup is left alone.",
    )
    mojibake: bool = Field(
        default=False,
        description="Repair what was read in a wrong encoding, such as Ã© for é (by ftfy).",
    )
    unicode: Literal["NFC", "NFKC", "none"] = Field(
        default="NFC",
        description="Unicode normal form: NFC writes each letter with its accents in one way, NFKC also replaces "
        "look-alikes (ligatures, full-width letters, superscripts), none leaves characters alone.",
    )
    invisible: Literal["remove", "keep-joiners", "keep"] = Field(
        default="keep-joiners",
        description="What cannot be seen: control characters (line ends and tabs aside) and characters without width "
        "(byte order marks, zero-width spaces, soft hyphens, direction marks). `remove` takes it all away, "
        "`keep-joiners` spares the two joiners that emoji, Persian and Indian scripts need, `keep` leaves everything.",
    )
    lower: bool = Field(default=False, description="Write everything in lower case.")
    space: Literal["collapse", "keep-lines", "keep"] = Field(
        default="collapse",
        description="White space: `collapse` makes every run of it one space; `keep-lines` does so inside lines, "
        "and leaves line ends and at most one blank line in a row; both remove it at the ends of the text. `keep` "
        "leaves it.",
    )
    empty: Literal["keep", "drop", "null"] = Field(
        default="keep", description="What happens to a text that ends up empty: it stays, its row goes, or it is null."
    )

    def columns_after(self, given: Columns) -> Columns:
        after = given
        for name in self._names(given):
            given.need(name, "text", option="columns")
            after = after.having(name, "text")
        return after

    def _names(self, given: Columns) -> list[str]:
        return self.columns or given.of_type("text")

    def doubts(self, sample: Sample) -> Iterator[OptionError]:
        for name in self.columns or (sample.rows[0] if sample.rows else ()):
            texts = [text for text in sample.values(name) if isinstance(text, str)]
            tags = [found[0] for text in texts if (found := TAG.search(text))]
            garbled = [found[0] for text in texts if (found := GARBLED.search(text))]
            if len(tags) > len(texts) / 10 and not self.html:
                message = f"{len(tags)} of {sample} have HTML in `{name}`: {shown(tags[0])}"
                yield OptionError(message, help="add html = true", code="html")
            if garbled and not self.mojibake:
                message = f"`{name}` looks as if it was read in a wrong encoding: {shown(garbled[0])} in {sample}"
                help = "name the right encoding in the source, or add mojibake = true"
                yield OptionError(message, help=help, code="encoding")

    @property
    def is_light(self) -> bool:
        return bool(self.columns)  # a row does not say which other columns hold texts

    def clean_row(self, row: dict[str, Any]) -> dict[str, Any] | Reject:
        """One row normalised as `clean_batch` does many, but for the letters that Arrow writes small differently."""
        done = dict(row)
        for name in self.columns:
            text = None if row[name] is None else self._standard_text(row[name])
            if text == "" and self.empty == "drop":
                return _emptied(name)
            done[name] = None if text == "" and self.empty == "null" else text
        return done

    def _standard_text(self, text: str) -> str:
        if self.html and re.search(MARKUP, text):
            text = text_of(text)
        if not self.mojibake:
            return self._formed_text(text)
        while (
            done := self._formed_text(repaired(text))
        ) != text:  # what was hidden in the text may show more to repair
            text = done
        return text

    def _formed_text(self, text: str) -> str:
        text = re.sub(_LINE_ENDS, "\n", text)
        if self.invisible != "keep":
            text = re.sub(_INVISIBLE if self.invisible == "remove" else _INVISIBLE_BUT_JOINERS, "", text)
        for small in (False, True) if self.lower else (False,):
            text = text.lower() if small else text
            text = text if self.unicode == "none" else unicodedata.normalize(self.unicode, text)
        if self.space == "collapse":
            return " ".join(text.split())
        if self.space == "keep-lines":
            for run, one in ((_SPACES, " "), (" ?\n ?", "\n"), ("\n{3,}", "\n\n")):
                text = re.sub(run, one, text)
            return text.strip()
        return text

    def clean_batch(self, batch: pa.RecordBatch) -> Cleaned:
        import pyarrow as pa
        import pyarrow.compute as pc

        from ladle import columns_of, with_column

        rejects = {}
        for name in self._names(columns_of(batch.schema)):
            texts = self._standard(as_text(batch[name]))
            empty = pc.equal(texts, "")
            if self.empty == "null":
                texts = pc.if_else(empty, pa.scalar(None, texts.type), texts)
            if self.empty == "drop":
                rejects |= dict.fromkeys(positions(empty), _emptied(name))
            batch = with_column(batch, name, texts)
        return Cleaned(batch, rejects)

    def _standard(self, texts: pa.Array) -> pa.Array:
        import pyarrow.compute as pc

        if self.html:
            marked = pc.match_substring_regex(texts, MARKUP)
            texts = with_texts(texts, marked, list(map(text_of, texts.filter(marked).to_pylist())))
        if not self.mojibake:
            return self._formed(texts)
        while not (done := self._formed(self._repaired(texts))).equals(texts):
            texts = done
        return texts

    def _repaired(self, texts: pa.Array) -> pa.Array:
        import pyarrow.compute as pc

        others = pc.invert(pc.string_is_ascii(texts))
        return with_texts(texts, others, list(map(repaired, texts.filter(others).to_pylist())))

    def _formed(self, texts: pa.Array) -> pa.Array:
        import pyarrow.compute as pc

        texts = pc.replace_substring_regex(texts, LINE_ENDS, "\n")
        if self.invisible != "keep":
            removed = CONTROL + NO_WIDTH + (JOINERS if self.invisible == "remove" else "")
            texts = pc.replace_substring_regex(texts, f"[{removed}]", "")
        texts = self._in_unicode_form(texts)
        if self.lower:
            # small letters may compose with accents that their capitals do not compose with
            texts = self._in_unicode_form(pc.utf8_lower(texts))
        return self._spaced(texts)

    def _in_unicode_form(self, texts: pa.Array) -> pa.Array:
        import pyarrow.compute as pc

        return texts if self.unicode == "none" else pc.utf8_normalize(texts, self.unicode)

    def _spaced(self, texts: pa.Array) -> pa.Array:
        import pyarrow.compute as pc

        if self.space == "keep":
            return texts
        if self.space == "collapse":
            texts = collapsed(texts)
        else:
            for run, one in ((r"[\t\x1f\p{Zs}]+", " "), (" ?\n ?", "\n"), ("\n{3,}", "\n\n")):
                texts = pc.replace_substring_regex(texts, run, one)
        return pc.utf8_trim_whitespace(texts)


def _emptied(name: str) -> Reject:
    return Reject(rule="empty", reason=f"`{name}` is empty once standardised")
