"""Going on from the model of an earlier stage, for another task: its body comes over bit for bit, its head is new."""

from __future__ import annotations

import pytest

from ladle.errors import StageError

CHAT = {"prompt": "text", "target": "word", "template": "plain", "generated_rows": 0}
TEXTS = {"max_length": 32, "batch_size": 2}
MASKED, CAUSAL = ({"use": f"{kind}-language-model", **TEXTS} for kind in ("masked", "causal"))
WAYS = {
    "other classes": (("bert", "Model"), {}, {"target": "word"}, ("bert.", "bert.")),
    "other classes of means": (
        ("bert", "Model"),
        {"head": "mean"},
        {"target": "word", "head": "mean"},
        ("encoder.", "encoder."),
    ),
    "another way of pooling": (("bert", "Model"), {}, {"head": "mean"}, ("bert.", "encoder.")),
    "a number": (("bert", "Model"), {}, {"use": "text-regression", "target": "score"}, ("bert.", "bert.")),
    "tags": (("bert", "Model"), {}, {"use": "token-classification", "target": "tags"}, ("bert.", "bert.")),
    "answers": (("roberta", "Model"), {}, {"use": "question-answering"}, ("roberta.", "roberta.")),
    "classes after hidden words": (("bert", "ForMaskedLM"), MASKED, {}, ("bert.", "bert.")),
    "means after hidden words": (("bert", "ForMaskedLM"), MASKED, {"head": "mean"}, ("bert.", "encoder.")),
    "hidden words after classes": (("distilbert", "Model"), {}, MASKED, ("distilbert.", "distilbert.")),
    "classes after continuing": (("llama", "ForCausalLM"), CAUSAL, {}, ("model.", "model.")),
    "answers after continuing": (
        ("llama", "ForCausalLM"),
        CAUSAL,
        {"use": "instruction-tuning", **CHAT},
        ("", ""),
    ),
}


QUICK = {"other classes", "tags", "means after hidden words", "answers after continuing"}


@pytest.mark.parametrize("way", [pytest.param(way, marks=[] if way in QUICK else [pytest.mark.slow]) for way in WAYS])
def test_a_body_comes_over_bit_for_bit(way, saved, stage, train):
    import torch
    from safetensors.torch import load_file

    (kind, head), first, second, (was, becomes) = WAYS[way]
    folder = saved(kind, head=head)
    recipe = stage(folder, **{"name": "first", "epochs": 1, "learning_rate": 1e-2} | first)
    trained = train(recipe + stage("first", epochs=0, **second))
    before, after = trained.weights("first"), trained.weights()
    start = load_file(folder / "model.safetensors")
    own = was if head != "Model" else ""  # a model without a head has no name for its body
    body = {name.removeprefix(was) for name in before if name.startswith(was) and "pooler" not in name}
    assert body == {name.removeprefix(becomes) for name in after if name.startswith(becomes) and "pooler" not in name}
    assert len(body) > 30
    assert all(torch.equal(before[was + name], after[becomes + name]) for name in body)
    assert not all(torch.equal(start[own + name], after[becomes + name]) for name in body)
    tables = [name for name, weights in after.items() if not name.startswith(becomes) and weights.ndim == 2]
    assert tables or way == "answers after continuing"
    for name in tables:
        assert name not in before or not torch.equal(before[name], after[name])


def test_a_head_for_the_same_classes_comes_over_too(saved, stage, train):
    import torch

    trained = train(stage(saved("bert"), name="first", epochs=1) + stage("first", epochs=0))
    before, after = trained.weights("first"), trained.weights()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("technique", [{"use": "lora"}, {"use": "transfer", "freeze": "all"}, {"use": "unfreeze"}])
def test_a_stage_goes_on_from_one_with_a_technique(technique, saved, stage, train):
    import torch

    trained = train(stage(saved("bert"), technique, name="first", epochs=1) + stage("first", epochs=0, target="word"))
    before, after = trained.weights("first"), trained.weights()
    body = [name for name in before if name.startswith("bert.")]
    assert all(torch.equal(before[name], after[name]) for name in body)


@pytest.mark.parametrize(
    ("kind", "head", "use", "message"),
    [
        ("bert", "Model", "causal-language-model", r"a `?bert`? model is no decoder"),
        ("bert", "Model", "sequence-to-sequence", "a bert model is no encoder with a decoder"),
        (
            "llama",
            "ForCausalLM",
            "masked-language-model",
            "a `llama` model is no encoder with a head for masked tokens",
        ),
    ],
)
def test_a_body_that_does_not_fit_the_task_is_refused(kind, head, use, message, saved, stage, train):
    first = {"use": "causal-language-model"} if head == "ForCausalLM" else {}
    options = {"target": "word", "column": "text"} if use == "sequence-to-sequence" else {}
    recipe = stage(saved(kind, head=head), name="first", epochs=0, **first)
    with pytest.raises(StageError, match=message) as raised:
        train(recipe + stage("first", use=use, epochs=0, **options))
    assert raised.value.problems[0].help.startswith("name a")
