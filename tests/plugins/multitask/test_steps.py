"""The objective of a step of several tasks: the same however rows are cut, and of each head only where it has rows."""

from __future__ import annotations

import pytest
import torch

from ladle.errors import StageError

CUTS = [(8, 1), (4, 2), (2, 4), (1, 8)]  # of the eight rows of each task, in one step with those of the other
SENTIMENT_TWICE = {
    name: {"use": "text-classification", "data": "reviews", "target": "sentiment", "head": "own"} for name in "ab"
}


@pytest.fixture
def only_step(steps, stage, train, saved):
    """What was kept of the only step of a training on eight rows of each task."""

    def only_step(*techniques, size=8, count=1, padding=0, **options):
        steps.kept.clear()
        usual = {"epochs": 1, "batch_size": size, "accumulate": 2 * count, "clip": 0.0}
        trained = train(
            stage(saved(), *techniques, {"use": "steps", "padding": padding}, **usual | options), few=True, seed=2
        )
        (kept,) = steps.kept
        return kept, trained

    return only_step


@pytest.mark.parametrize("options", [{}, {"balancing": "uncertainty"}, {"weights": {"entities": 0.3}}])
def test_a_step_has_the_same_gradient_however_its_rows_are_cut_and_padded(only_step, options):
    first, _ = only_step(**options)
    for size, count, padding in [*((size, count, 0) for size, count in CUTS[1:]), (8, 1, 3), (2, 4, 5)]:
        kept, _ = only_step(size=size, count=count, padding=padding, **options)
        torch.testing.assert_close(kept["gradients"], first["gradients"], atol=1e-6, rtol=1e-4)
    assert len(first["gradients"]) == len(first["weights"])


def test_the_loss_of_a_step_is_the_weighted_sum_of_the_tasks_means(only_step):
    plain, trained = only_step()
    weighted, _ = only_step(weights={"entities": 3.0})
    heads = {name: name.split(".")[0] for name in plain["gradients"] if not name.startswith("body.")}
    assert set(heads.values()) == {"task_entities", "task_sentiment"}
    for name, head in heads.items():
        times = 3.0 if head == "task_entities" else 1.0
        torch.testing.assert_close(weighted["gradients"][name], times * plain["gradients"][name])
    (entry,) = [entry for entry in trained.history if "loss" in entry]
    terms = [entry["loss/entities/cross-entropy"], entry["loss/sentiment/cross-entropy"]]
    assert entry["loss"] == pytest.approx(sum(terms), rel=1e-5)


@pytest.mark.parametrize(("size", "count"), CUTS)
def test_a_task_alone_in_its_step_has_the_gradient_that_its_trainer_alone_has(
    steps, alone, stage, train, saved, size, count
):
    start = saved()
    # a body with a head that both trainings share: one that was trained before
    recipe = alone(start, use="text-classification", name="first", data="reviews", target="sentiment", head="own")
    folder = train(recipe, few=True, seed=2).model
    options = {"epochs": 1, "batch_size": size, "accumulate": count, "clip": 0.0}
    train(stage(folder, {"use": "steps"}, tasks=SENTIMENT_TWICE, **options | {"accumulate": 2 * count}), few=True)
    both = steps.kept.pop()["gradients"]
    steps.batches.clear()
    train(alone(folder, {"use": "steps"}, **SENTIMENT_TWICE["a"] | options), few=True)
    own = steps.kept.pop()["gradients"]
    for name, gradient in own.items():
        if name.startswith("bert."):  # the task is there twice, with one head, so that the sum is twice the gradient
            torch.testing.assert_close(both[name.replace("bert.", "body.")], 2 * gradient, atol=1e-6, rtol=1e-4)
        else:
            torch.testing.assert_close(both[f"task_a.{name}"], gradient, atol=1e-6, rtol=1e-4)


def test_a_head_rests_in_steps_without_its_task(steps, stage, train, saved):
    recipe = stage(saved(), {"use": "steps"}, weight_decay=0.5, learning_rate=0.01, warmup=0.0, schedule="constant")
    train(recipe)
    tasks = [task for task, *_ in steps.batches]
    assert len(tasks) == len(steps.kept) == 16
    for task, now, after in zip(tasks, steps.kept, steps.kept[1:], strict=False):
        for name, weights in now["weights"].items():
            is_pooler = name.startswith("body.pooler.")
            of_task = name.startswith(f"task_{task}.") or (is_pooler and task == "sentiment")
            learns = of_task or (name.startswith("body.") and not is_pooler)
            assert (name in now["gradients"]) is learns, (name, task)
            if not learns:
                assert torch.equal(weights, after["weights"][name])
    assert {name for name in steps.kept[0]["weights"] if name.startswith("body.pooler.")}


def test_uncertainty_weighs_tasks_by_the_formula(only_step):
    kept, trained = only_step(balancing="uncertainty")
    plain, _ = only_step()
    (entry,) = [entry for entry in trained.history if "loss" in entry]
    for number, task in enumerate(("entities", "sentiment")):
        # d/ds (exp(-s) L + s / 2) at s = 0
        expected = 0.5 - entry[f"loss/{task}/cross-entropy"]
        assert kept["gradients"][f"log_variances.{number}"].item() == pytest.approx(expected, abs=1e-5)
        assert entry[f"loss/{task}/uncertainty"] == 0
        assert entry[f"{task}/weight"] == 1
    for name, gradient in plain["gradients"].items():
        torch.testing.assert_close(kept["gradients"][name], gradient)


@pytest.mark.slow
def test_learnt_weights_come_near_the_best_for_the_loss(steps, stage, train, saved):
    options = {"balancing": "uncertainty", "uncertainty_learning_rate": 0.05, "learning_rate": 1e-9, "epochs": 30}
    options |= {"schedule": "constant", "warmup": 0.0, "mixing": "equal", "arguments": {"logging_steps": 8}}
    trained = train(stage(saved(), {"use": "steps"}, **options))
    last = [entry for entry in trained.history if "loss" in entry][-1]
    for task in ("entities", "sentiment"):
        weight, share = last[f"{task}/weight"], last[f"{task}/share of batches"]
        weighted = last[f"loss/{task}/cross-entropy"] / share  # weight times the loss, which stays what it is
        assert weighted == pytest.approx(0.5, abs=0.1)  # exp(-s) L + s / 2 is least where exp(-s) L is 1 / 2
        assert abs(weight - 1) > 0.1
    rates = steps.kept[-1]["rates"]
    assert rates["log_variances.0"] == 0.05
    assert rates["body.embeddings.word_embeddings.weight"] == 1e-9
    assert "log_variances.0" not in trained.weights()


@pytest.mark.parametrize(
    ("techniques", "options"),
    [((), {}), (({"use": "pcgrad"},), {"balancing": "uncertainty", "mixing": "annealed", "accumulate": 2})],
)
def test_a_training_that_goes_on_ends_with_the_same_weights_bit_for_bit(
    stage, train, saved, tmp_path, techniques, options
):
    stop = {"use": "interrupted", "after": 3, "note": str(tmp_path / "note")}
    recipe = stage(saved(dropout=0.1), *techniques, stop, batch_size=4, learning_rate=0.01, **options)
    with pytest.raises(KeyboardInterrupt):
        train(recipe)
    resumed = train(recipe)
    whole = train(recipe, runs="others")
    assert resumed.metrics["training"]["steps"] == whole.metrics["training"]["steps"]
    for folder in ("", "tasks/entities", "tasks/sentiment"):
        there, here = whole.weights(folder), resumed.weights(folder)
        assert there.keys() == here.keys()
        assert all(torch.equal(there[name], here[name]) for name in there)


def test_no_hook_is_left_after_a_failure(steps, stage, train, saved):
    with pytest.raises(StageError, match="told to fail"):
        train(stage(saved(), {"use": "adversarial"}, {"use": "steps", "fail_at": 3}))
    (model,) = steps.models
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
    assert not any(getattr(module, kind) for module in model.modules() for kind in hooks)


def test_tasks_are_mixed_as_the_recipe_says(steps, stage, train, saved):
    found = {}
    for mixing, options in (
        ("equal", {}),
        ("temperature", {"temperature": 2.0}),
        ("annealed", {}),
        ("proportional", {}),
    ):
        steps.batches.clear()
        train(stage(saved(), {"use": "steps"}, mixing=mixing, batch_size=2, epochs=3, **options))
        tasks = [task for task, *_ in steps.batches]
        found[mixing] = [tasks[at : at + 32].count("entities") for at in (0, 32, 64)]
    assert found["proportional"] == [12, 12, 12]
    assert found["equal"] == [16, 16, 16]
    assert found["temperature"] == pytest.approx([32 * 12**0.5 / (12**0.5 + 20**0.5)] * 3, abs=1)  # 13.97
    powers = [(12**power, 20**power) for power in (1, 0.6, 0.2)]
    assert found["annealed"] == pytest.approx([32 * small / (small + large) for small, large in powers], abs=1)


def test_where_memory_is_small_the_batches_of_all_tasks_are_made_smaller(steps, stage, train, saved):
    recipe = stage(saved(), {"use": "wasteful", "rows": 4}, {"use": "steps"}, auto_batch=True, epochs=1)
    trained = train(recipe)
    assert trained.notes["batches made smaller"] == "4 rows, 2 to a step"
    assert {(task, len(rows)) for task, rows, _ in steps.batches[-16:]} == {("entities", 4), ("sentiment", 4)}


def test_tasks_may_have_batches_of_their_own_size(steps, stage, train, saved):
    tasks = {
        "entities": {"use": "token-classification", "data": "tweets", "column": "words", "target": "tags"},
        "sentiment": SENTIMENT_TWICE["a"],
    }
    tasks["entities"]["batch_size"] = 3
    train(stage(saved(), {"use": "steps"}, tasks=tasks, epochs=1))
    assert {(task, len(rows)) for task, rows, _ in steps.batches} == {("entities", 3), ("sentiment", 8)}
    assert len(steps.batches) == 8 + 5
    assert len({id_ for task, rows, _ in steps.batches for id_ in rows}) == 64  # each row once
