"""What differs: between what a stage was made from and what it would be made from now, and between two runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .store import digest

if TYPE_CHECKING:
    from .runs import Run


class Change(NamedTuple):
    """A value that is another one on the other side; None where there is none."""

    name: str
    before: Any
    after: Any

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.name} is new: {_shown(self.after)}"
        if self.after is None:
            return f"{self.name} is gone: {_shown(self.before)}"
        return f"{self.name} changed: {_shown(self.before)} -> {_shown(self.after)}"


def changes(before: Any, after: Any, name: str = "") -> Iterator[Change]:
    """The values that differ in two JSON values, with their dotted names; lists of plain values are one value."""
    if before == after:
        return
    old, new = _inside(before), _inside(after)
    if old is None or new is None:
        yield Change(name, before, after)
        return
    for key in {**old, **new}:
        yield from changes(old.get(key), new.get(key), f"{name}.{key}" if name else str(key))


def _inside(value: Any) -> Mapping[Any, Any] | None:
    if isinstance(value, Mapping):
        return value
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        return dict(enumerate(value))
    return None


def reasons(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Why a stage has another outcome than it had, its inputs aside; both are as a run's lock keeps them."""
    old, new = before["parts"], after["parts"]
    if old["format"] != new["format"]:
        yield "this ladle works it out in another way"
    yield from _of_component(old["component"], new["component"])
    if old["component"].get("files") != new["component"].get("files"):
        yield f"the content of {' and '.join(after['files'])} changed"
    yield from map(str, changes(old.get("seed"), new.get("seed"), "seed"))
    techniques = [parts.get("techniques", []) for parts in (old, new)]
    if len({_uses(found) for found in techniques}) > 1:
        yield str(Change("techniques", *map(_uses, techniques)))
        return
    for one, other in zip(*techniques, strict=True):
        yield from _of_component(one, other, other["use"].rpartition(":")[2])


def _of_component(before: Mapping[str, Any], after: Mapping[str, Any], name: str = "") -> Iterator[str]:
    if before.get("use") != after.get("use"):
        yield str(Change("use", before.get("use"), after.get("use")))
        return
    yield from map(str, changes(before["options"], after["options"], name))
    if before.get("model") != after.get("model"):
        yield f"the model that {name or 'it'} starts from changed"
    if before.get("data") != after.get("data"):
        yield "what it reads has changed"
    package = after.get("use", "").partition(":")[0]
    old, new = (version.partition("+") for version in (before.get("version", ""), after.get("version", "")))
    if old[0] != new[0]:
        yield str(Change(package, old[0], new[0]))
    elif old != new:
        yield f"the source of {package} changed"


def compare(one: Run, other: Run) -> dict[str, list[Change]]:
    """What differs between two runs, by what it is about: stages, options, versions, data, metrics.

    Of a stage that only one of them has, nothing but that is told.
    """
    shared = {entry["name"] for entry in one.lock["stages"]} & {entry["name"] for entry in other.lock["stages"]}
    before, after = _facts(one, shared), _facts(other, shared)
    return {about: list(changes(before[about], after[about])) for about in before}


def _facts(run: Run, shared: set[str]) -> dict[str, dict[str, Any]]:
    lock, outcome = run.lock, run.outcome
    options: dict[str, Any] = {"seed": lock["seed"]}
    data: dict[str, Any] = {}
    for entry in lock["stages"]:
        if entry["name"] not in shared:
            continue
        options[entry["name"]] = entry["options"] | {t["use"]: t["options"] for t in entry.get("techniques", [])}
        component = entry["parts"]["component"]
        read = {"content": component.get("files"), "model": component.get("model"), "version": component.get("data")}
        data[entry["name"]] = {name: digest(hashes)[:12] for name, hashes in read.items() if hashes}
    for stage in outcome["stages"]:
        if stage["name"] in data:
            data[stage["name"]] |= {"rows": stage["rows_out"], "rejects": stage["rejects"] or 0}
    return {
        "stages": {entry["name"]: entry["use"] for entry in lock["stages"]},
        "options": options,
        "versions": lock["plugins"] | lock["libraries"] | {"python": lock["python"]},
        "data": data,
        "metrics": {
            name: {split: found for split, found in of_stage.items() if split not in ("intervals", "training")}
            for name, of_stage in outcome["metrics"].items()
            if name in shared
        },
    }


def _uses(parts: list[Mapping[str, Any]]) -> str | None:
    return ", ".join(part["use"].rpartition(":")[2] for part in parts) or None


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
