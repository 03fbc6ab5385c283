"""The labeler whose labels people give: on a page or in the terminal (`ladle label`), kept in an SQLite file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ladle import Columns, Labeler, NotInKey, OptionError, Reads
from ladle.options import resolve

from .labels import Labels
from .log import LogError, check_file, events_in
from .question import Choice, Choices, FreeText, Number, Pair, Question
from .settling import How, Settled, Settling
from .spans import Spans

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Rows

ACTIONS = {
    "undo": "Backspace",
    "skip": "s",
    "flag": "f",
    "note": "n",
    "unsure": "u",
    "help": "?",
}
"""What can be done beside labelling, with the keys for it."""
LABEL_KEYS = "1234567890qwertyiopadghjklzxcvbm"
"""The keys of labels where a recipe names none, in their order; none of them is an action's."""
_KINDS = ("labels", "spans", "number", "text", "pair")
_ORIGIN = "by-hand"


class Limits(BaseModel):
    """The smallest and the largest number that is an answer."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, populate_by_name=True)

    low: int | float = Field(alias="from", description="The smallest number.")
    high: int | float = Field(alias="to", description="The largest one. If both are whole, so is every answer.")

    @model_validator(mode="after")
    def _some_number(self) -> Limits:
        if self.low >= self.high:
            raise OptionError(f"no numbers lie between {self.low} and {self.high}", help="exchange `from` and `to`")
        return self


def _labels_file(value: Any, info: ValidationInfo) -> Any:
    """Where the labels are: beside the recipe, under the name of the data set, if the recipe says nothing else."""
    context = info.context or {}
    if value is None and "at" in context:
        value = f"{context['at'][1]}.labels.sqlite"
    return resolve(value, info).absolute() if isinstance(value, str) else value


class ByHand(Labeler):
    """Label rows by hand: one or several labels, spans of words, a number, a text, or the better one of two answers.

    `ladle label RECIPE` asks for them, on a page in the browser or in the terminal, and keeps them in a file. A run
    stops here until `enough` rows have a label, and goes on afterwards. A label that a row has brought along stays
    where it has none by hand. Columns beside the labels tell of each where it came from: `_origin` (`by-hand` or
    `given`), `_confidence`, `_annotator` and `_time`, each after the name of the labels' own column.
    """

    form = "arrow"

    into: str = Field(default="label", description="The column that gets the labels.")
    show: Annotated[list[str], Reads(), NotInKey()] = Field(
        default=[], description="The columns that annotators see; all of them, if none is named."
    )
    labels: list[str] = Field(default=[], description="The labels to choose from.")
    multiple: bool = Field(default=False, description="Whether a row can have several of the labels: lists of them.")
    spans: list[str] = Field(
        default=[],
        description="Labels of spans of words: names, places. A row gets a list of tags (BIO), one for each word.",
    )
    column: str = Field(default="text", description="Of spans: the column with the text, or list of words, to mark.")
    tokens: str = Field(default="tokens", description="Of spans in a text: the column that gets a list of its words.")
    number: Limits | None = Field(
        default=None, description="Numbers to choose from: { from = 0, to = 5 }; whole ones, if both are whole."
    )
    text: bool = Field(default=False, description="Whether the label is a text that annotators write.")
    pair: Annotated[list[str], Field(max_length=2)] = Field(
        default=[], description="Two columns, of which annotators say which has the better answer."
    )
    chosen: str = Field(default="chosen", description="Of pairs: the column that gets the better answers.")
    rejected: str = Field(default="rejected", description="Of pairs: the column that gets the others.")

    enough: int = Field(
        default=1, ge=0, description="How many rows must have a label by hand before a run goes on with them."
    )
    annotators: int = Field(default=1, ge=1, description="How many people have to label a row before it has a label.")
    settle: How = Field(
        default="majority",
        description="When several annotators make a label: if more than half of them say the same (of numbers: their "
        "mean), or only if all do. A label on which somebody settled goes before both.",
    )

    file: Annotated[Path | None, BeforeValidator(_labels_file), NotInKey(), Field(validate_default=True)] = Field(
        default=None,
        description="The SQLite file that keeps the labels; left out, DATA.labels.sqlite beside the recipe, after the "
        "name of the data set. Another file is begun where there is none.",
    )
    instructions: Annotated[str, NotInKey()] = Field(default="", description="What annotators are told.")
    keys: Annotated[dict[str, Annotated[str, Field(min_length=1)]], NotInKey()] = Field(
        default={}, description='Keys of labels: { positive = "p" }; the others have digits, then letters.'
    )
    action_keys: Annotated[dict[str, Annotated[str, Field(min_length=1)]], NotInKey()] = Field(
        default={}, description='Keys of undo, skip, flag, note, unsure and help that shall be others: { skip = "j" }.'
    )
    advance: Annotated[bool, NotInKey()] = Field(
        default=True, description="Whether a key that is an answer by itself goes on to the next row."
    )
    order: Annotated[Literal["auto", "margin", "centres", "random", "given"], NotInKey()] = Field(
        default="auto",
        description="Which rows come first: those a trained model of the recipe is least sure of (`margin`), the "
        "centres of clusters of `vectors`, drawn ones, or as they come. `auto` is the first of these that is "
        "possible. With the first two, rows of the held-out splits come between as drawn.",
    )
    vectors: Annotated[str | None, NotInKey()] = Field(
        default=None, description="The column with vectors to find clusters in; left out, the one there is."
    )

    _recipe: str = PrivateAttr(default="RECIPE")

    @field_validator("file")
    @classmethod
    def _file_of_labels(cls, file: Path | None) -> Path | None:
        try:
            if file is not None:
                check_file(file)
        except LogError as error:
            problem = error.problems[0]
            raise OptionError(problem.message, help=problem.help) from None
        return file

    @field_validator("labels", "spans", "pair")
    @classmethod
    def _different(cls, labels: list[str]) -> list[str]:
        if twice := [label for label in labels if labels.count(label) > 1]:
            raise OptionError(f"`{twice[0]}` is there twice", help="leave one of them out")
        if not all(label.strip() for label in labels):
            raise OptionError("one of them is empty", help="give it a name, or leave it out")
        return labels

    @model_validator(mode="after")
    def _one_question(self, info: ValidationInfo) -> ByHand:
        self._recipe = str((info.context or {}).get("recipe", "RECIPE"))
        asked = [name for name in _KINDS if getattr(self, name)]
        if len(asked) != 1:
            said = f"both `{asked[0]}` and `{asked[1]}`" if asked else "nothing"
            raise OptionError(
                f"a row is asked one question, and here is {said}",
                option=asked[1] if asked else None,
                help='give one of labels = ["…", "…"], spans = ["…"], number = { from = 0, to = 5 }, text = true, '
                'pair = ["…", "…"]',
            )
        if len(self.labels) == 1:
            raise OptionError("with one label there is nothing to choose", option="labels", help="name another one")
        if len(self.pair) == 1:
            raise OptionError("a pair has two columns", option="pair", help="name the other one too")
        if self.multiple and not self.labels:
            raise OptionError("`multiple` belongs to `labels`", option="multiple", help="leave it out")
        self._check_keys()
        return self

    def _check_keys(self) -> None:
        """Raises OptionError for a key of something that is not there, or of two things."""
        from ladle.errors import did_you_mean

        for option, known in (("keys", self.choices), ("action_keys", list(ACTIONS))):
            for name in getattr(self, option):
                if name not in known:
                    help = did_you_mean(name, known, "there are")
                    raise OptionError(f"there is no `{name}` to have a key", option=(option, name), help=help)
        taken: dict[str, str] = {}
        named = (("action_keys", self.keys_of_actions), ("keys", self.keys))
        for option, keys in named:
            for name, key in keys.items():
                if key in taken:
                    raise OptionError(
                        f"the key `{key}` is for both `{taken[key]}` and `{name}`",
                        option=(option, name) if name in getattr(self, option) else option,
                        help='give one of them another: action_keys = { note = "…" }',
                    )
                taken[key] = name

    @property
    def choices(self) -> list[str]:
        """What there is to choose from, each by a key of its own."""
        if self.number is not None:
            low, high = self.number.low, self.number.high
            is_short = isinstance(low, int) and isinstance(high, int) and high - low < 10
            return [str(number) for number in range(low, high + 1)] if is_short else []
        return self.labels or self.spans or self.pair

    @property
    def keys_of_actions(self) -> dict[str, str]:
        return ACTIONS | self.action_keys

    @property
    def keys_of_choices(self) -> dict[str, str]:
        """By choices their keys, as far as there are keys for them."""
        taken = {*self.keys.values(), *self.keys_of_actions.values()}
        digits = {c: c for c in self.choices if self.number is not None and len(c) == 1 and c not in taken}
        free = iter([key for key in LABEL_KEYS if key not in {*taken, *digits.values()}])
        keys = {choice: self.keys.get(choice) or digits.get(choice) or next(free, None) for choice in self.choices}
        return {choice: key for choice, key in keys.items() if key is not None}

    @cached_property
    def question(self) -> Question:
        """What annotators are asked."""
        if self.labels:
            return (Choices if self.multiple else Choice)(self.into, self.labels)
        if self.spans:
            return Spans(self.into, self.spans, self.column, self.tokens)
        if self.number is not None:
            return Number(self.into, self.number.low, self.number.high)
        return FreeText(self.into) if self.text else Pair(self.into, self.pair, self.chosen, self.rejected)

    @property
    def settling(self) -> Settling:
        return Settling(self.question, self.annotators, self.settle)

    def columns_of_provenance(self) -> dict[str, Any]:
        """The columns that tell where labels came from, with their types."""
        types = {"origin": "text", "confidence": "number", "annotator": "text", "time": "time"}
        return {f"{self.into}_{name}": type_ for name, type_ in types.items()}

    def columns_after(self, given: Columns) -> Columns:
        for column, type_ in self.columns_of_provenance().items():
            if column in given:
                given.need(column, type_)
        if self.vectors is not None:
            given.need(self.vectors, "vector", option="vectors")
        elif self.order == "centres" and given.known and not given.of_type("vector"):
            raise OptionError(
                "there is no column with vectors to find the centres of",
                option="order",
                help='make one: [[data.NAME.extract]] with use = "sentence-embedding"',
            )
        after = self.question.columns_after(super().columns_after(given))
        for column, type_ in self.columns_of_provenance().items():
            after = after.having(column, type_)
        return after

    # Labels in the file

    def kept(self) -> Labels:
        """All that was said about rows, as the file has it now. Raises LogError."""
        return Labels(events_in(self.file, self.into) if self.file else ())

    def version_of_data(self) -> Any:
        """The labels that rows have now: notes, flags and rows that were passed over play no part."""
        labels, settling = self.kept(), self.settling
        return [(labels.names_of(row), found) for row in sorted(labels) if (found := settling.settled(labels[row]))]

    # At work

    def label_data(self, data: Rows) -> Iterator[pa.RecordBatch]:
        labels = self.kept()
        self._check(data, labels)
        for batch in data.batches("arrow"):
            yield self._with_labels(batch, self._found(batch, labels))

    def _found(self, batch: pa.RecordBatch, labels: Labels) -> list[Settled | None]:
        """The label of each row of a batch."""
        columns = self.question.reads
        rows = batch.select(columns).to_pylist() if columns else [{}] * batch.num_rows
        ids = batch["_id"].to_pylist()
        settling = self.settling
        return [settling.settled(labels[id_], row) for id_, row in zip(ids, rows, strict=True)]

    def _check(self, data: Rows, labels: Labels) -> None:
        """Raises OptionError if too few rows have a label, unless they are rows to predict."""
        from ladle.trained import PREDICT

        total = found = 0
        for batch in data.whole_batches():
            if PREDICT in batch["_split"].to_pylist():
                return
            total += batch.num_rows
            found += sum(settled is not None for settled in self._found(batch, labels))
        if found < self.enough:
            raise OptionError(
                f"{_rows(found)} {'has' if found < 2 else 'have'} a label in `{self.into}`, {self.enough:,} are needed"
                + (f", and there are no more than {_rows(total)}" if total < self.enough else ""),
                option="enough",
                help=f"label rows, then run again: ladle label {self._recipe}",
            )
        settling = self.settling
        kept = sum(settling.settled(labels[row]) is not None for row in labels)
        if kept > found:
            warnings.warn(
                f"{kept - found} of {kept} labels in `{self.into}` are of rows that are not here, or are others now: "
                f"`ladle label {self._recipe}` finds rows again that show what they showed",
                stacklevel=1,
            )

    def _with_labels(self, batch: pa.RecordBatch, found: Sequence[Settled | None]) -> pa.RecordBatch:
        import pyarrow as pa
        import pyarrow.compute as pc

        from ladle import with_column

        made = self.question.made(batch, [settled and settled.value for settled in found])
        is_given = pc.and_(made[self.into].is_valid(), pa.array([settled is None for settled in found]))
        said = {
            "origin": pa.array([settled and _ORIGIN for settled in found], pa.string()),
            "confidence": pa.array([settled and settled.confidence for settled in found], pa.float64()),
            "annotator": pa.array([settled and ", ".join(settled.annotators) for settled in found], pa.string()),
            "time": pa.array([settled and datetime.fromisoformat(settled.at) for settled in found], pa.timestamp("us")),
        }
        is_new = said["origin"].is_valid()
        for name, values in made.items():
            batch = with_column(batch, name, values)
        for name, values in said.items():
            column = f"{self.into}_{name}"
            before = batch[column].cast(values.type) if column in batch.schema.names else None
            if before is not None:
                values = pc.if_else(is_new, values, before)
            if name == "origin":
                values = pc.coalesce(values, pc.if_else(is_given, "given", pa.scalar(None, pa.string())))
            batch = with_column(batch, column, values)
        return batch


def _rows(count: int) -> str:
    return "no row" if not count else f"{count:,} row{'s' * (count > 1)}"
