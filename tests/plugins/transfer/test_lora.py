from __future__ import annotations

from types import SimpleNamespace

import pytest

from ladle.errors import OptionError, RecipeError
from ladle_transfer.lora import Lora


@pytest.fixture
def adapted(saved):
    """A model with adapters whose B is not 0 any more, and the technique that put them there."""

    def adapted(kind, head="ForSequenceClassification", **options):
        import torch
        import transformers

        folder = saved(kind, head=head)
        name = transformers.AutoConfig.from_pretrained(folder).architectures[0]
        model = getattr(transformers, name).from_pretrained(folder)
        technique = Lora.model_validate(options).within(SimpleNamespace(start=folder, notes={}))
        found = technique.model(lambda: model)
        assert found is model
        torch.manual_seed(1)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.1)
        return model.eval(), technique

    return adapted


@pytest.mark.parametrize(
    ("kind", "head", "options"),
    [
        ("bert", "ForSequenceClassification", {}),
        ("bert", "ForSequenceClassification", {"targets": "linear", "dropout": 0.5}),
        ("bert", "ForSequenceClassification", {"rslora": True, "alpha": 3.0}),
        ("bert", "ForSequenceClassification", {"dora": True}),
        ("roberta", "ForSequenceClassification", {}),
        ("distilbert", "ForSequenceClassification", {}),
        ("llama", "ForCausalLM", {}),
        ("llama", "ForCausalLM", {"dora": True, "targets": "linear"}),
        ("gpt2", "ForCausalLM", {"targets": "linear"}),
        ("bart", "ForConditionalGeneration", {}),
    ],
)
def test_a_model_says_the_same_when_its_matrices_have_taken_in_their_adapters(kind, head, options, adapted, saved):
    import torch
    import transformers

    model, technique = adapted(kind, head, **options)
    ids = torch.tensor([[2, 7, 9, 3], [2, 8, 3, 3]])
    with torch.no_grad():
        before = model(input_ids=ids).logits
        technique.take_off(model)
        torch.testing.assert_close(model(input_ids=ids).logits, before, atol=1e-5, rtol=1e-5)
    plain = type(model).from_pretrained(saved(kind, head=head))
    assert [(name, type(module)) for name, module in model.named_modules()] == [
        (name, type(module)) for name, module in plain.named_modules()
    ]
    assert not hasattr(model, "peft_config")
    assert isinstance(model, transformers.PreTrainedModel)


@pytest.mark.parametrize(
    ("options", "scale"), [({}, 2.0), ({"alpha": 3.0}, 1.5), ({"alpha": 3.0, "rslora": True}, 3 / 2**0.5)]
)
def test_a_matrix_takes_in_the_product_of_two_small_ones(options, scale, adapted, saved):
    import torch
    from transformers import BertForSequenceClassification

    model, technique = adapted("bert", rank=2, **options)
    query = model.bert.encoder.layer[1].attention.self.query
    product = query.lora_B["default"].weight @ query.lora_A["default"].weight
    technique.take_off(model)
    plain = BertForSequenceClassification.from_pretrained(saved("bert", head="ForSequenceClassification"))
    found = model.bert.encoder.layer[1].attention.self.query.weight
    torch.testing.assert_close(found, plain.bert.encoder.layer[1].attention.self.query.weight + scale * product)


@pytest.mark.parametrize(
    ("kind", "targets", "adapts"),
    [
        ("bert", "auto", {"query", "value"}),
        ("bert", "linear", {"query", "key", "value", "dense"}),
        ("bert", ["attention.output.dense", "key"], {"dense", "key"}),
        ("distilbert", "auto", {"q_lin", "k_lin", "v_lin", "out_lin", "lin1", "lin2"}),
        ("gpt2", "auto", {"c_attn"}),
        ("llama", "auto", {"q_proj", "v_proj"}),
        ("bart", "auto", {"q_proj", "v_proj"}),
    ],
)
def test_which_matrices_are_adapted(kind, targets, adapts, adapted):
    model, _ = adapted(kind, targets=targets)
    names = {name.partition(".lora_A.")[0] for name, _ in model.named_parameters() if ".lora_A." in name}
    assert {name.rpartition(".")[2] for name in names} == adapts
    assert not any("pooler" in name or "classi" in name for name in names)
    if targets == ["attention.output.dense", "key"]:
        assert len(names) == 8


def test_adapters_and_the_head_are_trained_and_nothing_else(adapted):
    model, _ = adapted("bert")
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert {name for name in trained if "lora_" not in name} == {
        f"{part}.{kind}" for part in ("bert.pooler.dense", "classifier") for kind in ("weight", "bias")
    }
    assert len(trained) == 4 + 4 * 2 * 2


@pytest.mark.parametrize(
    ("kind", "head", "options", "trained"),
    [
        ("llama", "ForCausalLM", {}, set()),
        ("llama", "ForCausalLM", {"whole": ["embed_tokens"]}, {"model.embed_tokens.weight"}),
        ("llama", "ForCausalLM", {"whole": ["layers.3.mlp.gate_proj"]}, {"model.layers.3.mlp.gate_proj.weight"}),
        ("gpt2", "ForCausalLM", {"whole": ["lm_head"]}, {"transformer.wte.weight"}),
        (
            "bert",
            "ForMaskedLM",
            {},
            {
                f"cls.predictions.{name}"
                for name in (
                    "bias",
                    "transform.dense.weight",
                    "transform.dense.bias",
                    "transform.LayerNorm.weight",
                    "transform.LayerNorm.bias",
                )
            },
        ),
    ],
)
def test_the_table_of_a_language_model_is_trained_if_that_is_wanted(kind, head, options, trained, adapted):
    model, _ = adapted(kind, head, **options)
    found = {name for name, parameter in model.named_parameters() if parameter.requires_grad and "lora_" not in name}
    assert found == trained


def test_a_head_that_the_start_does_not_have_is_trained(saved, stage, train, steps):
    start = saved("llama", head="Model")
    trained = train(
        stage(start, {"use": "lora"}, {"use": "steps"}, use="causal-language-model", arguments={"max_steps": 1})
    )
    assert trained.notes["tables of weights of the head that are new"] == 1
    assert "lm_head.weight" in steps[0]["gradients"]


def test_less_than_a_twentieth_is_trained_and_told(saved, stage, train):
    trained = train(stage(saved("bert", width=64), {"use": "lora", "rank": 2}, head="mean", epochs=1))
    training = trained.metrics["training"]
    adapters = 4 * 2 * 2 * 2 * 64
    assert training["trainable_parameters"] == adapters + 130
    assert (adapters + 130) / (training["parameters"] - adapters) < 0.05
    assert trained.notes[
        "weights trained"
    ] == f"2,178, {2178 / (training['parameters'] - adapters):.2%} of the model's " + (
        f"{training['parameters'] - adapters:,}"
    )


@pytest.mark.parametrize("is_first", [True, False])
def test_layers_that_are_fixed_have_no_adapters_that_learn(is_first, saved, stage, train):
    import torch

    techniques = [{"use": "lora"}, {"use": "transfer", "freeze": 2}]
    before = train(stage(saved("bert"), epochs=0)).weights()
    after = train(stage(saved("bert"), *(techniques if is_first else reversed(techniques)), epochs=1)).weights()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {
        *(
            f"bert.encoder.layer.{layer}.attention.self.{part}.weight"
            for layer in (2, 3)
            for part in ("query", "value")
        ),
        *(f"{part}.{kind}" for part in ("bert.pooler.dense", "classifier") for kind in ("weight", "bias")),
    }


def test_what_is_saved_is_what_was_measured(saved, stage, train):
    lora = {"use": "lora", "dropout": 0.2}
    trained = train(stage(saved("bert"), lora, name="first") + stage("first", epochs=0), held_out=True)
    first = trained.run.outcome["metrics"]["first"]
    for split in ("validation", "test"):
        assert trained.metrics[split] == {name: pytest.approx(value, abs=1e-6) for name, value in first[split].items()}


@pytest.mark.parametrize(("kind", "head"), [("bert", "Model"), ("gpt2", "ForCausalLM")])
def test_checkpointing_layers_changes_nothing(kind, head, saved, stage, train, steps):
    import torch

    use = {"bert": {}, "gpt2": {"use": "causal-language-model"}}[kind]
    found = []
    for checkpointing in (False, True):
        arguments = {"max_steps": 1, "gradient_checkpointing": checkpointing}
        train(stage(saved(kind, head=head), {"use": "lora"}, {"use": "steps"}, arguments=arguments, **use))
        found.append(steps[-1]["gradients"])
    assert found[0].keys() == found[1].keys()
    assert any("lora_A" in name for name in found[0])
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, msg=name)


@pytest.mark.parametrize(
    ("options", "message", "help"),
    [
        ({"targets": ["querry"]}, "no module of the model is called `querry`", "did you mean `query`?"),
        ({"whole": ["poolar"]}, "no module of the model is called `poolar`", "did you mean `pooler`?"),
        (
            {"targets": ["query"], "whole": ["query"]},
            "there is no matrix in BertForSequenceClassification to train an adapter for, or another technique fixes "
            "all of them",
            "leave this technique out, or let the other fix fewer layers",
        ),
    ],
)
def test_names_that_no_module_has_are_told(options, message, help, adapted):
    with pytest.raises(OptionError) as raised:
        adapted("bert", **options)
    assert (str(raised.value), raised.value.help) == (message, help)


def test_options_out_of_range_and_two_sets_of_adapters_are_refused(saved, stage, read):
    with pytest.raises(RecipeError, match="0 is out of range: expected more than 0"):
        read(stage(saved("bert"), {"use": "lora", "rank": 0}))
    with pytest.raises(RecipeError, match="both decide the adapters"):
        read(stage(saved("bert"), {"use": "lora"}, {"use": "lora"}))
