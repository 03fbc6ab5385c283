"""`transfer` with a body that is fixed as a whole."""

from __future__ import annotations

import pytest

from ladle.errors import RecipeError, StageError

ALL = {"use": "transfer", "freeze": "all"}


SLOW = {"marks": pytest.mark.slow}


@pytest.mark.parametrize(
    ("kind", "head", "of_head"),
    [
        ("bert", "own", {"bert.pooler", "classifier"}),
        ("bert", "mean", {"classifier"}),
        pytest.param("bert", "first", {"classifier"}, **SLOW),
        pytest.param("roberta", "own", {"classifier"}, **SLOW),
        pytest.param("distilbert", "own", {"pre_classifier", "classifier"}, **SLOW),
        ("llama", "own", {"score"}),
        pytest.param("gpt2", "own", {"score"}, **SLOW),
    ],
)
def test_only_the_head_moves_and_one_vector_of_a_row_is_kept(kind, head, of_head, saved, stage, train):
    import torch

    dropout = 0.3
    before = train(stage(saved(kind, dropout), head=head, epochs=0)).weights()
    trained = train(stage(saved(kind, dropout), ALL, head=head))
    run = train(stage(saved(kind, dropout), ALL | {"reuse": False}, head=head))
    after = trained.weights()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if name.startswith(tuple(f"{part}." for part in of_head))}
    assert trained.losses == pytest.approx(run.losses, abs=1e-5)
    for name, weights in run.weights().items():
        torch.testing.assert_close(after[name], weights, atol=1e-4, rtol=1e-3, msg=name)
    (kept,) = trained.states
    assert kept.stat().st_size == 40 * 32 * 4


def test_a_pooled_row_passes_the_body_once_and_never_more(saved, stage, train, watching):
    train(stage(saved("bert"), {"use": "watching"}, ALL, head="mean", epochs=5))
    assert sum(watching.worked) == 1 + 2 * 3 + 40  # the probe, the trial of three rows, and all rows once


def test_a_mean_of_states_that_the_model_still_norms_is_not_kept_for_them(saved, stage, train):
    run = train(stage(saved("llama"), ALL | {"reuse": False}, head="mean"))
    trained = train(stage(saved("llama"), ALL, head="mean"))
    assert trained.losses == pytest.approx(run.losses, abs=1e-5)
    assert trained.states[0].stat().st_size > 4 * 40 * 32 * 4


def test_a_head_that_says_always_the_same_shows_nothing(saved, stage, train, tmp_path):
    import shutil

    import torch
    from safetensors.torch import load_file, save_file

    first = train(stage(saved("bert"), head="mean", epochs=0)).model
    start = shutil.copytree(first, tmp_path / "flat")
    weights = load_file(start / "model.safetensors")
    weights["classifier.weight"] = torch.zeros_like(weights["classifier.weight"])
    save_file(weights, start / "model.safetensors", {"format": "pt"})
    trained = train(stage(start, ALL, head="mean"))
    assert trained.states[0].stat().st_size > 4 * 40 * 32 * 4
    assert trained.losses == pytest.approx(train(stage(start, ALL | {"reuse": False}, head="mean")).losses, abs=1e-5)


def test_rows_of_one_token_are_trained_on_all_the_same():
    import numpy as np

    from ladle_transfer.states import _of_unlike_length

    assert _of_unlike_length(np.array([1, 1, 1])) == [0]
    assert _of_unlike_length(np.array([9, 2, 9, 1, 5])) == [1, 4, 0]
    assert _of_unlike_length(np.array([9, 8, 7, 6, 3, 4, 5])) == [5, 6, 3]


def test_a_head_that_is_the_body_s_own_table_leaves_nothing_to_train(saved, stage, train):
    with pytest.raises(
        StageError, match="nothing is left to train: all that GPT2LMHeadModel has beside its body"
    ) as raised:
        train(stage(saved("gpt2", head="ForCausalLM"), ALL, use="causal-language-model"))
    assert raised.value.problems[0].help == "write a number, at most 3"


def test_no_adapters_go_into_a_body_that_is_fixed_as_a_whole(saved, stage, train):
    for techniques in ((ALL, {"use": "lora"}), ({"use": "lora"}, ALL)):
        with pytest.raises(StageError, match="another technique fixes all of them"):
            train(stage(saved("bert"), *techniques))


def test_no_layers_of_it_join_in(saved, stage, train):
    with pytest.raises(StageError, match="no layer can join in: another technique fixes all of them"):
        train(stage(saved("bert"), ALL, {"use": "unfreeze"}))


def test_two_techniques_that_fix_layers_are_refused(saved, stage, read):
    with pytest.raises(RecipeError, match="both decide the layers that stay fixed"):
        read(stage(saved("bert"), ALL, ALL | {"freeze": 2}))
