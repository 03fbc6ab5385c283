"""What a report tells, from a run's folder and the store, as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..store import read_json

if TYPE_CHECKING:
    from ..runs import Run
    from ..store import Store

_HEADLINES = ("accuracy", "rmse", "loss")  # the first of these that a trainer measures stands at the top
_SPLITS = ("test", "validation")


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
        "options": {name: value for name, value in locked["options"].items() if value not in (None, [], {}, "")},
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
        "headline": _headline(metrics, measured),
        "splits": {split: int(metrics[split]["rows"]) for split in splits},
        "metrics": _metrics(metrics, splits),
        "training": metrics["training"],
        "losses": _curves(history, "step", lambda name: name == "loss" or name.startswith("loss/")),
        "evaluations": _curves(history, "epoch", lambda name: name.startswith("eval_") and name != "eval_rows"),
        "measured": measured,
        "tables": found.get("tables", {}),
        "mistakes": found.get("mistakes", []),
    }


def _headline(metrics: dict[str, Any], split: str | None) -> dict[str, Any] | None:
    name = next((name for name in _HEADLINES if split and name in metrics[split]), None)
    if split is None or name is None:
        return None
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


def _curves(history: list[dict[str, Any]], over: str, wanted: Any) -> dict[str, list[tuple[float, float]]]:
    """The points of each curve; the loss itself is left out where it is its only term."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for entry in history:
        for name, value in entry.items():
            if wanted(name):
                curves.setdefault(name.removeprefix("eval_").removeprefix("loss/"), []).append((entry[over], value))
    if len(curves) == 2 and over == "step":
        curves.pop("loss")
    return curves
