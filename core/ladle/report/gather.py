"""What a report tells, from a run's folder and the store, as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..store import read_json
from .charts import Points

if TYPE_CHECKING:
    from ..runs import Run
    from ..store import Store

_SPLITS = ("test", "validation")
_OTHER_NAMES = {"grad_norm": "norm of the gradient"}


def gather(run: Run, store: Store) -> dict[str, Any]:
    """All that the page shows; what a run does not have is empty."""
    lock, outcome = run.lock, run.outcome
    told = {entry["name"]: entry for entry in outcome["stages"]}
    stages = [_stage(locked, told[locked["name"]], store) for locked in lock["stages"] if locked["name"] in told]
    trained = [_training(stage, store) for stage in stages if stage["kind"] == "train"]
    return {
        "run": outcome,
        "lock": lock,
        "recipe": (run.folder / "recipe.toml").read_text(encoding="utf-8"),
        "stages": stages,
        "sources": [stage for stage in stages if stage["kind"] == "source"],
        "trained": trained,
        "versions": {**lock["plugins"], **lock["libraries"], "Python": lock["python"]},
    }


def _stage(locked: dict[str, Any], told: dict[str, Any], store: Store) -> dict[str, Any]:
    outcome = store.outcome(locked["key"])
    details = outcome["details"]
    return {
        **locked,
        **{name: told[name] for name in ("status", "rows_in", "rows_out", "rejects")},
        "seconds": outcome["seconds"],
        "options": {name: value for name, value in locked["options"].items() if value not in (None, [], {})},
        "columns": locked.get("columns") or {},
        "splits": details.get("splits", {}),
        "labels": details.get("labels", {}),
        "rules": details.get("rejects_by_rule", {}),
        "rejected": details.get("reject_examples", []),
        "changes": details.get("changes_by_column", {}),
        "changed": details.get("change_examples", []),
        "notes": details.get("notes", {}),
        "wrote": details.get("path"),
    }


def _training(stage: dict[str, Any], store: Store) -> dict[str, Any]:
    folder = store.folder(stage["key"])
    metrics = read_json(folder / "metrics.json")
    details = read_json(folder / "details.json")
    history = read_json(folder / "history.json") if (folder / "history.json").is_file() else []
    splits = [split for split in _SPLITS if split in metrics]
    measured = splits[0] if splits else None
    found = details.get(measured, {}) if measured else {}
    return {
        **stage,
        "headline": _headline(metrics, stage["options"].get("choose_by"), measured),
        "splits": {split: int(metrics[split]["rows"]) for split in splits},
        "metrics": _metrics(metrics, splits),
        "training": metrics["training"],
        "losses": _losses(history),
        "charts": _charts(history),
        "measured": measured,
        "tables": found.get("tables", {}),
        "mistakes": [_without_id(mistake) for mistake in found.get("mistakes", [])],
    }


def _without_id(mistake: dict[str, Any]) -> dict[str, Any]:
    return mistake | {"row": {name: value for name, value in mistake["row"].items() if name != "_id"}}


def _headline(metrics: dict[str, Any], chosen: str | None, split: str | None) -> dict[str, Any] | None:
    """The metric that chose the model; where that is the loss, the first that the trainer names beside it."""
    names = [name for name in metrics[split] if name != "rows"] if split else []
    if split is None or not names:
        return None
    name = min(names, key=lambda name: (name == "loss", name != chosen))
    return {
        "name": name,
        "value": metrics[split][name],
        "split": split,
        "rows": metrics[split]["rows"],
        "interval": metrics["intervals"].get(split, {}).get(name),
        "baseline": metrics.get("baseline", {}).get(name) if split == "test" else None,
    }


def _metrics(metrics: dict[str, Any], splits: list[str]) -> list[dict[str, Any]]:
    """One entry for each metric: by split its value and interval, and the baseline of the test split."""
    names = dict.fromkeys(name for split in splits for name in metrics[split] if name != "rows")
    return [
        {
            "name": name,
            "values": [(metrics[split].get(name), metrics["intervals"].get(split, {}).get(name)) for split in splits],
            "baseline": metrics.get("baseline", {}).get(name),
        }
        for name in names
    ]


def _losses(history: list[dict[str, Any]]) -> dict[str, Points]:
    """The curve of each term of the loss, and of their sum where there are several."""
    curves = _curves(history, "step")
    terms = {name.removeprefix("loss/"): points for name, points in curves.items() if name.startswith("loss/")}
    if len(terms) == 1 or "loss" not in curves:
        return terms
    return {"sum" if terms else "loss": curves["loss"], **terms}


def _charts(history: list[dict[str, Any]]) -> list[tuple[str, str, Points]]:
    """Title, axis and points of whatever else was logged more than once: each has a scale of its own."""
    evaluations = [
        (f"{name.removeprefix('eval_')}, validation", "epoch", points)
        for name, points in _curves(history, "epoch").items()
        if name.startswith("eval_") and name != "eval_rows"
    ]
    others = [
        (_OTHER_NAMES.get(name, name.replace("_", " ")), "step", points)
        for name, points in _curves(history, "step").items()
        if not name.startswith(("eval_", "loss", "train_")) and name not in ("step", "epoch", "total_flos")
    ]
    return [chart for chart in evaluations + others if len(chart[2]) > 1]


def _curves(history: list[dict[str, Any]], over: str) -> dict[str, Points]:
    """The points of everything that was logged, by name."""
    names = dict.fromkeys(name for entry in history for name, value in entry.items() if isinstance(value, int | float))
    return {name: [(entry[over], entry[name]) for entry in history if name in entry] for name in names}
