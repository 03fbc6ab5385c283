from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ladle import OptionError, Trainer
from ladle.errors import RecipeError, StageError
from ladle_semisupervised.augmentation import Augmentation
from ladle_semisupervised.consistency import Consistency
from ladle_semisupervised.objectives import annealed_threshold, fixmatch, uda

SPECIAL = {0, 2, 3}


def stage(folder, *techniques: str, **options) -> str:
    given = {"epochs": 1, "batch_size": 4, "learning_rate": 1e-3, "head": "own", "device": "cpu", "warmup": 0} | options
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in given.items())
    model = f'model = {{ pretrained = "{folder}" }}'
    return "\n".join(['[[train]]\nuse = "text-classification"\ndata = "rows"', model, lines, *techniques]) + "\n"


def technique(use: str, **options) -> str:
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in options.items())
    return f'[[train.technique]]\nuse = "{use}"\n{lines}'


def consistency(**options) -> str:
    return technique("consistency", **({"threshold": 0.0} | options))


def test_rows_without_labels_teach(saved, train, reviews):
    """The term has a gradient: the same labelled rows lead elsewhere, and it is a curve beside theirs."""
    plain = train(stage(saved(), epochs=2), rows=reviews)
    taught = train(stage(saved(), consistency(), epochs=2), rows=reviews)
    assert any(not torch.equal(value, taught.weights()[name]) for name, value in plain.weights().items())
    assert all("loss/consistency" in entry and entry["loss/cross-entropy"] > 0 for entry in taught.history)
    assert taught.history[0]["loss/consistency"] > 0.01
    assert taught.notes["rows without labels to learn from"] == 32
    assert taught.metrics["training"]["steps"] == plain.metrics["training"]["steps"] == 4  # of 8 labelled rows


def test_predictions_on_changed_texts_come_nearer(saved, train, reviews):
    run = train(stage(saved(), consistency(weight=5), epochs=12, learning_rate=1e-3, schedule="constant"), rows=reviews)
    term = [entry["loss/consistency"] for entry in run.history]
    assert run.history[-1]["share of unlabelled rows above the threshold"] == 1
    assert np.median(term[:8]) > 3 * np.median(term[-8:])


@pytest.mark.parametrize("options", [{}, {"method": "fixmatch", "annealing": "exp", "ramp_up": 0.5}])
def test_the_objective_is_the_same_however_rows_are_cut_into_batches(saved, train, reviews, watching, options):
    """Of one step on all 8 labelled rows, and of another one, whose weight and threshold are others."""
    found = []
    for batch_size, accumulate in ((8, 1), (4, 2), (1, 8)):
        watching.norms.clear()
        techniques = consistency(**options), technique("watching")
        train(stage(saved(), *techniques, batch_size=batch_size, accumulate=accumulate, epochs=2, clip=0), rows=reviews)
        found.append(list(watching.norms))
    assert len(found[0]) == 2
    for norms in found[1:]:
        assert norms == pytest.approx(found[0], rel=1e-3)


def test_which_rows_are_drawn_depends_on_the_labelled_row_and_the_epoch_alone(saved, train, reviews, watching):
    def drawn(**options):
        watching.batches.clear()
        watching.ids.clear()
        train(stage(saved(), consistency(ratio=2), technique("watching"), **options), rows=reviews)
        found: dict[str, list] = {}
        for ids, batch in zip(watching.ids, watching.batches, strict=True):
            masked = [row[row != 0].tolist() for row in batch["unlabelled_changed"]["input_ids"]]
            for at, row in enumerate(ids):
                found.setdefault(row, []).append(masked[2 * at : 2 * at + 2])
        return found

    one, other = drawn(epochs=2, batch_size=4), drawn(epochs=2, batch_size=3, learning_rate=1e-4)
    assert one == other
    assert len(one) == 8
    assert all(first != second for first, second in one.values())  # epochs
    assert len({str(draws) for draws in one.values()}) == 8


def test_labelled_rows_keep_their_order_and_no_batch_is_without_labels(saved, train, reviews, watching):
    """Also with rows sorted by length, where all the rows without labels would come first."""
    for row in reviews:
        row["text"] += " end and very dull plot" if row["label"] else ""
    techniques = technique("sorted"), consistency(), technique("watching")
    run = train(stage(saved(), *techniques, batch_size=2, epochs=2), rows=reviews)
    with_it = [list(ids) for ids in watching.ids]
    watching.ids.clear()
    train(stage(saved(), technique("sorted"), technique("watching"), batch_size=2, epochs=2), rows=reviews)
    assert with_it == watching.ids
    for batch in watching.batches:
        assert batch["labels"].min() >= 0
        assert len(batch["labels"]) == 2
    assert all(math.isfinite(entry["loss"]) and entry["loss/cross-entropy"] > 0 for entry in run.history)


def test_a_threshold_that_nothing_reaches_leaves_the_labelled_rows_alone(saved, train, reviews):
    """The loss stays finite, and the training is the one without the technique."""
    plain = train(stage(saved(), epochs=2), rows=reviews)
    unsure = train(stage(saved(), consistency(method="fixmatch", threshold=1.0), epochs=2), rows=reviews)
    for name, value in plain.weights().items():
        torch.testing.assert_close(unsure.weights()[name], value, atol=1e-6, rtol=1e-5)
    assert {entry["share of unlabelled rows above the threshold"] for entry in unsure.history} == {0}


def test_measuring_is_untouched(saved, train, reviews):
    for row in reviews[:10]:
        row |= {"split": "validation", "label": row["label"] or "positive"}
    plain = train(stage(saved(), epochs=1, learning_rate=1e-12), rows=reviews)
    taught = train(stage(saved(), consistency(weight=9), epochs=1, learning_rate=1e-12), rows=reviews)
    for split in ("validation", "test"):
        assert taught.metrics[split] == pytest.approx(plain.metrics[split], abs=1e-5)


def test_another_data_set_gives_its_train_split_and_its_labels_are_not_looked_at(saved, train, reviews, watching):
    """Labels of classes that there are not would fail; texts of its test split would show."""
    labelled = [row for row in reviews if row["label"]]
    more = [{"text": f"the plot {'is dull ' * (n % 3)}", "label": "nonsense", "split": "train"} for n in range(12)]
    more += [{"text": "awful awful awful", "label": None, "split": "test"} for _ in range(50)]
    techniques = consistency(unlabelled="more"), technique("watching")
    run = train(stage(saved(), *techniques, epochs=3), rows=labelled, more=more)
    assert run.notes["rows without labels to learn from"] == 12
    awful = 12
    for batch in watching.batches:
        assert "labels" not in batch["unlabelled"]
        assert not bool((batch["unlabelled"]["input_ids"] == awful).any())


def test_rows_of_the_test_split_without_a_label_are_not_drawn(saved, train, reviews, watching):
    hidden = [{"text": "plot plot plot", "label": None, "split": split} for split in ("validation", "test")] * 20
    held_out = [{"text": "a good plot", "label": "positive", "split": "validation"}]
    run = train(stage(saved(), consistency(), technique("watching"), epochs=3), rows=reviews + hidden + held_out)
    assert run.notes["rows without labels to learn from"] == 32
    plot = 13
    assert not any(bool((batch["unlabelled"]["input_ids"] == plot).any()) for batch in watching.batches)


def test_texts_that_are_cut_are_told_apart_from_those_with_labels(saved, train, reviews):
    reviews[1]["text"] = "very " * 60
    run = train(stage(saved(), consistency(), max_length=30), rows=reviews)
    assert run.notes["without labels: train texts cut after 30 tokens"] == 1
    assert "train texts cut after 30 tokens" not in run.notes


@pytest.mark.parametrize("stop_at", [3, 4])
def test_a_training_that_goes_on_ends_with_the_same_weights(saved, train, reviews, watching, tmp_path, stop_at):
    """Stopped in the middle of an epoch and at the end of one: drawing, ramp-up and annealing go on where they were."""
    options = {"epochs": 4, "batch_size": 4}
    techniques = consistency(ramp_up=0.8, annealing="log"), technique("watching", stop_at=stop_at)
    recipe = stage(saved(dropout=0.1), *techniques, **options)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, rows=reviews)
    resumed = train(recipe, rows=reviews)
    whole = train(recipe, runs="others", rows=reviews)
    steps = [entry["step"] for entry in resumed.history]
    assert steps == [entry["step"] for entry in whole.history] == list(range(1, 9))
    wanted = whole.weights()
    assert all(torch.equal(value, wanted[name]) for name, value in resumed.weights().items())
    shutil.rmtree(tmp_path / "others")


def test_the_weight_rises_evenly_and_the_term_is_a_mean(saved, train, reviews):
    """With a learning rate of nothing and a text that is always the same, the term is the weight times a constant."""
    for row in reviews[:40]:
        row["text"] = "a film" if row["label"] is None else row["text"]
    still = {"learning_rate": 1e-12, "epochs": 4, "schedule": "constant"}

    def term(**options) -> list[float]:
        run = train(stage(saved(), consistency(mask=0, swap=1, drop=0, **options), **still), rows=reviews)
        return [entry["loss/consistency"] for entry in run.history]

    whole = term()
    assert whole == pytest.approx([whole[0]] * 8, rel=1e-3)
    assert term(ratio=1) == pytest.approx(whole, rel=1e-3)
    rising = term(ramp_up=0.5, weight=2)
    assert rising == pytest.approx([2 * whole[0] * part for part in (0, 0.25, 0.5, 0.75, 1, 1, 1, 1)], rel=1e-3)


def test_annealing_leaves_out_what_the_model_is_sure_of(saved, train, reviews):
    options = {"epochs": 5, "learning_rate": 5e-3, "schedule": "constant"}
    run = train(stage(saved(), consistency(annealing="exp", weight=0.05), **options), rows=reviews)
    teach = [entry["share of labelled rows that teach"] for entry in run.history]
    assert min(teach) < 0.6
    for entry, share in zip(run.history, teach, strict=True):
        assert (entry["loss/cross-entropy"] == 0) == (share == 0)
        threshold = annealed_threshold("exp", (entry["step"] - 1) / 10, 2)
        assert entry["loss/cross-entropy"] >= share * -math.log(threshold) - 1e-6  # those that teach are below it


def test_no_hook_is_left_on_the_model_even_if_the_loss_fails(saved, train, reviews, watching):
    failing = technique("watching", fail_at=2)
    with pytest.raises(StageError, match="told to fail"):
        train(stage(saved(), consistency(annealing="linear"), failing), rows=reviews)
    [model] = watching.models
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_rows_without_labels_are_needed(saved, train, reviews):
    labelled = [row for row in reviews if row["label"]]
    with pytest.raises(StageError, match="no row of the train split is without `label`") as raised:
        train(stage(saved(), consistency()), rows=labelled)
    assert raised.value.problems[0].help == 'name a data set with rows to learn from: unlabelled = "…"'
    with pytest.raises(StageError, match="the train split of `more` has no row") as raised:
        train(stage(saved(), consistency(unlabelled="more")), rows=labelled, more=[reviews[-1]])
    assert raised.value.problems[0].span.text == 'unlabelled = "more"'


def test_a_data_set_without_the_column_is_refused(saved, train, reviews):
    with pytest.raises(StageError, match="data set `more`: no column `text`") as raised:
        train(stage(saved(), consistency(unlabelled="more")), rows=reviews, more=[{"body": "a film", "split": "train"}])
    assert raised.value.problems[0].span.text == 'unlabelled = "more"'


def test_a_tokeniser_without_a_mask_is_refused_unless_nothing_is_masked(saved, train, reviews):
    with pytest.raises(StageError, match="tokeniser has no token to hide others behind") as raised:
        train(stage(saved(mask=False), consistency(mask=0.2)), rows=reviews)
    assert raised.value.problems[0].span.text == "mask = 0.2"
    assert train(stage(saved(mask=False), consistency(mask=0)), rows=reviews).history


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "fixmatch", "temperature": 0.5}, "`fixmatch` takes the likeliest class alone"),
        ({"drop": 0, "swap": 0, "mask": 0}, "with `drop`, `swap` and `mask` all 0 no text is changed"),
        ({"unlabelled": "moer"}, "no data set `moer`"),
        ({"ratio": 0}, "0 is out of range"),
    ],
)
def test_options_that_make_no_sense_are_refused(saved, read, reviews, options, message):
    with pytest.raises(RecipeError, match=message):
        read(stage(saved(), consistency(**options)), rows=reviews)


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        ("tabular-regression", "`consistency` needs labels, tokens, which `tabular-regression` does not offer"),
        ("tabular-classification", "`consistency` needs tokens, which `tabular-classification` does not offer"),
    ],
)
def test_trainers_without_tokens_are_refused(read, trainer, message):
    rows = [{"x": 1.0, "label": 1, "split": "train"}]
    recipe = f'[[train]]\nuse = "{trainer}"\ndata = "rows"\n{consistency()}\n'
    with pytest.raises(RecipeError, match=message):
        read(recipe, rows=rows)


def test_trainers_that_do_not_name_their_classes_are_refused():
    class Nameless(Trainer):
        """Has labels, nobody knows where from."""

    with pytest.raises(OptionError, match="trainers that name the column of their classes as `target`"):
        Consistency.model_validate({}).check_with(Nameless.model_validate({"data": "rows"}))


def test_kept_outputs_of_lower_layers_are_refused(saved, read, reviews):
    frozen = technique("transfer", freeze=1)
    with pytest.raises(RecipeError, match="`consistency` needs tokens, which `transfer` takes away as it is set"):
        read(stage(saved(), frozen, consistency()), rows=reviews)
    assert read(stage(saved(), technique("transfer", freeze=1, reuse=False), consistency()), rows=reviews)


# What it is made of


def test_uda_by_hand():
    """Of two rows, one above the threshold: KL(q || p) with q the square of (0.9, 0.1), brought to a sum of 1."""
    plain = torch.tensor([[0.9, 0.1], [0.7, 0.3]]).log()
    changed = torch.tensor([[0.6, 0.4], [0.5, 0.5]]).log()
    values, reaches = uda(plain, changed, threshold=0.8, temperature=0.5)
    q = np.array([0.81, 0.01]) / 0.82
    assert values.tolist() == pytest.approx([q @ np.log(q / [0.6, 0.4]), 0])
    assert reaches.tolist() == [True, False]


def test_fixmatch_by_hand():
    plain = torch.tensor([[0.1, 0.9], [0.7, 0.3]]).log()
    changed = torch.tensor([[0.6, 0.4], [0.5, 0.5]]).log()
    values, reaches = fixmatch(plain, changed, threshold=0.9 - 1e-6)
    assert values.tolist() == pytest.approx([-math.log(0.4), 0])
    assert reaches.tolist() == [True, False]


def test_only_changed_rows_are_taught():
    plain, changed = (torch.randn(3, 2, requires_grad=True) for _ in range(2))
    for values, _ in (uda(plain, changed, 0, 0.4), fixmatch(plain, changed, 0)):
        values.sum().backward()
        assert plain.grad is None
        assert changed.grad.abs().sum() > 0


@pytest.mark.parametrize("method", [lambda *rows: uda(*rows, 0.5, 0.1), lambda *rows: fixmatch(*rows, 0.5)])
def test_extreme_logits_give_finite_losses(method):
    values, _ = method(torch.tensor([[1e4, -1e4]]), torch.tensor([[-50.0, 50.0]]))
    assert bool(values.isfinite().all())


def test_annealed_thresholds_by_hand():
    """Xie et al. (2020): 1 - exp(-5 t), t and exp(5 (t - 1)), times (1 - 1/K), plus 1/K."""
    assert annealed_threshold("linear", 0.5, 4) == pytest.approx(0.5 * 0.75 + 0.25)
    assert annealed_threshold("log", 0.5, 4) == pytest.approx((1 - math.exp(-2.5)) * 0.75 + 0.25)
    assert annealed_threshold("exp", 0.5, 4) == pytest.approx(math.exp(-2.5) * 0.75 + 0.25)
    assert [annealed_threshold(schedule, 1.0, 2) for schedule in ("linear", "exp")] == [1, 1]


tokens = st.lists(st.integers(5, 30), max_size=12).map(lambda inner: [2, *inner, 3])
chances = st.floats(0, 0.99)


@given(tokens=tokens, drop=chances, swap=chances, mask=chances, seed=st.integers(0, 99))
def test_special_tokens_stay_and_nothing_comes_from_nowhere(tokens, drop, swap, mask, seed):
    before = list(tokens)
    changed = Augmentation(drop, swap, mask, SPECIAL, 4)(tokens, np.random.default_rng(seed))
    assert tokens == before  # a copy is changed
    assert changed[0] == 2
    assert changed[-1] == 3
    rest = list(before)
    for token in changed:
        if token != 4:
            rest.remove(token)
    assert len(changed) > 2 or len(tokens) == 2
    assert Augmentation(0, 0, 0, SPECIAL, None)(tokens, np.random.default_rng(seed)) == before


def test_each_change_happens_as_often_as_is_said():
    random, text = np.random.default_rng(0), [2, *range(5, 1005), 3]
    assert len(Augmentation(0.2, 0, 0, SPECIAL, None)(text, random)) == pytest.approx(802, abs=40)
    assert Augmentation(0, 0, 0.3, SPECIAL, 4)(text, random).count(4) == pytest.approx(300, abs=45)
    swapped = Augmentation(0, 1.0, 0, SPECIAL, None)(text, random)
    assert swapped == [2, *(token + (1 if token % 2 else -1) for token in range(5, 1005)), 3]
    some = Augmentation(0, 0.2, 0, SPECIAL, None)(text, random)
    assert sum(one != other for one, other in zip(text, some, strict=True)) == pytest.approx(
        2 * 1000 * 0.2 / 1.2, abs=60
    )


def test_components_load_without_heavy_imports():
    heavy = {"numpy", "scipy", "sklearn", "pyarrow", "torch", "transformers", "datasets"}
    modules = "consistency, ladle_semisupervised.self_training, ladle_semisupervised.propagation"
    code = f"import sys, ladle_semisupervised.{modules}; sys.exit(str({heavy} & set(sys.modules) or ''))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
