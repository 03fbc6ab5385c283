"""Rows from text in which every token has its own line and its own tag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pydantic import Field, field_validator

from ladle import OptionError, Sample
from ladle.objects import Fault
from ladle.objects.naming import check_names
from ladle.objects.values import shown

from .blocks import MAX_ROW_BYTES, Block, Blocks, check_encoding, opened, too_long
from .finding import FileSource, sample_of

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Reject
    from ladle.columns import ColumnType


class _Lines(NamedTuple):
    """The lines of one sentence: those of a block from `first` to before `after`."""

    block: Block
    first: int
    after: int
    texts: list[str]
    """The lines as text, without line feeds."""
    is_clean: bool
    """Whether all of the block is text that a row can have."""

    @property
    def raw(self) -> bytes:
        return self.block.raw(self.first, self.after)

    @property
    def line(self) -> int:
        return self.block.line + self.first

    @property
    def offset(self) -> int:
        return self.block.offset + self.block.starts[self.first]


class _Sentence(NamedTuple):
    """The columns of a sentence that are kept, and where it begins."""

    columns: list[tuple[str, ...]]
    line: int
    offset: int


class Bio(FileSource):
    """Read text whose tokens are tagged (CoNLL style): a token and its tags on each line; a row is a sentence.

    A line of spaces ends a sentence, and so does one where a document begins. A column of the lines becomes a column of
    lists: `tokens` and `tags`, unless `columns` names others. Tags are taken as they are, whatever their scheme. Files
    that are gzip, bzip2, xz or zstd are unpacked.

    A sentence is rejected as a whole, with its bad line named, where a line has too-few-fields, too-many-fields (how
    many there are is told by `columns`, or by the first token of each file) or an empty-field, or undecodable bytes or
    nul characters, and if it is too-long.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".bio", ".conll", ".iob", ".iob2")

    columns: list[str] = Field(
        default=[],
        description='Names of all columns of a line, in their order, such as ["tokens", "pos", "", "tags"]; "" leaves '
        "one out. Where none are named, the first is `tokens`, the last `tags`, and those between are left out.",
    )
    separator: str | None = Field(
        default=None, description='What stands between columns, such as "\\t"; any spaces and tabs without it.'
    )
    document: str = Field(
        default="-DOCSTART-", description='What a line has for a token where a document begins; "" if none has.'
    )
    comment: str = Field(
        default="", description='What lines begin with that are passed over, such as "# "; "" if there are none.'
    )
    encoding: str = Field(default="utf-8", description="The encoding of the files; a byte order mark outweighs it.")
    max_row_bytes: int = Field(
        default=MAX_ROW_BYTES, ge=1, description="The size beyond which a row is rejected; it bounds the memory used."
    )

    @field_validator("columns")
    @classmethod
    def _some_name(cls, columns: list[str]) -> list[str]:
        names = [name for name in columns if name]
        check_names(names, "columns")
        if columns and not names:
            raise OptionError("all columns are left out", option="columns", help='name those to keep, such as "tokens"')
        return columns

    @field_validator("separator")
    @classmethod
    def _possible_separator(cls, separator: str | None) -> str | None:
        if separator is not None and (not separator or set(separator) & set("\r\n\0")):
            raise OptionError(f"{separator!r} is no separator", option="separator", help='give a text, such as "\\t"')
        return separator

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        return check_encoding(encoding)

    def peek(self) -> Mapping[str, ColumnType]:
        return dict.fromkeys(self._names(), "list")

    def first_rows(self, count: int) -> Sample:
        files = self.files()
        found = (item for item in self._found(files[0]) if not isinstance(item, Fault))
        rows = (dict(zip(self._names(), map(list, item.columns), strict=True)) for item in found)
        return sample_of(rows, count, len(files) == 1)

    def read(self) -> Iterator[pa.RecordBatch | Reject]:
        import pyarrow as pa

        from ladle import Reject, origins
        from ladle.rows import BATCH_ROWS

        for path in self.files():
            file = self.name_of(path)
            found = self._found(path)
            while items := list(islice(found, BATCH_ROWS)):
                if sentences := [item for item in items if not isinstance(item, Fault)]:
                    rows, lines, offsets = zip(*sentences, strict=True)
                    arrays = [pa.array(values, pa.list_(pa.string())) for values in zip(*rows, strict=True)]
                    arrays.append(origins(file, lines, offsets))
                    yield pa.RecordBatch.from_arrays(arrays, names=[*self._names(), "_origin"])
                for item in items:
                    if isinstance(item, Fault):
                        yield Reject(file=file, **item._asdict())

    def _names(self) -> list[str]:
        return [name for name in self.columns if name] or ["tokens", "tags"]

    def _found(self, path: Path) -> Iterator[_Sentence | Fault]:
        """The sentences of a file, and what is none."""
        with opened(path, self.name_of(path), self.encoding) as (stream, coding):
            width = len(self.columns)
            for lines in self._divided(Blocks(stream, coding, self.max_row_bytes)):
                if isinstance(lines, Fault):
                    yield lines
                    continue
                if len(lines.raw) > self.max_row_bytes:
                    yield too_long(lines.line, lines.offset, lines.raw, self.max_row_bytes)
                    continue
                tokens = {
                    line: self._fields(text) for line, text in enumerate(lines.texts) if not self._is_comment(text)
                }
                if tokens:
                    width = width or max(2, len(next(iter(tokens.values()))))
                    yield self._sentence(lines, tokens, width)

    def _divided(self, blocks: Blocks) -> Iterator[_Lines | Fault]:
        """The lines of each sentence, and a fault for one that is too long to be held."""
        is_lost = False  # whether the lines that come belong to a sentence that is too long
        for block in blocks:
            if isinstance(block, Fault):
                if not is_lost or block.rule == "damaged":
                    yield block
                is_lost = True
                continue
            texts, is_clean = block.texts()
            first = 0
            for end in (line for line, text in enumerate(texts) if self._is_end(text)):
                if first < end and not is_lost:
                    yield _Lines(block, first, end, texts[first:end], is_clean)
                first, is_lost = end + 1, False
            if first == len(texts) or is_lost:
                continue
            rest = _Lines(block, first, len(texts), texts[first:], is_clean)
            if block.is_last:
                yield rest
            elif len(rest.raw) + block.pending <= self.max_row_bytes:
                blocks.put_back(block, first)
            else:
                yield too_long(rest.line, rest.offset, rest.raw, self.max_row_bytes)
                is_lost = True

    def _sentence(self, lines: _Lines, tokens: Mapping[int, Sequence[str]], width: int) -> _Sentence | Fault:
        """A sentence from the fields of its tokens, by their lines; a fault if one of these is bad."""
        if not lines.is_clean and not lines.block.coding.is_clean(lines.raw):
            return self._unclean(lines)
        places = [place for place, name in enumerate(self.columns) if name] or [0, width - 1]
        if {len(fields) for fields in tokens.values()} == {width}:
            columns = list(zip(*tokens.values(), strict=True))
            kept = [columns[place] for place in places]
            if all(map(all, kept)):
                return _Sentence(kept, lines.line, lines.offset)
        bad = {line: flaw for line, fields in tokens.items() if (flaw := _flaw(fields, width, places))}
        line, (rule, flaw) = next(iter(bad.items()))
        others = f" ({len(bad)} lines of the sentence are bad)" if len(bad) > 1 else ""
        reason = f"line {lines.line + line}, {shown(lines.texts[line])}: {flaw}{others}"
        return Fault(rule, reason, lines.line, lines.offset, lines.raw)

    @staticmethod
    def _unclean(lines: _Lines) -> Fault:
        """The fault of a sentence with text that no row can have."""
        coding = lines.block.coding
        raws = [lines.block.raw(line, line + 1) for line in range(lines.first, lines.after)]
        bad = next(line for line, raw in enumerate(raws) if not coding.is_clean(raw))
        rule, reason = coding.fault_of(lines.raw)
        return Fault(rule, f"line {lines.line + bad}: {reason}", lines.line, lines.offset, lines.raw)

    def _fields(self, text: str) -> list[str]:
        if self.separator is not None:
            return text.removesuffix("\r").split(self.separator)
        return [field for field in text.removesuffix("\r").replace("\t", " ").split(" ") if field]

    def _is_comment(self, text: str) -> bool:
        return bool(self.comment) and text.startswith(self.comment)

    def _is_end(self, text: str) -> bool:
        """Whether a line is behind a sentence, and in none."""
        if not text.strip():
            return True
        return bool(self.document) and text.startswith(self.document) and self._fields(text)[0] == self.document


def _flaw(fields: Sequence[str], width: int, places: Sequence[int]) -> tuple[str, str] | None:
    """Rule and reason for a line that is bad."""
    if len(fields) != width:
        rule = "too-few-fields" if len(fields) < width else "too-many-fields"
        return rule, f"{len(fields)} field{'s' * (len(fields) != 1)}, expected {width}"
    empty = next((place for place in places if not fields[place]), None)
    return None if empty is None else ("empty-field", f"field {empty + 1} is empty")
