"""Weights that a folder lacks are new in the head alone, and only where that is allowed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import transformers
from transformers import AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification

from ladle import OptionError
from ladle.training import causal_model_from, model_from

SIZE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 30}
MISFIT = "name a model whose weights belong to the architecture in its config.json"


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """The folder of a tiny random model of a class of transformers; its configuration can be `changed` afterwards."""

    def saved(name: str, changed: dict[str, Any] | None = None, **options: Any) -> Path:
        torch.manual_seed(0)
        model_class = getattr(transformers, name)
        model_class(model_class.config_class(**SIZE | options)).save_pretrained(tmp_path / name)
        file = tmp_path / name / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | (changed or {})))
        return tmp_path / name

    return saved


def test_all_weights_are_those_of_the_folder(saved):
    folder = saved("BertForSequenceClassification", dtype="bfloat16")
    model, new = model_from(AutoModelForSequenceClassification, folder)
    assert new == []
    for name, value in safetensors.torch.load_file(folder / "model.safetensors").items():
        torch.testing.assert_close(model.state_dict()[name], value.float(), atol=0, rtol=0)


def test_a_new_head_is_drawn_from_the_seed_alone(saved):
    folder = saved("BertModel")
    (one, new), (again, _), (other, _) = (
        model_from(AutoModelForSequenceClassification, folder, seed) for seed in (1, 1, 2)
    )
    assert new == ["classifier.bias", "classifier.weight"]
    assert torch.equal(one.classifier.weight, again.classifier.weight)
    assert not torch.equal(one.classifier.weight, other.classifier.weight)
    torch.manual_seed(5)
    drawn = torch.rand(1)
    torch.manual_seed(5)
    model_from(AutoModelForSequenceClassification, folder, 1)
    assert torch.rand(1) == drawn


def test_a_head_must_be_there_where_no_seed_is_given(saved):
    with pytest.raises(OptionError, match=r"2 are missing and 0 have another shape, such as classifier\.bias") as error:
        model_from(AutoModelForSequenceClassification, saved("BertModel"))
    assert (error.value.option, error.value.help) == ("model", MISFIT)


def test_a_pooler_may_always_be_new(saved):
    model, new = model_from(AutoModel, saved("BertForMaskedLM"))
    assert new == ["pooler.dense.bias", "pooler.dense.weight"]
    assert model.pooler is not None


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize(
    ("changed", "counts"),
    [
        ({"num_hidden_layers": 3}, r"16 are missing and 0 have another shape, such as bert\.encoder\.layer\.2\."),
        ({"intermediate_size": 64}, r"0 are missing and 6 have another shape, such as bert\.encoder\.layer\.0\."),
    ],
)
def test_the_body_must_be_whole(saved, changed, counts, seed):
    folder = saved("BertForMaskedLM", changed)
    with pytest.raises(OptionError, match=rf"{folder} do not belong to its config\.json: {counts}") as error:
        model_from(AutoModelForMaskedLM, folder, seed)
    assert (error.value.option, error.value.help) == ("model", MISFIT)


def test_a_head_may_have_another_shape_only_if_it_was_asked_for(saved):
    folder = saved("BertForSequenceClassification", num_labels=3)
    model, new = model_from(AutoModelForSequenceClassification, folder, 1, num_labels=1)
    assert new == ["classifier.bias", "classifier.weight"]
    assert model.classifier.out_features == 1
    other = saved("BertForSequenceClassification", {"id2label": {"0": "a"}, "label2id": {"a": 0}}, num_labels=3)
    for seed in (None, 1):
        with pytest.raises(OptionError, match=r"0 are missing and 2 have another shape, such as classifier\.bias"):
            model_from(AutoModelForSequenceClassification, other, seed)


def test_pickled_weights_are_refused(saved):
    folder = saved("BertModel")
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(OptionError, match=r"cannot be loaded: .*no file named model.safetensors"):
        model_from(AutoModel, folder)


@pytest.mark.parametrize("name", ["LlamaForCausalLM", "GPT2LMHeadModel"])
def test_a_decoder_is_a_causal_language_model(saved, name):
    model, new = causal_model_from(saved(name))
    assert (type(model).__name__, new) == (name, [])


def test_the_head_of_a_decoder_may_be_new(saved):
    folder = saved("LlamaModel")
    assert causal_model_from(folder, 1)[1] == ["lm_head.weight"]
    with pytest.raises(OptionError, match=r"1 are missing and 0 have another shape, such as lm_head\.weight"):
        causal_model_from(folder)


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("BertForMaskedLM", "bert", {}),  # has a causal class, and sees what comes
        ("DistilBertForMaskedLM", "distilbert", {"dim": 16, "n_heads": 2, "hidden_dim": 32}),  # has none
        ("BartForConditionalGeneration", "bart", {"d_model": 16}),  # would lose its encoder
    ],
)
def test_what_is_no_decoder_is_refused(saved, name, kind, options):
    folder = saved(name, **options)
    with pytest.raises(OptionError, match=f"a `{kind}` model is no decoder: it cannot learn to") as error:
        causal_model_from(folder, 1)
    assert (error.value.option, error.value.help) == ("model", "name a decoder, such as Llama, Qwen or GPT-2")
    with pytest.raises(OptionError) as error:
        causal_model_from(folder, 1, "name another")
    assert error.value.help == "name another"
