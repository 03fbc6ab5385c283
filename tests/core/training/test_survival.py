"""A training that is stopped goes on as if it had not been; one that goes wrong stops and tells."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from ladle.errors import StageError
from ladle.runs import Run, Runs


def technique(use: str, **options: Any) -> str:
    return "\n".join(
        ["[[train.technique]]", f'use = "{use}"', *(f"{name} = {json.dumps(value)}" for name, value in options.items())]
    )


LONG = {"epochs": 3, "times": 4, "batch_size": 4, "in_order": False, "dropout": 0.1, "accumulate": 1}


def weights(run: Run) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(run.model("model") / "model.safetensors")


def events(run: Run, name: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (run.folder / "events.jsonl").read_text().splitlines()]
    return [event for event in found if event["event"] == name]


@pytest.fixture
def elsewhere(tmp_path: Path, train: Callable[..., Run]) -> Callable[..., Run]:
    """The same training without the interruption that its technique `interrupted` makes."""

    def run(note: str, techniques: str, **options: Any) -> Run:
        Path(note).touch()
        shutil.rmtree(tmp_path / "runs")
        return train(techniques, **options)

    return run


@pytest.mark.parametrize("after", [3, 6, 11, 16])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_training_that_was_asked_to_stop_goes_on_to_the_same_weights(train, elsewhere, tmp_path, after, accumulate):
    """At a step in the middle of an epoch and at the end of one, with dropout and random masks."""
    note = str(tmp_path / "stopped")
    options = LONG | {"accumulate": accumulate, "batch_size": 4 // accumulate, "early_stopping": 2, "held_out": True}
    options |= {"times": 6, "learning_rate": 0.01}
    stop = technique("interrupted", after=after, note=note, how="signal") + "\n" + technique("random-mask")
    with pytest.raises(KeyboardInterrupt):
        train(stop, **options)
    resumed = train(stop, **options)
    assert resumed.name == "recipe-1"
    [going_on] = events(resumed, "training-resumed")
    [stopped] = events(resumed, "training-stopped") or [{"step": going_on["step"], "steps": going_on["steps"]}]
    assert (stopped["step"], stopped["steps"]) == (going_on["step"], going_on["steps"])
    assert going_on["step"] in range(after - 3, after + 2)
    history = resumed.outcome["metrics"]
    found = weights(resumed)
    whole = elsewhere(note, stop, **options)
    wanted = weights(whole)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert whole.outcome["metrics"]["model"]["validation"] == history["model"]["validation"]


def test_a_training_that_was_killed_goes_on_from_its_last_checkpoint(train, elsewhere, tmp_path):
    note = str(tmp_path / "stopped")
    stop = technique("interrupted", after=19, note=note)
    with pytest.raises(KeyboardInterrupt):
        train(stop, **LONG)
    resumed = train(stop, **LONG)
    [going_on] = events(resumed, "training-resumed")
    assert 16 <= going_on["step"] < 19
    assert resumed.outcome["metrics"]["model"]["training"]["steps"] == 24
    found = weights(resumed)
    wanted = weights(elsewhere(note, stop, **LONG))
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_a_second_signal_interrupts_at_once(train, tmp_path):
    stop = technique("interrupted", after=19, note=str(tmp_path / "stopped"), how="twice")
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(stop, **LONG)
    [run] = Runs(tmp_path / "runs")
    assert not events(run, "training-stopped")
    assert len(events(run, "interrupting")) == 1
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_training_that_had_ended_is_only_measured(train, kept, tmp_path, monkeypatch):
    """It stopped early, and was killed while it was measured: nothing is trained a second time."""
    options = {"held_out": True, "learning_rate": 0.3, "epochs": 30, "early_stopping": 2, "batch_size": 4}
    whole = train(technique("showing"), **options)
    wanted, steps = weights(whole), whole.outcome["metrics"]["model"]["training"]["steps"]
    shown = kept(whole, "details.json")["test"]["tables"]["shown"]
    shutil.rmtree(tmp_path / "runs")
    import ladle.stages.train as stage

    with monkeypatch.context() as patch:
        patch.setattr(stage, "_measure", lambda *_: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            train(technique("showing"), **options)
    shutil.move(tmp_path / "runs", tmp_path / "moved")  # what checkpoints say of places is no longer true
    shutil.move(tmp_path / "moved", tmp_path / "runs")
    again = train(technique("showing"), **options)
    assert not events(again, "training-resumed")
    found = weights(again)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert again.outcome["metrics"]["model"]["training"]["steps"] == steps
    assert kept(again, "details.json")["test"]["tables"]["shown"] == shown
    assert len(shown) > 2


def test_a_broken_checkpoint_is_passed_over(train, elsewhere, tmp_path):
    note = str(tmp_path / "stopped")
    stop = technique("interrupted", after=19, note=note)
    with pytest.raises(KeyboardInterrupt):
        train(stop, **LONG)
    [checkpoints] = (tmp_path / "runs" / ".store" / "work").glob("*/checkpoints")
    broken = checkpoints / "checkpoint-20"
    broken.mkdir()
    (broken / "trainer_state.json").write_text('{"best_model_check')
    resumed = train(stop, **LONG)
    found = weights(resumed)
    wanted = weights(elsewhere(note, stop, **LONG))
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_losses_told_after_going_on_are_those_of_the_steps_since(train, tmp_path):
    stop = technique("interrupted", after=19, note=str(tmp_path / "stopped"), how="signal")
    with pytest.raises(KeyboardInterrupt):
        train(stop, **LONG)
    resumed = train(stop, **LONG)
    for told in events(resumed, "log"):
        if "loss" in told:
            assert told["loss/cross-entropy"] == pytest.approx(told["loss"], rel=1e-3)


@pytest.mark.parametrize(
    ("times", "what"),
    [
        ("nan", "the loss is not a number"),
        ("inf", "the loss is infinite"),
        ("10000", r"the loss has grown to \d"),
    ],
)
def test_a_loss_out_of_bounds_stops_the_training_and_its_batch_is_kept(train, tmp_path, times, what):
    with pytest.raises(StageError, match=rf"model: {what}.* \(step 6, learning rate ") as caught:
        train(technique("spoilt", after=5, times=times), **LONG)
    [problem] = caught.value.problems
    folder = tmp_path / "runs" / "recipe-1" / "failed" / "model"
    assert f"kept in {folder}" in problem.help
    assert "lower `learning_rate` (2e-05)" in problem.help
    assert 'on_divergence = "go-on"' in problem.help
    tensors = safetensors.torch.load_file(folder / "batch.safetensors")
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    assert len(rows) == 4
    lengths = tensors["attention_mask"].sum(1).tolist()
    assert sorted(len(row["tokens"]) for row in rows) == sorted(lengths)


def test_a_training_can_go_on_regardless(train):
    run = train(technique("spoilt", after=5, times="1e4"), on_divergence="go-on", **LONG)
    assert run.outcome["status"] == "done"


def test_a_rate_far_too_high_is_stopped(train):
    with pytest.raises(StageError, match=r"the loss (has grown|is)"):
        train(**LONG | {"learning_rate": 50.0, "epochs": 30, "task": "sentences"})


def test_out_of_memory_tells_what_would_fit(train):
    with pytest.raises(StageError) as caught:
        train(technique("wasteful", rows=4), **LONG | {"batch_size": 8})
    [problem] = caught.value.problems
    assert problem.code == "memory"
    assert "model (tiny-bert): out of memory (" in problem.message
    assert "in step 1 of 12, with input_ids 8 x 12" in problem.message  # the longest rows come first
    assert "batch_size = 4 with accumulate = 2 trains on as many rows a step (auto_batch = true" in problem.help


def test_batches_are_made_smaller_until_they_fit(train, kept):
    options = LONG | {"batch_size": 12, "accumulate": 1, "epochs": 1}
    run = train(technique("wasteful", rows=3), auto_batch=True, **options)
    assert [(e["batch_size"], e["accumulate"]) for e in events(run, "smaller-batches")] == [(6, 2), (3, 4)]
    training = run.outcome["metrics"]["model"]["training"]
    assert training["steps"] == 3  # of 12 rows, as the recipe says
    assert kept(run, "outcome.json")["details"]["notes"]["batches made smaller"] == "3 rows, 4 to a step"


def test_smaller_batches_are_remembered_when_a_training_goes_on(train, tmp_path):
    stop = technique("interrupted", after=19, note=str(tmp_path / "stopped")) + "\n" + technique("wasteful", rows=2)
    with pytest.raises(KeyboardInterrupt):
        train(stop, auto_batch=True, **LONG)
    resumed = train(stop, auto_batch=True, **LONG)
    assert len(events(resumed, "smaller-batches")) == 1
    assert events(resumed, "training-resumed")


def test_a_single_row_that_does_not_fit_ends_the_run(train):
    with pytest.raises(StageError, match="out of memory") as caught:
        train(technique("wasteful", rows=0), auto_batch=True, **LONG)
    assert "batch_size =" not in caught.value.problems[0].help


def test_a_technique_that_finds_fault_while_training_is_shown_at_its_own_table(train, tmp_path):
    with pytest.raises(StageError, match="the model has no level 3") as caught:
        train(technique("untouchable") + "\n" + technique("refusing", level=3))
    [problem] = caught.value.problems
    assert problem.span.text.strip() == "level = 3"


def test_early_stopping_needs_rows_to_validate_on(train):
    with pytest.raises(StageError, match="early stopping needs rows to validate on") as caught:
        train(held_out=False, early_stopping=2)
    assert caught.value.problems[0].span.text.strip() == "early_stopping = 2"
