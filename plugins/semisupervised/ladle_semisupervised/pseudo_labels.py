"""What labelers share that learn from the rows with a label to label those without."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field

from ladle import Changes, Columns, OptionError, Reads

from .gaps import Found, GapFiller, plain

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from ladle import Rows


class Learnt(NamedTuple):
    """What a labeler has made of n rows of the train split."""

    numbers: np.ndarray
    """[n]: each row's class, given or found, or UNLABELLED."""
    confidence: np.ndarray
    """[n], from 0 to 1."""
    rounds: np.ndarray
    """[n]: in which round, from 1, a row was labelled; 0 for a row whose label was given, or that has none."""
    model: Any
    """What is needed to judge other rows (any JSON value)."""


class PseudoLabeler(GapFiller):
    """Fills gaps by what the known labels in the train split, and all its rows, teach.

    What is learnt is kept as JSON: the label of each row of the train split that got one, by the row's id, and what
    judges other rows.
    """

    into: Annotated[str, Changes("text", "integer", "boolean")] = Field(
        default="label", description="The column with the labels that are known, whose gaps are filled."
    )
    columns: Annotated[list[str], Reads("vector", "number")] = Field(
        default=["embedding"],
        min_length=1,
        description="The columns that decide: vectors, such as `sentence-embedding` makes, and numbers. Each counts "
        "alike; a row that lacks one gets no label.",
    )
    truth: str | None = Field(
        default=None,
        description="A column with the true labels, to check by: it teaches nothing, and the notes say how many of the "
        "new labels in the train split are right.",
    )

    def columns_after(self, given: Columns) -> Columns:
        if self.truth is not None:
            given.fresh().need(self.truth, option="truth")  # a log of its own: rows to predict need not have it
        return super().columns_after(given)

    @property
    def notes(self) -> dict[str, str]:
        """What a reader of the report should know: how many rows got a label in which round, and how many rightly."""
        return self.state["notes"]

    # To answer

    def learn(self, matrix: np.ndarray, numbers: np.ndarray, classes: Sequence[Any]) -> Learnt:
        """Learn from rows with the features `matrix` [n, width], of which some have a class number [n].

        A row that has a class keeps it. At least two classes have a row. Raises OptionError if that is too little.
        """
        raise NotImplementedError

    def judge(self, model: Any) -> Callable[[np.ndarray], np.ndarray]:
        """What gives the probability of each class, [rows, classes], for features [rows, width]."""
        raise NotImplementedError

    # Done here

    def fit(self, train: Rows) -> dict[str, Any]:
        from .features import Features

        names = dict.fromkeys([*self.columns, self.into, *([self.truth] if self.truth else [])])
        table = train.select(names).table()
        features = Features.learnt(self.columns, table)
        matrix, there = features.matrix(table)
        table = table.filter(there)
        classes, numbers = self._given(table[self.into])
        learnt = self.learn(matrix, numbers, classes)
        new = learnt.rounds > 0
        found = zip(learnt.numbers[new].tolist(), learnt.confidence[new].tolist(), strict=True)
        return {
            "features": asdict(features),
            "classes": classes,
            "rows": dict(zip(table["_id"].filter(new).to_pylist(), map(list, found), strict=True)),
            "model": learnt.model,
            "notes": self._told(learnt, table, classes),
        }

    def _given(self, labels: pa.ChunkedArray) -> tuple[list[Any], np.ndarray]:
        """The classes in order, and each row's class by number or UNLABELLED."""
        import pyarrow as pa
        import pyarrow.compute as pc

        from .calibration import UNLABELLED

        labels = plain(labels)
        classes = sorted(pc.unique(labels.drop_null()).to_pylist())
        if len(classes) < 2:
            there = f"only the class `{classes[0]}`" if classes else "no class"
            raise OptionError(
                f"column `{self.into}` has {there} in the train split: there is nothing to learn to tell apart",
                option="into",
                help="label some rows of each class first, by hand or by rules, and look at the split",
            )
        numbers = pc.index_in(labels, pa.array(classes, labels.type))
        return classes, numbers.fill_null(UNLABELLED).to_numpy()

    def _told(self, learnt: Learnt, table: pa.Table, classes: Sequence[Any]) -> dict[str, str]:
        from .calibration import UNLABELLED

        notes = {}
        true = table[self.truth].to_pylist() if self.truth is not None else [None] * len(table)
        for number in range(1, int(learnt.rounds.max(initial=0)) + 1):
            places = (learnt.rounds == number).nonzero()[0]
            told = f"{len(places)}"
            if checked := [at for at in places if true[at] is not None]:
                right = sum(str(true[at]) == str(classes[learnt.numbers[at]]) for at in checked)
                told += f", {right / len(checked):.1%} of them right by `{self.truth}`"
            notes[f"labelled in round {number}"] = told
        return notes | {"left without a label": f"{(learnt.numbers == UNLABELLED).sum()}"}

    def finder(self) -> Callable[[pa.RecordBatch, list[int]], Found]:
        judge = functools.cache(lambda: self.judge(self.state["model"]))

        def find(whole: pa.RecordBatch, places: list[int]) -> Found:
            splits, ids = whole["_split"].to_pylist(), whole["_id"].to_pylist()
            known = {at: self.state["rows"].get(ids[at]) for at in places if splits[at] == "train"}
            found = {at: label for at, label in known.items() if label is not None}
            if others := [at for at in places if at not in known]:
                found |= self._judged(whole, others, judge())
            return {at: (self.state["classes"][number], sure) for at, (number, sure) in found.items()}

        return find

    def _judged(
        self, batch: pa.RecordBatch, places: list[int], judge: Callable[[np.ndarray], np.ndarray]
    ) -> dict[int, list[Any]]:
        """Class number and confidence of those rows, at `places` of a batch, that are sure enough."""
        import numpy as np
        import pyarrow as pa

        from .features import Features

        matrix, there = Features(**self.state["features"]).matrix(batch.take(pa.array(places)))
        shares = judge(matrix)
        best = zip(np.array(places)[there].tolist(), shares.argmax(1).tolist(), shares.max(1).tolist(), strict=True)
        return {at: [number, sure] for at, number, sure in best if sure >= self.threshold and sure > 0}
