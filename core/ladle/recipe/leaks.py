"""Leaks: rows that test a model, or what they are to be told from, may already be known to it."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping

from ..columns import Reads
from ..components import RowWork, Trainer
from ..options import marked
from ..sample import Sample
from .likely import ENOUGH
from .model import DataSet, Recipe, Split, TrainStage, Used
from .problems import Problems
from .spans import Path

_PLAIN = (str, int, float, bool)
_TWICE = 5  # rows with the second most frequent value, from which on two columns hardly agree by chance


def check_leaks(recipe: Recipe, samples: Mapping[str, Sample], problems: Problems) -> None:
    """Warn of rows that are learnt from in one place and test in another, and of targets among what is learnt from."""
    for data_set in recipe.data.values():
        _check_second_split(data_set, recipe, problems)
    for stage in recipe.train:
        for name in stage.data:
            _check_models_before(stage, name, recipe, problems)
        for used in stage.trainers:
            _check_target(used, stage.data_of(used), recipe, samples, problems)


def _check_second_split(data_set: DataSet, recipe: Recipe, problems: Problems) -> None:
    """Whether a data set divides rows again that another one has learnt from."""
    for name in _starts(data_set) if data_set.split else ():
        for before in _with_ancestors(recipe.data[name], recipe):
            learnt = [u for _, u in before.work if isinstance(u.component, RowWork) and u.component.learns]
            divided = _divided(before, recipe).split
            if learnt and data_set.split and not _holds_out(divided, data_set.split, same_rows=True):
                rows = "its train split" if divided else "all of its rows"
                problems.add(
                    "leak",
                    f"`{learnt[0].use}` in `{before.name}` has learnt from {rows}, which this split divides again: "
                    "what is tested here was learnt from there",
                    f"leave this split out, or move `{learnt[0].use}` to `{data_set.name}`",
                    ("data", data_set.name, "split"),
                    severity="warning",
                )
                return


def _check_models_before(stage: TrainStage, data: str, recipe: Recipe, problems: Problems) -> None:
    """Whether a model goes on from one that was trained on rows that test it here."""
    here = _divided(recipe.data[data], recipe)
    learnt = [(at, earlier, name) for at, earlier in _stages_before(stage, recipe) for name in earlier.data]
    for at, earlier, name in learnt:
        there = _divided(recipe.data[name], recipe)
        trainer = earlier.trainer.component
        assert isinstance(trainer, Trainer)
        if not here.split or here is there or not trainer.epochs:
            continue
        shared = _roots(here, recipe) & _roots(there, recipe)
        same_rows = _identity(here, recipe) == _identity(there, recipe)
        if shared and not _holds_out(there.split, here.split, same_rows):
            how = "divides it in another way" if there.split else "trains on all of it"
            problems.add(
                "leak",
                f"`{earlier.name}` was trained on rows that test the model here: `{name}` reads {min(shared)} "
                f"too, and {how}",
                f'divide the rows once, and let one data set start from the other (use = "data", name = "{name}")',
                at,
                "value",
                "warning",
            )
            return


def _stages_before(stage: TrainStage, recipe: Recipe) -> Iterator[tuple[Path, TrainStage]]:
    """The stages whose models have gone into this one's, the nearest first, and where the recipe says so."""
    by_name = {other.name: other for other in recipe.train}
    for used in stage.uses:
        for option, choice in used.component.model_choices():
            if choice.stage and (earlier := by_name.get(choice.stage)):
                at = (*used.at, option, "stage")
                yield at, earlier
                yield from ((at, older) for _, older in _stages_before(earlier, recipe))


def _holds_out(outer: Split | None, inner: Split, same_rows: bool) -> bool:
    """Whether rows that `inner` holds out were held out by `outer` already; a hash of all columns needs `same_rows`."""
    if outer is None or (outer.column, outer.time, outer.by) != (inner.column, inner.time, inner.by):
        return False
    if inner.column:
        return True
    is_same_order = bool(inner.time) or (outer.seed == inner.seed and (bool(inner.by) or same_rows))
    return is_same_order and inner.test + inner.validation <= outer.test + outer.validation


def _starts(data_set: DataSet) -> list[str]:
    """The data sets that one starts from."""
    return [name for used in data_set.sources for _, name in used.component.data_names()]


def _with_ancestors(data_set: DataSet, recipe: Recipe) -> list[DataSet]:
    return [data_set, *(one for name in _starts(data_set) for one in _with_ancestors(recipe.data[name], recipe))]


def _divided(data_set: DataSet, recipe: Recipe) -> DataSet:
    """The data set whose split divides the rows of this one: itself, or what it starts from."""
    starts = _starts(data_set)
    return data_set if data_set.split or not starts else _divided(recipe.data[starts[0]], recipe)


def _sources(data_set: DataSet, recipe: Recipe) -> list[Used]:
    """Where the rows of a data set come from in the end."""
    return [
        used for one in _with_ancestors(data_set, recipe) for used in one.sources if not used.component.data_names()
    ]


def _roots(data_set: DataSet, recipe: Recipe) -> set[str]:
    """The files that the rows come from; a source without files is one by its options."""
    roots: set[str] = set()
    for used in _sources(data_set, recipe):
        files = {str(file) for file in used.component.files()}
        roots |= files or {f"`{used.use}` {used.component.model_dump_json()}"}
    return roots


def _identity(data_set: DataSet, recipe: Recipe) -> list[tuple[str, str]]:
    """What decides the ids of rows: equal for two data sets only if they read equal rows."""
    return [(used.use, used.component.model_dump_json()) for used in _sources(data_set, recipe)]


def _check_target(used: Used, data: str, recipe: Recipe, samples: Mapping[str, Sample], problems: Problems) -> None:
    """Whether the target is among the columns that a model learns from, by itself or in another guise."""
    target = getattr(used.component, "target", None)
    if not isinstance(target, str):
        return
    if (option := _option_naming(target, used)) is not None:
        problems.add(
            "leak",
            f"the model is to learn `{target}` from `{target}` itself",
            "name what it shall be told from",
            (*used.at, option),
            "value",
            "warning",
        )
    labelers = _labelled_by(target, data, recipe)
    for column in sorted(used.after.read - {target}):
        if what := _copied(column, target, labelers.get(column), samples[data]):
            named = (*used.at, _option_naming(column, used) or "data")
            at = named if named in problems.places else (*used.at, "data")
            help = f"leave `{column}` out of what the model learns from"
            problems.add("leak", what, help, at, "value", "warning")


def _option_naming(column: str, used: Used) -> str | None:
    """The option, other than the target, that names a column to read."""
    for name, field in type(used.component).model_fields.items():
        value = getattr(used.component, name)
        if (
            name != "target"
            and marked(field.metadata, Reads)
            and column in ([value] if isinstance(value, str) else value or ())
        ):
            return field.alias or name
    return None


def _labelled_by(target: str, data: str, recipe: Recipe) -> dict[str, str]:
    """For columns of numbers by which a labeler makes the target, what the labeler is called."""
    return {
        column: used.use
        for data_set in _with_ancestors(recipe.data[data], recipe)
        for used in data_set.steps["label"]
        if target in used.after.written
        for column in used.after.read - {target}
        if used.after.get(column) in ("integer", "number", "boolean")
    }


def _copied(column: str, target: str, labeler: str | None, sample: Sample) -> str | None:
    """What to say if a column tells the target in all rows of the sample."""
    pairs = [(row[column], row[target]) for row in sample.rows if column in row and target in row]
    pairs = [pair for pair in pairs if all(isinstance(value, _PLAIN) for value in pair)]
    counts = collections.Counter(pairs)
    targets = {other for _, other in counts}
    if len(pairs) < ENOUGH or len(targets) < 2:
        return None
    if all(str(one) == str(other) for one, other in counts):
        return f"`{column}` is equal to the target `{target}` in {sample}"
    if len({one for one, _ in counts}) < len(counts):  # a value of the column goes with several targets
        return None
    if labeler:
        return f"the target `{target}` follows from `{column}`, by `{labeler}`, and the model reads it too"
    if len(targets) == len(counts) and counts.most_common(2)[1][1] >= _TWICE:
        return f"`{column}` has a value of its own for each of the target `{target}` in {sample}"
    return None
