"""What became of a run's rows: those that it rejected, and the way of one row through its stages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .errors import Problem, RecipeError, did_you_mean
from .rows import ID, ORIGIN, SPLIT, SYSTEM, Row, Rows
from .runs import Run, Runs
from .store import OUTCOME, read_json

_SHOWN_IDS = 5


@dataclass
class Step:
    """What one stage did to a row."""

    stage: str
    kind: str
    use: str
    changed: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """Columns that have another value than before, with both."""
    made: Row = field(default_factory=dict)
    """New columns, with their values."""
    dropped: list[str] = field(default_factory=list)
    """Columns that are gone."""
    reject: dict[str, Any] | None = None
    """If the row ended here: the rule, the reason, what it was, and for a duplicate the row that stays."""


@dataclass
class Trace:
    """The way of a row through a run."""

    id: str | None
    """None for what a source could not read."""
    origin: dict[str, Any]
    """`file`, `line` and byte `offset`, None where that is not known."""
    split: str | None
    steps: list[Step]


def trace(run: Run, row: str) -> Trace:
    """What happened to a row, named by its id, the start of its id, or as FILE:LINE.

    Raises RecipeError if there is no such row, or several, or if what a stage made is no longer in the store.
    """
    stages = _data_stages(run)
    name = _find(run, stages, row)
    if name is None:
        return _unread(run, stages, row)
    found: dict[str, Row] = {}
    steps: list[Step] = []
    for stage in run.lock["stages"]:
        passed_on = [inner for inner in stage["inputs"] if inner not in stage.get("beside", ())]
        before = next((found[inner] for inner in passed_on if inner in found), None)
        if stage["kind"] in ("write", "train"):
            if before is not None:
                steps.append(Step(stage["name"], stage["kind"], stage["use"]))
            continue
        after = next(_rows(run, stage, lambda batch: pc.equal(batch[ID], name)), None)
        if after is not None:
            found[stage["name"]] = after
            steps.append(_step(stage, before or {}, after))
        elif before is not None:
            reject = next((reject for reject in rejects(run, stage["name"]) if reject["id"] == name), None)
            steps.append(Step(stage["name"], stage["kind"], stage["use"], reject=reject))
    last = list(found.values())[-1]
    return Trace(name, last[ORIGIN] or dict.fromkeys(("file", "line", "offset")), last[SPLIT], steps)


def rejects(run: Run, stage: str | None = None, rule: str | None = None) -> Iterator[dict[str, Any]]:
    """The rows that stages of a run rejected, in the order of the stages: `stage`, and what a Reject says.

    Raises RecipeError if there is no such stage, or no such rule where rows were rejected.
    """
    counts = reject_counts(run, stage, rule)
    for one in _data_stages(run):
        if one["name"] not in {name for name, _ in counts}:
            continue
        path = _folder(run, one) / "rejects.arrow"
        with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as reader:
            for batch in reader:
                chosen = batch if rule is None else batch.filter(pc.equal(batch["rule"], rule))
                for reject in chosen.to_pylist():
                    yield {"stage": one["name"], "use": one["use"], **reject}


def reject_counts(run: Run, stage: str | None = None, rule: str | None = None) -> dict[tuple[str, str], int]:
    """How many rows each (stage, rule) of a run rejected. Raises RecipeError as `rejects` does."""
    stages = _data_stages(run)
    names = [one["name"] for one in stages]
    if stage is not None and stage not in names:
        help = did_you_mean(stage, names, "its stages of data are")
        raise RecipeError(Problem("no-stage", f"{run.name} has no stage of data `{stage}`", help))
    counts: dict[tuple[str, str], int] = {}
    for one in stages:
        if stage in (None, one["name"]):
            outcome = read_json(_folder(run, one) / OUTCOME)
            counts |= {(one["name"], found): n for found, n in outcome["details"].get("rejects_by_rule", {}).items()}
    rules = list(dict.fromkeys(found for _, found in counts))
    if rule is not None and rule not in rules:
        help = did_you_mean(rule, rules, "the rules are") if rules else "nothing was rejected there"
        raise RecipeError(Problem("no-rule", f"no row was rejected by the rule `{rule}`", help))
    return {told: n for told, n in counts.items() if rule in (None, told[1])}


def _data_stages(run: Run) -> list[dict[str, Any]]:
    return [stage for stage in run.lock["stages"] if stage["kind"] not in ("write", "train")]


def _folder(run: Run, stage: Mapping[str, Any]) -> Path:
    """Where the outcome of a stage is. Raises RecipeError if it is not there."""
    store = Runs(run.folder.parent).store
    if not store.holds(stage["key"]):
        message = f"what {stage['name']} of {run.name} made is not in the store"
        raise RecipeError(Problem("gone", message, "run the recipe again: it is worked out again"))
    return store.folder(stage["key"])


def _rows(run: Run, stage: Mapping[str, Any], chosen: Callable[[pa.RecordBatch], pa.Array]) -> Iterator[Row]:
    """The rows of a stage's outcome that a condition chooses, with the core's own columns."""
    for batch in Rows.of_stages([_folder(run, stage)]).whole_batches():
        yield from batch.filter(chosen(batch)).to_pylist()


def _find(run: Run, stages: list[dict[str, Any]], row: str) -> str | None:
    """The id of the row that is meant; None if no source gave such a row."""
    sources = [stage for stage in stages if stage["kind"] == "source"]
    ways = [lambda batch: pc.equal(batch[ID], row), lambda batch: pc.starts_with(batch[ID], row)]
    if place := _place(row):
        ways.append(lambda batch: _is_at(batch[ORIGIN], *place))
    for way in ways:
        ids = list(dict.fromkeys(one[ID] for stage in sources for one in _rows(run, stage, way)))
        if len(ids) > 1:
            named = ", ".join(ids[:_SHOWN_IDS]) + (", …" if len(ids) > _SHOWN_IDS else "")
            message = f"`{row}` stands for {len(ids)} rows of {run.name}"
            raise RecipeError(Problem("many-rows", message, f"name one by its id: {named}"))
        if ids:
            return str(ids[0])
    return None


def _unread(run: Run, stages: list[dict[str, Any]], row: str) -> Trace:
    """The way of what a source could not read, which ends there. Raises RecipeError if there is no such thing."""
    place = _place(row)
    for stage in stages if place else ():
        for reject in rejects(run, stage["name"]) if stage["kind"] == "source" else ():
            if place and reject["line"] == place[1] and _is_file(reject["file"], place[0]):
                origin = {name: reject[name] for name in ("file", "line", "offset")}
                return Trace(None, origin, None, [Step(stage["name"], stage["kind"], stage["use"], reject=reject)])
    help = (
        "rows are named by id, as `ladle rejects` and the report show it, or as FILE:LINE, such as data/people.csv:12"
    )
    raise RecipeError(Problem("no-row", f"{run.name} has no row `{row}`", help))


def _place(row: str) -> tuple[str, int] | None:
    found = re.fullmatch(r"(.+):(\d+)", row)
    return (found[1], int(found[2])) if found else None


def _is_at(origin: pa.Array, file: str, line: int) -> pa.Array:
    files = pc.struct_field(origin, "file")
    is_file = pc.or_(pc.equal(files, file), pc.ends_with(files, f"/{file}"))
    return pc.fill_null(pc.and_(is_file, pc.equal(pc.struct_field(origin, "line"), line)), False)


def _is_file(name: str | None, file: str) -> bool:
    return name is not None and (name == file or name.endswith(f"/{file}"))


def _step(stage: Mapping[str, Any], before: Row, after: Row) -> Step:
    old, new = ({name: value for name, value in row.items() if name not in SYSTEM} for row in (before, after))
    return Step(
        stage["name"],
        stage["kind"],
        stage["use"],
        changed={name: (old[name], value) for name, value in new.items() if name in old and old[name] != value},
        made={name: value for name, value in new.items() if name not in old},
        dropped=[name for name in old if name not in new],
    )
