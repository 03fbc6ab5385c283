"""All techniques with all trainers that have what they need."""

from __future__ import annotations

import math

import pytest

from ladle.errors import RecipeError

LORA, UNFREEZE, RATES = {"use": "lora", "rank": 2}, {"use": "unfreeze", "every": 0.2}, {"use": "layer-rates"}
OF_TRL = {
    "dpo": {"prompt": "text", "chosen": "word", "rejected": "label"},
    "grpo": {
        "prompt": "text",
        "group": 4,
        "max_new_tokens": 4,
        "beta": 0.1,
        "reward": [{"use": "length", "most": 2, "fall": 4}],
    },
}
TRAINERS = {
    "text-regression": {"target": "score"},
    "token-classification": {"target": "tags"},
    "question-answering": {},
    "causal-language-model": {"max_length": 32, "batch_size": 2},
    "instruction-tuning": {"prompt": "text", "target": "word", "template": "plain", "generated_rows": 0},
    "masked-language-model": {"max_length": 32, "batch_size": 2},
    "sequence-to-sequence": {"column": "text", "target": "word", "generated_rows": 0},
}
STARTS = {
    "causal-language-model": ("llama", "ForCausalLM"),
    "instruction-tuning": ("gpt2", "ForCausalLM"),
    "masked-language-model": ("bert", "ForMaskedLM"),
    "sequence-to-sequence": ("bart", "ForConditionalGeneration"),
}


@pytest.fixture
def start(saved):
    return lambda use: saved(STARTS.get(use, ("bert",))[0], head=STARTS.get(use, ("", "Model"))[1])


def transfer(freeze: int | str = 2, **options):
    return {"use": "transfer", "freeze": freeze, **options}


@pytest.mark.parametrize(
    ("use", "freeze"),
    [
        ("text-regression", "all"),
        ("token-classification", "all"),
        ("question-answering", "all"),
        ("causal-language-model", 2),
        ("instruction-tuning", 2),
    ],
)
def test_kept_outputs_train_the_same_model(use, freeze, start, stage, train):
    import torch

    kept, run = (
        train(stage(start(use), transfer(freeze, reuse=reuse), use=use, packing=packing, **TRAINERS[use]))
        for reuse, packing in ((True, None), (False, "off" if use == "causal-language-model" else None))
    )
    assert kept.losses == pytest.approx(run.losses, abs=1e-5)
    weights = run.weights()
    for name, found in kept.weights().items():
        if name == "qa_outputs.bias":  # softmax leaves it without a gradient but for noise
            continue
        torch.testing.assert_close(found, weights[name], atol=1e-4, rtol=1e-3, msg=name)
    (states,) = kept.states
    assert (states.stat().st_size == 40 * 32 * 4) is (use == "text-regression")


@pytest.mark.parametrize(
    ("use", "options", "message"),
    [
        ("masked-language-model", {}, "whose hidden tokens are others each time"),
        ("instruction-tuning", {"packing": True}, "and rows are packed together"),
    ],
)
def test_what_is_not_the_same_each_time_is_not_kept(use, options, message, start, stage, train):
    options = TRAINERS[use] | options
    with pytest.raises(RecipeError, match=message) as raised:
        train(stage(start(use), transfer(), use=use, **options))
    assert "reuse = false" in raised.value.problems[0].help
    assert train(stage(start(use), transfer(reuse=False), use=use, **options)).losses


QUICK = {"causal-language-model", "instruction-tuning", "sequence-to-sequence"}


@pytest.mark.parametrize("use", [pytest.param(u, marks=[] if u in QUICK else [pytest.mark.slow]) for u in TRAINERS])
def test_adapters_rates_and_unfreezing_work_together_and_leave_a_model_like_any_other(use, start, stage, train):
    import torch

    has_layers = use != "sequence-to-sequence"
    techniques = (LORA, UNFREEZE, RATES) if has_layers else (LORA,)
    before = train(stage(start(use), use=use, epochs=0, **TRAINERS[use])).weights()
    trained = train(stage(start(use), *techniques, use=use, **TRAINERS[use]))
    after = trained.weights()
    assert {name: weights.shape for name, weights in after.items()} == {n: w.shape for n, w in before.items()}
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    adapted = [name for name in moved if name.split(".")[-2] in ("query", "value", "q_proj", "v_proj", "c_attn")]
    assert len(adapted) == {"gpt2": 4, "bart": 12}.get(STARTS.get(use, ("",))[0], 8)
    assert all(torch.linalg.matrix_rank(after[name] - before[name], rtol=1e-4) <= 2 for name in adapted)
    assert not any("embed" in name for name in moved)


@pytest.mark.slow
@pytest.mark.parametrize("use", OF_TRL)
def test_classes_of_trl_compare_an_adapted_model_with_the_one_that_it_started_from(use, saved, stage, train):
    import torch

    pytest.importorskip("ladle_reinforcement")
    start = saved("llama", head="ForCausalLM")
    trained = train(stage(start, LORA, UNFREEZE, RATES, use=use, learning_rate=5e-4, **OF_TRL[use]))
    if use == "dpo":
        assert trained.losses[0] == pytest.approx(math.log(2), abs=1e-6)  # nothing has become likelier yet
    before, after = train(stage(start, use=use, epochs=0, **OF_TRL[use])).weights(), trained.weights()
    assert after.keys() == before.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert {name.split(".")[-2] for name in moved} <= {"q_proj", "v_proj", "norm"}


@pytest.mark.slow
def test_classes_of_trl_run_the_layers_that_are_fixed(saved, stage, train, read):
    import torch

    pytest.importorskip("ladle_reinforcement")
    start = saved("llama", head="ForCausalLM")
    with pytest.raises(RecipeError, match="this trainer does not tell which tokens a row has"):
        read(stage(start, transfer(), use="dpo", **OF_TRL["dpo"]))
    trained = train(stage(start, transfer(reuse=False), use="dpo", learning_rate=4e-4, **OF_TRL["dpo"]))
    before, after = train(stage(start, use="dpo", epochs=0, **OF_TRL["dpo"])).weights(), trained.weights()
    still = {name for name in before if torch.equal(before[name], after[name])}
    assert {name.split(".")[2] for name in still if ".layers." in name} == {"0", "1"}
    assert "model.embed_tokens.weight" in still


def test_a_network_over_numbers_can_have_adapters(read, train):
    recipe = '[[train]]\nuse = "tabular-regression"\ndata = "rows"\ncolumns = ["score"]\ntarget = "score"\n'
    recipe += 'hidden = [16, 16]\nepochs = 1\n[[train.technique]]\nuse = "lora"\nrank = 1\n'
    assert train(recipe).notes["weights trained"] == "66, 20.56% of the model's 321"
