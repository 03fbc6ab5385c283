"""Marking names and other entities: spans of words, each with a label, as the tags of words that trainers read."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from ladle import Columns

from .agreement import unlike
from .question import Agreed, AnswerError, Question, agreed_items

if TYPE_CHECKING:
    import pyarrow as pa

OUTSIDE = "O"
_TAG = re.compile(r"([BIESLU])-(.+)", re.DOTALL)
# Han, kana, Thai, Lao and Khmer are written without spaces: each character counts as a word, with the marks on it
_UNSPACED = "\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_OF_WORDS = "#@"  # of tags and names
_WORD = re.compile(rf"[^\s{_UNSPACED}]+|[{_UNSPACED}]")


class Words(NamedTuple):
    """What spans are marked in: a text, and where in it each word begins and ends, in characters."""

    text: str
    places: list[tuple[int, int]]

    @property
    def texts(self) -> list[str]:
        return [self.text[start:end] for start, end in self.places]


def words_of(value: str | Sequence[str | None]) -> Words:
    """The words of a text, with punctuation at either end of them apart; those of a list, with spaces between them."""
    if isinstance(value, str):
        return Words(value, list(_places(value)))
    places, end = [], 0
    for word in value:
        places.append((end, end + len(word or "")))
        end += len(word or "") + 1
    return Words(" ".join(word or "" for word in value), places)


def _places(text: str) -> Iterator[tuple[int, int]]:
    for found in _WORD.finditer(text):
        start, end = first, last = found.span()
        while first < last and _is_punctuation(text[first]):
            first += 1
        while first < last and _is_punctuation(text[last - 1]):
            last -= 1
        yield from ((at, at + 1) for at in range(start, first))
        if first < last:
            yield first, last
        yield from ((at, at + 1) for at in range(last, end))


def _is_punctuation(character: str) -> bool:
    category = unicodedata.category(character)
    return (category[0] == "P" and character not in _OF_WORDS) or category == "Sc"


class Spans(Question):
    """Labelled spans of words: a list of { start, end, label, text }, in characters of the text, none on another."""

    form = "spans"
    is_nominal = False
    distance = staticmethod(unlike)

    def __init__(self, into: str, labels: list[str], column: str, tokens: str) -> None:
        super().__init__(into)
        self.labels = labels
        self.column = column
        self.tokens = tokens

    @property
    def reads(self) -> list[str]:
        return [self.column]

    def check(self, answer: Any, row: Mapping[str, Any]) -> Any:
        if row.get(self.column) is None:
            raise AnswerError(f"the row has nothing in `{self.column}` to mark")
        if not isinstance(answer, list) or not all(isinstance(span, dict) for span in answer):
            raise AnswerError(f"{answer!r} is no list of spans")
        words = words_of(row[self.column])
        starts, ends = {start for start, _ in words.places}, {end for _, end in words.places}
        spans = sorted((self._span(span, words.text, starts, ends) for span in answer), key=lambda span: span["start"])
        for one, other in pairwise(spans):
            if other["start"] < one["end"]:
                raise AnswerError(f"the spans {one['text']!r} and {other['text']!r} overlap")
        return spans

    def _span(self, span: Mapping[str, Any], whole: str, starts: set[int], ends: set[int]) -> dict[str, Any]:
        """A span in its one form; words begin at `starts` and end before `ends`. Raises AnswerError."""
        start, end, label = (span.get(name) for name in ("start", "end", "label"))
        if label not in self.labels:
            raise AnswerError(f"{label!r} is none of the labels {', '.join(self.labels)}")
        if start not in starts or end not in ends or start >= end:
            raise AnswerError(f"from {start} to {end} there are no whole words")
        text = whole[start:end]
        if span.get("text", text) != text:
            raise AnswerError(f"from {start} to {end} there is {text!r}, not {span['text']!r}")
        return {"start": start, "end": end, "label": label, "text": text}

    def given(self, row: Mapping[str, Any]) -> Any:
        """The spans that the tags of a row tell, if it has some."""
        tags = row.get(self.into)
        if row.get(self.column) is None or not isinstance(tags, list):
            return None
        words = words_of(row[self.column])
        found = _spans_of(tags, words) if len(tags) == len(words.places) else None
        return found if found is not None and all(span["label"] in self.labels for span in found) else None

    def agreed(self, answers: Sequence[Any]) -> Agreed | None:
        found = agreed_items([[tuple(span.items()) for span in spans] for spans in answers])
        return found and Agreed(sorted(map(dict, found.value), key=lambda span: span["start"]), found.share)

    def columns_after(self, given: Columns) -> Columns:
        type_ = given.need(self.column, "text", "list", option="column")
        if self.into in given:
            given.need(self.into, "list", option="into")
        after = given.having(self.into, "list")
        return after if type_ == "list" else after.having(self.tokens, "list")

    def made(self, batch: pa.RecordBatch, answers: Sequence[Any]) -> dict[str, pa.Array]:
        import pyarrow as pa

        strings = pa.list_(pa.string())
        words = [None if value is None else words_of(value) for value in batch[self.column].to_pylist()]
        tags = [
            None if spans is None or found is None else tags_of(spans, found)
            for spans, found in zip(answers, words, strict=True)
        ]
        made = {self.into: self._filled(batch, tags, strings)}
        if not pa.types.is_nested(batch[self.column].type):
            made[self.tokens] = pa.array([None if found is None else found.texts for found in words], strings)
        return made

    def about(self) -> dict[str, Any]:
        return super().about() | {"labels": self.labels, "column": self.column}


def tags_of(spans: Sequence[Mapping[str, Any]], words: Words) -> list[str]:
    """A tag for each word: B- before the label where a span begins, I- where it goes on, O outside of all."""
    tags = [OUTSIDE] * len(words.places)
    for span in spans:
        inside = [at for at, (start, end) in enumerate(words.places) if span["start"] <= start and end <= span["end"]]
        for at in inside:
            tags[at] = f"{'B' if at == inside[0] else 'I'}-{span['label']}"
    return tags


def _spans_of(tags: Sequence[str | None], words: Words) -> list[dict[str, Any]] | None:
    """The spans that tags with prefixes tell; None if these are no such tags."""
    spans: list[dict[str, Any]] = []
    open_label = None
    for tag, (start, end) in zip(tags, words.places, strict=True):
        if tag in (None, OUTSIDE):
            open_label = None
            continue
        match = _TAG.fullmatch(str(tag))
        if match is None:
            return None
        prefix, label = match.groups()
        if prefix in "BSU" or label != open_label:
            spans.append({"start": start, "label": label})
        spans[-1] |= {"end": end, "text": words.text[spans[-1]["start"] : end]}
        open_label = None if prefix in "ESLU" else label
    return [{name: span[name] for name in ("start", "end", "label", "text")} for span in spans]
