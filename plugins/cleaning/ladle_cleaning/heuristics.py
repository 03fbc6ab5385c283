"""What texts look like in numbers: their words and lines, and how much of them comes again. Many texts at a time."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

_BULLETS = "*•‣◦●▪·\u2013\u2014►▶○■-"
_QUOTES = "\"'«»“”\u2018\u2019"
_PUNCTUATION = f".,;:!?…()[]{{}}{_QUOTES}"
_TERMINAL = ".!?…。\uff01\uff1f"
_SENTENCE_END = rf"[.!?…][{_QUOTES})\]]*(?:\s|$)|[。\x{{ff01}}\x{{ff1f}}]"
_LINE_END = rf"[{_TERMINAL}{_QUOTES}]$"
_BOILERPLATE = "(?i)javascript|terms of use|privacy policy|cookie policy|uses cookies|use of cookies|use cookies"
_LEAST_WORDS = 5  # of a line that is kept
_MIX, _OTHER = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True)
class Pieces:
    """Parts of texts, words or lines for example: one text's after another's, and no empty ones."""

    values: pa.Array
    starts: np.ndarray
    """Where those of each text begin, and at last where all end: [texts + 1]."""

    @classmethod
    def of(cls, parts: pa.ListArray) -> Pieces:
        """The parts that each text was cut into."""
        starts = parts.offsets.to_numpy()
        return cls(parts.flatten(), starts - starts[0]).only(lambda values: pc.not_equal(values, ""))

    def only(self, choose: Callable[[pa.Array], pa.Array]) -> Pieces:
        """Those of the pieces that `choose` is true of."""
        chosen = choose(self.values)
        before = np.concatenate([[0], np.cumsum(chosen.to_numpy(zero_copy_only=False))])
        return Pieces(self.values.filter(chosen), before[self.starts])

    @functools.cached_property
    def counts(self) -> np.ndarray:
        """How many each text has: [texts]."""
        return np.diff(self.starts)

    @functools.cached_property
    def owners(self) -> np.ndarray:
        """The text that each is of: [pieces]."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @functools.cached_property
    def lengths(self) -> np.ndarray:
        """The characters of each: [pieces]."""
        return pl.Series(self.values).str.len_chars().to_numpy().astype(np.int64)

    @functools.cached_property
    def hashes(self) -> np.ndarray:
        """A number for each, [pieces]: the same for equal ones of one text, and hardly ever for others."""
        return pl.Series(self.values).hash().to_numpy() + self.owners.astype(np.uint64) * _OTHER

    def sums(self, numbers: np.ndarray) -> np.ndarray:
        """For each text the sum over its pieces: [texts]."""
        whole = np.concatenate([[0], np.cumsum(numbers, dtype=np.int64)])
        return whole[self.starts[1:]] - whole[self.starts[:-1]]

    def shares(self, numbers: np.ndarray, of: np.ndarray | None = None) -> np.ndarray:
        """For each text the sum over its pieces, as a share of their number or of the sum `of` something: [texts]."""
        return _ratio(self.sums(numbers), self.counts if of is None else self.sums(of))


@dataclass(frozen=True)
class Repeated:
    """Runs of words that come more than once in their text."""

    size: int
    """How many words a run has."""
    at: np.ndarray
    """Where in the words the runs begin: equal ones together, in the order in which they stand."""
    group: np.ndarray
    """For each run the number of those that it is equal to; each number has two runs or more."""


class Looks:
    """What texts, of which none is missing, look like."""

    def __init__(self, texts: pa.Array, stop_words: Sequence[str]) -> None:
        self.texts = texts
        self.stop_words = list(dict.fromkeys(word.lower() for word in stop_words))

    @functools.cached_property
    def words(self) -> Pieces:
        # at the end of a text Arrow sometimes takes white space for a word
        return Pieces.of(pc.utf8_split_whitespace(pc.utf8_trim_whitespace(self.texts)))

    @functools.cached_property
    def lines(self) -> Pieces:
        return Pieces.of(_trimmed(pc.split_pattern(self.texts, "\n")))

    @functools.cached_property
    def paragraphs(self) -> Pieces:
        return Pieces.of(_trimmed(pc.split_pattern_regex(self.texts, r"\n\s*\n")))

    def word_length(self) -> np.ndarray:
        return self.words.shares(self.words.lengths)

    def found_per_word(self, *symbols: str) -> np.ndarray:
        found = sum(pc.count_substring(self.texts, symbol).to_numpy() for symbol in symbols)
        return _ratio(found, self.words.counts)

    def found(self, pattern: str) -> np.ndarray:
        return pc.count_substring_regex(self.texts, pattern).to_numpy()

    def bulleted_lines(self) -> np.ndarray:
        return self.lines.shares(_matches(self.lines.values, f"^[{_BULLETS}]"))

    def trailing_lines(self) -> np.ndarray:
        return self.lines.shares(_matches(self.lines.values, r"(?:\.\.\.|…)$"))

    def lettered_words(self) -> np.ndarray:
        return self.words.shares(_matches(self.words.values, r"\p{L}"))

    def different_stop_words(self) -> np.ndarray:
        bare = pc.utf8_lower(pc.utf8_trim(self.words.values, characters=_PUNCTUATION))
        which = pc.index_in(bare, value_set=pa.array(self.stop_words, bare.type)).fill_null(-1).to_numpy()
        seen = np.zeros((len(self.texts), len(self.stop_words) + 1), bool)
        seen[self.words.owners, which] = True
        return seen[:, :-1].sum(axis=1)

    def again(self, pieces: Pieces) -> np.ndarray:
        return pieces.shares(_is_again(pieces))

    def characters_again(self, pieces: Pieces) -> np.ndarray:
        return pieces.shares(_is_again(pieces) * pieces.lengths, pieces.lengths)

    def top(self, size: int) -> np.ndarray:
        """The share of characters in the commonest run of `size` words, 0 if each comes once; of words' own alone."""
        runs, words = self.repeated[size], self.words
        first = np.flatnonzero(np.diff(runs.group, prepend=-1))
        times = np.diff(np.append(first, len(runs.group)))
        ends = np.concatenate([[0], np.cumsum(words.lengths)])
        characters = ends[runs.at[first] + size] - ends[runs.at[first]]
        owners = words.owners[runs.at[first]]
        best = np.lexsort((characters, times))  # a later one is commoner, or as common and longer
        covered = np.zeros(len(self.texts), np.int64)
        covered[owners[best]] = (times * characters)[best]
        return np.minimum(_ratio(covered, words.sums(words.lengths)), 1)

    def repeating(self, size: int) -> np.ndarray:
        """The share of characters in runs of `size` words that came before in the text, each counted once."""
        runs, words = self.repeated[size], self.words
        later = runs.at[np.diff(runs.group, prepend=-1) == 0]
        edges = np.zeros(len(words.values) + 1, np.int64)
        np.add.at(edges, later, 1)
        np.add.at(edges, later + size, -1)
        return words.shares((np.cumsum(edges)[:-1] > 0) * words.lengths, words.lengths)

    @functools.cached_property
    def repeated(self) -> dict[int, Repeated]:
        """The runs of 2 to 10 words that come more than once in a text, by their size.

        A run can only come again if the two runs that are one word shorter do: few are looked at after the first size.
        """
        hashes, owners = self.words.hashes, self.words.owners
        at, keys = np.arange(len(hashes)), hashes.copy()
        found = {}
        for size in range(2, 11):
            at = at[at + size <= len(owners)]
            at = at[owners[at] == owners[at + size - 1]]
            keys[at] = keys[at] * _MIX + hashes[at + size - 1]
            order = at[np.argsort(keys[at], kind="stable")]
            is_new = np.append(True, keys[order[1:]] != keys[order[:-1]]) if len(order) else np.zeros(0, bool)
            is_alone = is_new & np.append(is_new[1:], True) if len(order) else is_new
            found[size] = Repeated(size, order[~is_alone], np.cumsum(is_new)[~is_alone])
            comes_again = np.zeros(len(hashes) + 1, bool)
            comes_again[found[size].at] = True
            at = np.flatnonzero(comes_again[:-1] & comes_again[1:])
        return found


def of_sentences(texts: pa.Array) -> pa.Array:
    """Texts without the lines that are no sentences, as C4 took them out (Raffel et al. 2020).

    Those are lines that end in no full stop, exclamation or question mark or quotation mark, that have less than five
    words, or that speak of JavaScript, cookies, terms of use or a privacy policy.
    """
    lines = Pieces.of(_trimmed(pc.split_pattern(texts, "\n")))

    def stays(line: pa.Array) -> pa.Array:
        words = pc.list_value_length(pc.utf8_split_whitespace(line))
        ends = pl.Series(line).str.contains(_LINE_END) & ~pl.Series(line).str.contains(_BOILERPLATE)
        return pc.and_(pc.greater_equal(words, _LEAST_WORDS), pa.array(ends.to_numpy()))

    kept = lines.only(stays)
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(kept.starts, pa.int32()), kept.values), "\n")


def _trimmed(parts: pa.ListArray) -> pa.ListArray:
    """Parts of texts without white space at their ends."""
    starts = parts.offsets.to_numpy()
    return pa.ListArray.from_arrays(pa.array(starts - starts[0]), pc.utf8_trim_whitespace(parts.flatten()))


def _is_again(pieces: Pieces) -> np.ndarray:
    """Which pieces are equal to an earlier one of their text: [pieces]."""
    order = np.argsort(pieces.hashes, kind="stable")
    again = np.zeros(len(order), bool)
    again[order[1:]] = pieces.hashes[order[1:]] == pieces.hashes[order[:-1]]
    return again


def _matches(values: pa.Array, pattern: str) -> np.ndarray:
    return pl.Series(values).str.contains(pattern).to_numpy()


def _ratio(counts: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Counts as shares of others, 0 where these are."""
    return np.divide(counts, of, out=np.zeros(len(of)), where=of > 0)


MEASURES: dict[str, Callable[[Looks], np.ndarray]] = {
    "words": lambda looks: looks.words.counts,
    "word-length": Looks.word_length,
    "hashes": lambda looks: looks.found_per_word("#"),
    "ellipses": lambda looks: looks.found_per_word("...", "…"),
    "bullets": Looks.bulleted_lines,
    "trailing-lines": Looks.trailing_lines,
    "letters": Looks.lettered_words,
    "stop-words": Looks.different_stop_words,
    "repeated-lines": lambda looks: looks.again(looks.lines),
    "repeated-paragraphs": lambda looks: looks.again(looks.paragraphs),
    "repeated-line-characters": lambda looks: looks.characters_again(looks.lines),
    "repeated-paragraph-characters": lambda looks: looks.characters_again(looks.paragraphs),
    **{f"top-{size}-gram": functools.partial(Looks.top, size=size) for size in (2, 3, 4)},
    **{f"repeated-{size}-grams": functools.partial(Looks.repeating, size=size) for size in range(5, 11)},
    "sentences": lambda looks: looks.found(_SENTENCE_END),
    "braces": lambda looks: looks.found("[{]"),
    "lorem-ipsum": lambda looks: looks.found("(?i)lorem ipsum"),
}
"""For each rule what it looks at: a number for each text, [texts]."""
