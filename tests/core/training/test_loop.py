"""The training contract: one objective however rows are cut, techniques in training only, nothing left unsaid."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

from ladle.errors import RecipeError, StageError

CUTS = [(8, 1), (4, 2), (2, 4), (1, 8)]


def technique(*uses: str, **options: object) -> str:
    more = "\n".join(f"{name} = {json.dumps(value)}" for name, value in options.items())
    return "\n".join(f'[[train.technique]]\nuse = "{use}"\n{more}' for use in uses)


@pytest.mark.parametrize(
    ("task", "techniques"),
    [
        ("tokens", ()),
        ("tokens", ("fast-gradient",)),
        ("sentences", ()),
        ("sentences", ("consistency",)),
        ("sentences", ("consistency", "fast-gradient")),
    ],
)
def test_the_objective_is_the_same_however_rows_are_cut_into_batches(train, kept, task, techniques):
    norms = []
    for batch_size, accumulate in CUTS:
        run = train(technique(*techniques), task=task, batch_size=batch_size, accumulate=accumulate, clip=0)
        [norm] = kept(run, "outcome.json")["details"]["notes"]["gradient norms"]
        norms.append(norm)
    assert norms == pytest.approx([norms[0]] * len(CUTS), rel=1e-4)
    assert norms[0] > 0.01


def test_each_term_is_a_curve_and_the_loss_is_their_sum(train, kept):
    run = train(technique("consistency", "fast-gradient"), task="sentences", batch_size=2, accumulate=2)
    logged = [entry for entry in kept(run, "history.json") if "loss" in entry]
    assert len(logged) == 2
    for entry in logged:
        terms = {name: value for name, value in entry.items() if name.startswith("loss/")}
        assert set(terms) == {
            "loss/cross-entropy",
            "loss/consistency",
            "loss/cross-entropy under attack",
            "loss/consistency under attack",
        }
        assert sum(terms.values()) == pytest.approx(entry["loss"], rel=1e-3)
        assert terms["loss/cross-entropy under attack"] > terms["loss/cross-entropy"]


def test_what_is_told_in_training_is_a_curve(train, kept):
    run = train(technique("telling"), batch_size=2, accumulate=2, arguments={"logging_steps": 2})
    [entry] = [entry for entry in kept(run, "history.json") if "loss" in entry]
    assert (entry["batches so far"], entry["even"]) == (2.5, 3.0)  # of four batches
    page = run.report.read_text()
    assert "batches so far" not in page  # a curve of one point is none
    again = train(technique("telling"), batch_size=2, epochs=3, arguments={"logging_steps": 1})
    assert "batches so far" in again.report.read_text()


def test_samples_are_told_and_kept_in_the_history(train, kept):
    run = train(technique("showing"), held_out=True, batch_size=4, epochs=2)
    shown = [
        {"epoch": epoch, "step": step, "samples": [{"steps": step, "was_training": True}]}
        for epoch, step in ((1.0, 1), (2.0, 2))
    ]
    assert [entry for entry in kept(run, "history.json") if "samples" in entry] == shown
    for split in ("validation", "test"):  # as a part of the training sees it
        table = kept(run, "details.json")[split]["tables"]["shown"]
        assert table == [entry | {"is_training": False} for entry in shown]
    events = [json.loads(line) for line in (run.folder / "events.jsonl").read_text().splitlines()]
    told = [event for event in events if event["event"] == "samples"]
    assert [{name: event[name] for name in ("epoch", "step", "samples")} for event in told] == shown


def test_nothing_is_shown_where_nothing_is_trained(train, kept):
    run = train(technique("showing"), held_out=True, epochs=0)
    assert kept(run, "details.json")["test"]["tables"]["shown"] == []


def test_a_step_may_take_two_gradients(train, kept):
    plain = train(batch_size=8, epochs=2, clip=0)
    twice = train(technique("two-gradients"), batch_size=8, epochs=2, clip=0)
    one, two = (kept(run, "outcome.json")["details"]["notes"]["gradient norms"] for run in (plain, twice))
    assert two[0] > one[0] * 1.5
    still = train(technique("two-gradients", radius=0.0), batch_size=8, epochs=2, clip=0)
    [first, _] = kept(still, "outcome.json")["details"]["notes"]["gradient norms"]
    assert first == pytest.approx(2 * one[0], rel=1e-4)  # twice the same gradient
    entry = next(entry for entry in kept(still, "history.json") if "loss" in entry)
    assert entry["loss/cross-entropy"] == pytest.approx(entry["loss"], rel=1e-4)  # but one loss


def test_what_a_trainer_does_not_answer_is_left_to_the_class_it_names(train, kept):
    run = train(use="left-to-the-class", task="sentences", held_out=True, epochs=2, batch_size=2, accumulate=2)
    metrics = run.outcome["metrics"]["model"]
    assert {split: metrics[split]["rows"] for split in ("validation", "test")} == {"validation": 2, "test": 2}
    assert metrics["test"]["loss"] > 0
    entry = next(entry for entry in kept(run, "history.json") if "loss" in entry)
    assert entry["loss/loss"] == pytest.approx(entry["loss"], rel=1e-4)
    assert not any("runtime" in name or "samples_per_second" in name for name in entry)


def test_a_class_may_have_its_own_rows_and_collator_and_a_loss_in_shares_of_the_step(train, kept, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    norms = []
    for batch_size, accumulate in ((8, 1), (2, 4)):
        run = train(
            technique("ordered"), use="own-way", task="sentences", batch_size=batch_size, accumulate=accumulate, clip=0
        )
        notes = kept(run, "outcome.json")["details"]["notes"]
        norms += notes["gradient norms"]
        assert [row for batch in notes["order"] for row in batch] == [*range(7, -1, -1)]
        entry = next(entry for entry in kept(run, "history.json") if "loss" in entry)
        assert entry["loss/loss"] == pytest.approx(entry["loss"], rel=1e-4)
    assert norms == pytest.approx([norms[0]] * 2, rel=1e-4)
    assert norms[0] > 0.01


def test_techniques_are_seen_in_training_only(train, kept):
    plain = train(held_out=True, learning_rate=1e-12, batch_size=2, epochs=2)
    changed = train(technique("untouchable"), held_out=True, learning_rate=1e-12, batch_size=2, epochs=2)
    for split in ("validation", "test"):
        assert changed.outcome["metrics"]["model"][split] == plain.outcome["metrics"]["model"][split]
    assert changed.outcome["metrics"]["model"]["training"]["steps"] == 4  # of 4 rows, twice
    assert plain.outcome["metrics"]["model"]["training"]["steps"] == 4  # of 4 rows in training, likewise
    losses = [[e["eval_loss"] for e in kept(run, "history.json") if "eval_loss" in e] for run in (plain, changed)]
    assert losses[0] == pytest.approx(losses[1])
    assert len(losses[0]) == 2


def test_a_technique_is_taken_off_before_the_model_is_measured_and_saved(train):
    run = train(technique("adapted"), held_out=True, batch_size=1, epochs=3, learning_rate=0.1)
    metrics = run.outcome["metrics"]["model"]
    assert (metrics["test"]["parametrized"], metrics["validation"]["parametrized"]) == (0.0, 0.0)
    assert metrics["training"]["trainable_parameters"] == 1
    saved = safetensors.torch.load_file(run.model("model") / "model.safetensors")
    plain = safetensors.torch.load_file(train(held_out=True, epochs=0).model("model") / "model.safetensors")
    assert set(saved) == set(plain)
    scale = saved["classifier.weight"] / plain["classifier.weight"]
    assert scale.std() < 1e-5
    assert abs(scale.mean() - 1) > 0.01


def test_what_goes_wrong_when_a_technique_is_taken_off_is_told_at_its_option(train):
    with pytest.raises(StageError, match="it cannot be taken off") as error:
        train(technique("adapted", fails=True))
    assert error.value.problems[0].span.text.strip() == "fails = true"


def test_a_parameter_without_gradient_stops_the_run(train):
    with pytest.raises(StageError, match=r"no gradient: never_used\.weight, never_used\.bias") as error:
        train(unused=True)
    assert "freeze them, or leave them out" in error.value.problems[0].help


def test_a_parameter_in_no_optimiser_group_stops_the_run(train):
    with pytest.raises(StageError, match=r"exactly one optimiser group; these do not: classifier\.weight"):
        train(technique("forgetful"))


def test_the_best_epoch_is_kept_and_training_stops_when_it_gets_no_better(train, kept):
    run = train(held_out=True, learning_rate=0.3, epochs=30, early_stopping=2, batch_size=4, schedule="constant")
    evaluated = [entry["eval_loss"] for entry in kept(run, "history.json") if "eval_loss" in entry]
    assert len(evaluated) < 30
    assert evaluated.index(min(evaluated)) == len(evaluated) - 3
    assert run.outcome["metrics"]["model"]["validation"]["loss"] == pytest.approx(min(evaluated), rel=1e-4)


def test_no_epochs_measure_the_model_as_it_stands(train):
    run = train(held_out=True, epochs=0)
    metrics = run.outcome["metrics"]["model"]
    assert metrics["test"]["rows"] == 2
    assert "steps" not in metrics["training"]
    assert (run.model("model") / "model.safetensors").is_file()


def test_throughput_device_and_precision_are_in_the_metrics(train):
    training = train(precision="bfloat16").outcome["metrics"]["model"]["training"]
    assert (training["device"], training["precision"]) == ("cpu", "bfloat16")
    assert training["rows_per_second"] > 0
    assert training["tokens_per_second"] / training["rows_per_second"] == pytest.approx(53 / 8, rel=0.01)
    assert training["trainable_parameters"] == training["parameters"] > 1000


def test_a_metric_to_choose_by_must_be_measured(train):
    with pytest.raises(StageError, match="no metric `acuracy`") as error:
        train(held_out=True, choose_by="acuracy")
    assert error.value.problems[0].help == "did you mean `accuracy`?"


@pytest.mark.parametrize(
    ("arguments", "message", "help"),
    [
        ({"optm": "adamw_torch"}, "TrainingArguments has no `optm`", "did you mean `optim`?"),
        ({"num_train_epochs": 3}, "`num_train_epochs` is an option of every trainer: `epochs`", "write `epochs = …`"),
        ({"output_dir": "x"}, "`output_dir` is decided by ladle", "leave it out"),
    ],
)
def test_wrong_arguments_are_found_by_the_check(train, arguments, message, help):
    with pytest.raises(RecipeError) as error:
        train(arguments=arguments)
    [problem] = error.value.problems
    assert message in problem.message
    assert help in problem.help
    assert problem.span.text.strip().startswith("arguments")


def test_arguments_reach_the_trainer_class(train):
    assert train(epochs=5, arguments={"max_steps": 2}).outcome["metrics"]["model"]["training"]["steps"] == 2


def test_an_argument_of_a_wrong_value_is_told_with_its_place(train):
    with pytest.raises(StageError, match="optim_of_mine") as error:
        train(arguments={"optim": "optim_of_mine"})
    assert error.value.problems[0].span.text.strip().startswith("arguments")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_device_that_is_not_there(train):
    with pytest.raises(StageError, match="this machine has no cuda") as error:
        train(device="cuda")
    assert error.value.problems[0].span.text.strip() == 'device = "cuda"'
