"""What a report tells, from a run's folder and the store, as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..ablation import estimate
from ..differences import compare
from ..store import read_json
from .charts import Points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..ablation import Ablation
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


def gather_ablation(ablation: Ablation) -> dict[str, Any]:
    """What an ablation found, stage by stage and metric by metric."""
    return {
        "ablation": ablation,
        "stages": [
            {
                "name": stage,
                "split": split,
                "metrics": [_ablated(ablation, stage, metric) for metric in ablation.metrics(stage)],
            }
            for stage, split in ablation.stages.items()
        ],
    }


def _ablated(ablation: Ablation, stage: str, metric: str) -> dict[str, Any]:
    values = {variant.name: ablation.values(stage, metric, variant) for variant in ablation.variants}
    effects = list(ablation.effects(stage, metric))
    return {
        "name": metric,
        "values": values,
        "means": {name: tuple(estimate(found)) for name, found in values.items()},
        "effects": effects,
        "differences": {" ".join(filter(None, (e.technique, e.others))): tuple(e.difference) for e in effects},
    }


def gather_comparison(runs: Sequence[Run], store: Store) -> dict[str, Any]:
    """What several runs found, stage by stage: metrics side by side, curves of all of them together, what differs."""
    gathered = {run.name: {stage["name"]: stage for stage in gather(run, store)["trained"]} for run in runs}
    stages = dict.fromkeys(name for of_run in gathered.values() for name in of_run)
    return {
        "runs": runs,
        "stages": [_side_by_side(stage, gathered) for stage in stages],
        "differences": {run.name: compare(runs[0], run) for run in runs[1:]},
    }


def _side_by_side(stage: str, gathered: dict[str, dict[str, Any]]) -> dict[str, Any]:
    of_runs = {run: stages[stage] for run, stages in gathered.items() if stage in stages}
    charts: dict[tuple[str, str], dict[str, Points]] = {}
    for run, found in of_runs.items():
        for term, points in found["losses"].items():
            charts.setdefault((f"{term}, training", "step"), {})[run] = points
        for title, axis, points in found["charts"]:
            charts.setdefault((title, axis), {})[run] = points
    return {
        "name": stage,
        "metrics": metrics_of({run: found["measures"] for run, found in of_runs.items()}),
        "charts": charts,
    }


def metrics_of(measures: dict[str, dict[str, Any]]) -> dict[tuple[str, str], dict[str, tuple[float, Any] | None]]:
    """Metrics of one train stage in several runs, by split and name: of each run its value and interval."""
    found: dict[tuple[str, str], dict[str, tuple[float, Any] | None]] = {}
    for run, metrics in measures.items():
        for split in _SPLITS:
            for name, value in metrics.get(split, {}).items():
                of_runs = found.setdefault((split, name), dict.fromkeys(measures))
                of_runs[run] = (value, metrics["intervals"].get(split, {}).get(name))
    return found


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
        "counts": details.get("counts", {}),
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
        "measures": metrics,
        "training": metrics["training"],
        "losses": _losses(history),
        "charts": _charts(history),
        "measured": measured,
        "tables": found.get("tables", {}),
        "mistakes": _mistakes(found.get("mistakes", [])),
    }


def _mistakes(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mistakes as rows of one table: what only some of them say has no column."""
    said = set.intersection(*map(set, found)) if found else set()
    return [
        {name: value for name, value in mistake.items() if name in said}
        | {"row": {name: value for name, value in mistake["row"].items() if name != "_id"}}
        for mistake in found
    ]


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
