"""Dropping texts that do not read like texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from pydantic import Field, field_validator

from ladle import Cleaned, Cleaner, Columns, OptionError, Reject
from ladle.errors import did_you_mean

from .arrays import as_text, positions

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Sample


class Rule(NamedTuple):
    """What is usual of a text: at least and at most so much; `said` says how much there is."""

    least: float | None
    most: float | None
    said: str


_GOPHER = {
    "words": Rule(50, 100_000, "{:.0f} words"),
    "word-length": Rule(3, 10, "words of {:.3g} characters on average"),
    "hashes": Rule(None, 0.1, "{:.3g} hash signs to a word"),
    "ellipses": Rule(None, 0.1, "{:.3g} ellipses to a word"),
    "bullets": Rule(None, 0.9, "a bullet before {:.0%} of its lines"),
    "trailing-lines": Rule(None, 0.3, "an ellipsis after {:.0%} of its lines"),
    "letters": Rule(0.8, None, "a letter in {:.0%} of its words"),
    "stop-words": Rule(2, None, "{:.0f} of the stop words"),
}
_REPETITION = {
    "repeated-lines": Rule(None, 0.3, "{:.0%} of its lines twice"),
    "repeated-paragraphs": Rule(None, 0.3, "{:.0%} of its paragraphs twice"),
    "repeated-line-characters": Rule(None, 0.2, "{:.0%} of its characters in lines that come twice"),
    "repeated-paragraph-characters": Rule(None, 0.2, "{:.0%} of its characters in paragraphs that come twice"),
    **{
        f"top-{size}-gram": Rule(None, most, f"{{:.0%}} of its characters in its commonest {size} words")
        for size, most in ((2, 0.2), (3, 0.18), (4, 0.16))
    },
    **{
        f"repeated-{size}-grams": Rule(None, most, f"{{:.0%}} of its characters in {size} words that come twice")
        for size, most in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
    },
}
_C4 = {
    "sentences": Rule(3, None, "{:.0f} sentences"),
    "braces": Rule(None, 0, "{:.0f} curly brackets, as programs have"),
    "lorem-ipsum": Rule(None, 0, '"lorem ipsum" {:.0f} times'),
}
GROUPS = {"gopher": _GOPHER, "repetition": _REPETITION, "c4": _C4}
RULES = _GOPHER | _REPETITION | _C4

_MOST_BYTES = 1 << 22  # of texts that are looked at together


def _listed(groups: dict[str, dict[str, Rule]]) -> str:
    """Groups of rules with their limits, for who chooses from them."""
    return "; ".join(f"`{group}`: {', '.join(map(_limits, rules, rules.values()))}" for group, rules in groups.items())


def _limits(name: str, rule: Rule) -> str:
    if rule.least is None:
        return f"{name} (at most {rule.most:g})"
    return f"{name} (at least {rule.least:g})" if rule.most is None else f"{name} ({rule.least:g} to {rule.most:g})"


class Quality(Cleaner):
    """Drop texts that do not read like texts: too short, full of symbols, or the same over and over.

    The rules and their limits are those with which Gopher (Rae et al. 2021, appendix A.1) and C4 (Raffel et al. 2020)
    were cleaned; a row goes by the first that it breaks. They were made for pages of the web in English: for shorter
    texts, or other languages, set `limits` and `stop_words`. Words are what white space separates.
    """

    form = "arrow"

    column: str = Field(default="text", description="The text column.")
    rules: list[str] = Field(
        default=["gopher", "repetition"],
        min_length=1,
        description=f"Groups of rules, or single ones. {_listed(GROUPS)}.",
    )
    limits: dict[str, float | list[float]] = Field(
        default={},
        description="Other limits for some rules, for those that go from one number to another both: "
        "limits = { words = [20, 100000], letters = 0.5 }.",
    )
    stop_words: list[str] = Field(
        default=["the", "be", "to", "of", "and", "that", "have", "with"],
        description="What the rule `stop-words` counts, each once.",
    )
    drop_lines: bool = Field(
        default=False,
        description="Take out lines first that are no sentences, as for C4: those that end in no . ! ? or quotation "
        "mark, have less than five words, or speak of JavaScript, cookies, terms of use or a privacy policy.",
    )

    @field_validator("rules")
    @classmethod
    def _known_rules(cls, rules: list[str]) -> list[str]:
        for name in rules:
            if name not in GROUPS and name not in RULES:
                help = did_you_mean(name, [*GROUPS, *RULES], "the rules are")
                raise OptionError(f"there is no rule `{name}`", item=name, help=help)
        return rules

    @field_validator("limits")
    @classmethod
    def _known_limits(cls, limits: dict[str, float | list[float]]) -> dict[str, float | list[float]]:
        for name, limit in limits.items():
            if name not in RULES:
                help = did_you_mean(name, list(RULES), "the rules are")
                raise OptionError(f"there is no rule `{name}`", option=("limits", name), help=help)
            is_range = None not in RULES[name][:2]
            if is_range != isinstance(limit, list) or (is_range and (len(limit) != 2 or limit[0] > limit[1])):
                what = "two limits, such as [3, 10]" if is_range else "one limit, such as 0.5"
                raise OptionError(f"the rule `{name}` has {what}", option=("limits", name))
        return limits

    @property
    def _chosen(self) -> dict[str, Rule]:
        """The rules, with the limits that the recipe gives them, in the order of the recipe."""
        named = [name for rule in self.rules for name in GROUPS.get(rule, {rule: RULES.get(rule)})]
        return {name: self._limited(name, RULES[name]) for name in dict.fromkeys(named)}

    def _limited(self, name: str, rule: Rule) -> Rule:
        limit = self.limits.get(name)
        if limit is None:
            return rule
        if isinstance(limit, list):
            return rule._replace(least=limit[0], most=limit[1])
        return rule._replace(least=limit) if rule.most is None else rule._replace(most=limit)

    def columns_after(self, given: Columns) -> Columns:
        given.need(self.column, "text", option="column")
        return given.having(self.column, "text") if self.drop_lines else given

    def doubts(self, sample: Sample) -> Iterator[OptionError]:
        texts = [text for text in sample.values(self.column) if isinstance(text, str)]
        words = self._chosen.get("words")
        if words and words.least is not None:
            short = [text for text in texts if len(text.split()) < words.least]
            if len(short) > len(texts) / 2:
                yield OptionError(
                    f"{len(short)} of {sample} have less than {words.least:.15g} words in `{self.column}`, and go",
                    option="limits",
                    help=f"for short texts set limits = {{ words = [5, {words.most:.15g}] }}",
                    code="short-texts",
                )

    def clean_batch(self, batch: pa.RecordBatch) -> Cleaned:
        import pyarrow as pa
        import pyarrow.compute as pc

        from ladle import with_column

        from .heuristics import of_sentences

        texts = as_text(batch[self.column]).cast(pa.string())
        missing = Reject(rule="missing", reason=f"no value in `{self.column}`")
        rejects = dict.fromkeys(positions(pc.is_null(texts)), missing)
        present = pc.fill_null(texts, "")
        if self.drop_lines:
            present = of_sentences(present)
            batch = with_column(batch, self.column, pc.if_else(pc.is_null(texts), texts, present))
        start = 0
        for part in _parts(present):
            for row, reject in self._broken(part).items():
                rejects.setdefault(start + row, reject)
            start += len(part)
        return Cleaned(batch, rejects)

    def _broken(self, texts: pa.Array) -> dict[int, Reject]:
        """The first rule that each of some texts breaks."""
        import numpy as np

        from .heuristics import MEASURES, Looks

        looks = Looks(texts, self.stop_words)
        rejects: dict[int, Reject] = {}
        for name, rule in self._chosen.items():
            found = MEASURES[name](looks)
            is_less = found < rule.least if rule.least is not None else np.zeros(len(found), bool)
            is_more = found > rule.most if rule.most is not None else np.zeros(len(found), bool)
            for row in np.flatnonzero(is_less | is_more).tolist():
                bound = f"less than {rule.least:.15g}" if is_less[row] else f"more than {rule.most:.15g}"
                said = f"`{self.column}` has {rule.said.format(found[row])}, {bound}"
                rejects.setdefault(row, Reject(rule=name, reason=said))
        return rejects


def _parts(texts: pa.Array) -> Iterator[pa.Array]:
    """Texts, as many at a time as have so many characters that memory is no trouble."""
    import numpy as np
    import pyarrow.compute as pc

    ends = np.cumsum(pc.binary_length(texts).to_numpy())
    start = 0
    while start < len(texts):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _MOST_BYTES, side="right")))
        yield texts.slice(start, stop - start)
        start = stop
