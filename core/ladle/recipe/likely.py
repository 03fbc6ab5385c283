"""Likely mistakes that the first rows show: a sample of them goes through the recipe, as far as that is quick."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..components import DataSource, RowWork
from ..errors import OptionError
from ..rejects import Reject
from ..sample import Sample
from .model import DataSet, Recipe, Used
from .problems import Problems

ROWS = 100
ENOUGH = 20  # rows that say something about the others
_MOST = 0.95


def check_samples(ordered: Sequence[DataSet], recipe: Recipe, problems: Problems) -> dict[str, Sample]:
    """Let the first rows flow and warn of what they show; the samples of finished data sets come back, by name."""
    samples: dict[str, Sample] = {}
    for data_set in ordered:
        sample = _collected(data_set, recipe, samples, problems)
        for step, used in data_set.work:
            _ask(used, sample, problems)
            if isinstance(used.component, RowWork):
                sample = _worked(step, used, used.component, sample, problems)
        samples[data_set.name] = sample
    for stage in recipe.train:
        for used in stage.uses:
            _ask(used, samples[stage.data_of(used)], problems)
    return samples


def _collected(data_set: DataSet, recipe: Recipe, samples: dict[str, Sample], problems: Problems) -> Sample:
    """As many rows of each source, with a null where another source has a column more."""
    found = [_of_source(used, recipe, samples, ROWS // len(data_set.sources) or 1) for used in data_set.sources]
    for used, (sample, _) in zip(data_set.sources, found, strict=True):
        _ask(used, sample, problems)
    if not all(sample.rows for sample, _ in found):
        return Sample()
    unknown = {name for _, names in found for name in names}
    columns = dict.fromkeys(name for sample, _ in found for name in sample.rows[0] if name not in unknown)
    rows = [row for sample, _ in found for row in sample.rows]
    return Sample(
        [{"_id": str(number)} | {name: row.get(name) for name in columns} for number, row in enumerate(rows)],
        all(sample.is_whole for sample, _ in found),
    )


def _of_source(used: Used, recipe: Recipe, samples: dict[str, Sample], count: int) -> tuple[Sample, set[str]]:
    """The first rows of a source, and the columns of which nothing is known."""
    source = used.component
    assert isinstance(source, DataSource)
    if recipe.is_offline:
        return Sample(), set()
    for _, name in source.data_names():
        whole = samples[name]
        known = whole.rows[0].keys() if whole.rows else ()
        rows = whole.rows[:count]
        return Sample(rows, whole.is_whole and len(rows) == len(whole)), set(recipe.data[name].columns) - set(known)
    try:
        return source.first_rows(count) or Sample(), set()
    except Exception:  # `peek` has told what is wrong with the source; what else there is, the run tells
        return Sample(), set()


def _worked(step: str, used: Used, work: RowWork, sample: Sample, problems: Problems) -> Sample:
    """The sample after a component, or without the columns that it writes if it cannot be tried."""
    rows = sample.rows
    if rows and work.is_light and not work.learns and used.after.read <= rows[0].keys():
        try:
            return _tried(step, used, getattr(work, f"{step}_row"), sample, problems)
        except Exception as error:
            _warn(error, used, problems)
    kept = [{name: value for name, value in row.items() if name not in used.after.written} for row in rows]
    return Sample(kept, sample.is_whole)


def _tried(step: str, used: Used, work: Callable[[dict[str, Any]], Any], sample: Sample, problems: Problems) -> Sample:
    answers = [work(dict(row)) for row in sample.rows]
    if rejects := [answer for answer in answers if isinstance(answer, Reject)]:
        _judge(rejects, used, sample, problems)
    kept = [answer for answer in answers if not isinstance(answer, Reject)]
    columns = dict.fromkeys(name for row in kept for name in row)
    return Sample([{name: row.get(name) for name in columns} for row in kept], sample.is_whole)


def _judge(rejects: list[Reject], used: Used, sample: Sample, problems: Problems) -> None:
    """Warn of a cleaner that leaves next to nothing."""
    if len(sample) < ENOUGH or len(rejects) <= _MOST * len(sample):
        return
    share = f"{'all' if len(rejects) == len(sample) else len(rejects)} of {sample}"
    rules = {reject.rule for reject in rejects}
    option = rules.pop() if len(rules) == 1 else "use"
    at = (*used.at, option) if (*used.at, option) in problems.places else (*used.at, "use")
    help = f"the first of them because {rejects[0].reason}"
    problems.add("rejects", f"`{used.use}` rejects {share}", help, at, "value", "warning")


def _ask(used: Used, sample: Sample, problems: Problems) -> None:
    try:
        for doubt in used.component.doubts(sample):
            _warn(doubt, used, problems)
    except Exception as error:
        _warn(error, used, problems)


def _warn(error: Exception, used: Used, problems: Problems) -> None:
    """Note as a warning what a component says, or that it fails."""
    if isinstance(error, OptionError):
        at = (*used.at, *(error.path or ("use",)))
        at = at if at in problems.places else (*used.at, "use")
        problems.add(error.code, str(error), error.help, at, "value", "warning")
    else:
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        message = f"`{used.use}` failed while it looked at the first rows: {what}"
        problems.add("plugin", message, "", (*used.at, "use"), "value", "warning")
