"""Adversarial training in recipes: what is learnt, on whatever model, and what is left when it is over."""

from __future__ import annotations

import shutil
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ladle import OptionError
from ladle.errors import RecipeError, StageError
from ladle.training import Term, forward
from ladle_adversarial.adversarial import Adversarial
from ladle_adversarial.moves import embedding_of

METHODS = ["fgm", "pgd", "free-lb", "smoothness"]
KINDS = ["bert", "distilbert", "llama", "t5", "bart"]


def of(method: str, **options: Any) -> Adversarial:
    return Adversarial.model_validate({"method": method, "epsilon": 1.0} | options)


def close(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert set(found) == set(expected)
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize(
    ("method", "norm"), [*((method, "sentence") for method in METHODS), ("fgm", "token"), ("free-lb", "token")]
)
def test_the_step_is_the_same_however_rows_are_cut_and_padded(method, norm, gradients):
    """Of a batch of eight, two of four or eight of one, and with more padding than there has to be."""
    first, *others = [
        gradients([of(method, norm=norm)], batch_size=size, accumulate=8 // size, padding=padding)
        for size, padding in ((8, 0), (4, 7), (1, 0))
    ]
    assert max(gradient.abs().max() for gradient in first.values()) > 1e-3
    for other in others:
        close(other, first)


@pytest.mark.parametrize(
    ("kind", "head"),
    [*((kind, "own") for kind in KINDS), *((kind, "mean") for kind in ("bert", "distilbert", "llama"))],
)
def test_embeddings_are_moved_in_any_model(kind, head, stage, train, watching):
    options = {"epsilon": 3.0, "norm": "token"}
    trained = train(stage(("adversarial", options), ("watching", {}), kind=kind, head=head, batch_size=40))
    last = watching.losses[-1]
    assert set(last) == {"cross-entropy", "cross-entropy under attack"}
    assert last["cross-entropy under attack"].mean() > last["cross-entropy"].mean()
    [logged] = [entry for entry in trained.history if "loss" in entry]
    assert logged["loss"] == pytest.approx(
        logged["loss/cross-entropy"] + logged["loss/cross-entropy under attack"], rel=1e-4
    )


def test_the_encoder_of_an_encoder_with_a_decoder_is_attacked_alone(tiny):
    for kind in ("t5", "bart"):
        model = tiny(kind, task="ForConditionalGeneration")
        seen: list[tuple[int, ...]] = []
        embedding_of(model).register_forward_hook(lambda _, given, out, seen=seen: seen.append(tuple(out.shape)))
        model(input_ids=torch.ones(2, 5, dtype=torch.long), decoder_input_ids=torch.ones(2, 3, dtype=torch.long))
        assert seen == [(2, 5, 16)]


@pytest.mark.parametrize("method", METHODS)
def test_the_loss_of_a_fitted_model_rises_for_every_row(method, tiny):
    """A small move against it raises it, where a random one of the same norm does not."""
    model = tiny("bert", task="ForSequenceClassification")
    torch.manual_seed(0)
    batch = {"input_ids": torch.randint(4, 20, (8, 6)), "labels": torch.arange(8) % 2}
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    while (loss := losses(model, batch, "fgm", epsilon=1e-6)["loss"].mean()) > 0.3:
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    found = losses(model, batch, method, epsilon=0.2)
    if method == "smoothness":
        chance = losses(model, batch, method, epsilon=0.2, step_size=1e-9)["smoothness"]
        assert (found["smoothness"] > 2 * chance).all()
    else:
        clean = losses(model, batch, "fgm", epsilon=0.2)["loss"]
        assert (found["loss under attack"] > clean).all()
    if method == "pgd":
        chance = losses(model, batch, method, epsilon=0.2, step_size=1e-9)["loss under attack"]
        assert not (chance > clean).all()


def losses(model: Any, batch: dict[str, Any], method: str, epsilon: float, **options: Any) -> dict[str, Any]:
    """What the loss of a method is for each row, by the names of its terms (of the last step, if they are several)."""

    def inner(model: Any, batch: dict[str, Any]) -> dict[str, Term]:
        logits = forward(model, batch).logits
        return {"loss": Term(torch.nn.functional.cross_entropy(logits, batch["labels"], reduction="none"))}

    offers = frozenset({"items"}) if method == "free-lb" else frozenset()
    setting = SimpleNamespace(model=model, seed=0, plan=SimpleNamespace(trainer=SimpleNamespace(offers=offers)))
    technique = of(method, epsilon=epsilon, **options).within(setting)
    found: dict[str, Any] = {}

    def one(model: Any, batch: dict[str, Any]) -> Any:
        terms = technique.loss(inner, model, batch)
        found.update({name: term.values for name, term in terms.items()})
        if method == "free-lb":
            sum(term.values.sum() for term in terms.values()).backward()
        return torch.zeros(())

    technique.step(one, model, batch)
    return found


@pytest.mark.parametrize("method", METHODS)
def test_evaluation_sees_no_attack(method, stage, train):
    still = {"learning_rate": 1e-12, "epochs": 2}
    plain = train(stage(**still))
    attacked = train(stage(("adversarial", {"method": method, "epsilon": 20.0}), **still))
    assert attacked.metrics["test"] == plain.metrics["test"]
    seen = [[entry["eval_loss"] for entry in one.history if "eval_loss" in entry] for one in (plain, attacked)]
    assert seen[0] == seen[1]
    assert len(seen[0]) == 2


@pytest.mark.parametrize("fail_at", [1, 2, None])
@pytest.mark.parametrize("method", METHODS)
def test_no_hook_is_left_even_if_the_loss_fails(method, fail_at, stage, train, watching):
    recipe = stage(("watching", {"fail_at": fail_at} if fail_at else {}), ("adversarial", {"method": method}))
    if fail_at:
        with pytest.raises(StageError, match="told to fail"):
            train(recipe)
    else:
        train(recipe)
    [model] = watching.models
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("method", METHODS)
def test_a_training_that_goes_on_ends_with_the_same_weights(method, stage, train, tmp_path):
    """With dropout, and starts within the ball that are random."""
    note = tmp_path / "stopped"
    techniques = [("adversarial", {"method": method}), ("interrupted", {"after": 7, "note": str(note)})]
    recipe = stage(*techniques, dropout=0.2, epochs=2)
    with pytest.raises(KeyboardInterrupt):
        train(recipe)
    resumed = train(recipe).weights()
    shutil.rmtree(tmp_path / "runs")
    whole = train(recipe).weights()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.parametrize("method", METHODS)
def test_checkpointed_activations_give_the_same_step(method, gradients, tiny):
    plain, checkpointed = (
        gradients(
            [of(method)],
            tiny("bert", 0.2, "ForSequenceClassification"),
            arguments={"activation_checkpointing": use},
        )
        for use in (False, True)
    )
    close(checkpointed, plain)


@pytest.mark.parametrize("method", METHODS)
def test_sixteen_bits_will_do(method, gradients):
    exact, rough = (gradients([of(method)], precision=precision) for precision in ("float32", "bfloat16"))
    for name in ("classifier.weight", "bert.encoder.layer.0.attention.self.value.weight"):
        assert (rough[name] - exact[name]).norm() < 0.1 * exact[name].norm()


def test_a_trainer_with_one_loss_per_batch_can_be_attacked(train, stage, watching):
    trained = train(stage(("adversarial", {}), use="own-loss", head=None))
    logged = next(entry for entry in trained.history if "loss" in entry)
    assert logged["loss/loss under attack"] > logged["loss/loss"] > 0
    assert logged["loss"] == pytest.approx(logged["loss/loss under attack"] + logged["loss/loss"], rel=1e-4)


@pytest.mark.parametrize("method", ["pgd", "free-lb", "smoothness"])
def test_what_needs_a_loss_of_items_is_refused_elsewhere(method, read, stage):
    with pytest.raises(RecipeError) as raised:
        read(stage(("adversarial", {"method": method}), use="own-loss", head=None))
    [problem] = [problem for problem in raised.value.problems if problem.severity == "error"]
    assert problem.message == f"`{method}` needs a loss with one value per item, and this trainer gives one per batch"
    assert problem.span.text == f'method = "{method}"'
    assert problem.help == 'method = "fgm" works with every trainer that embeds tokens'


@pytest.mark.parametrize(
    ("method", "option", "message"),
    [
        ("fgm", "steps", "`fgm` makes one step, of norm `epsilon`: `steps` has no effect"),
        ("fgm", "step_size", "`fgm` makes one step, of norm `epsilon`: `step_size` has no effect"),
        ("pgd", "weight", "`pgd` adds nothing to the loss: `weight` has no effect"),
        ("free-lb", "weight", "`free-lb` adds nothing to the loss: `weight` has no effect"),
    ],
)
def test_options_without_effect_are_refused(method, option, message, read, stage):
    with pytest.raises(RecipeError) as raised:
        read(stage(("adversarial", {"method": method, option: 2})))
    [problem] = raised.value.problems
    assert problem.message == message
    assert problem.span.text == f"{option} = 2"


def test_a_trainer_without_embeddings_is_refused(read):
    recipe = (
        '[[train]]\nuse = "tabular-regression"\ndata = "rows"\ncolumns = []\n[[train.technique]]\nuse = "adversarial"\n'
    )
    with pytest.raises(RecipeError, match="`adversarial` needs embeddings, which `tabular-regression` does not offer"):
        read(recipe)


def test_kept_outputs_of_lower_layers_cannot_be_attacked(read, stage):
    with pytest.raises(RecipeError, match="`adversarial` needs embeddings, which `transfer` takes away as it is set"):
        read(stage(("transfer", {"freeze": 1}), ("adversarial", {})))


def test_fixed_layers_that_run_can_be_attacked(stage, train, watching):
    techniques = [("transfer", {"freeze": 1, "reuse": False}), ("adversarial", {"method": "free-lb"}), ("watching", {})]
    train(stage(*techniques))
    below = watching.models[0].get_input_embeddings().weight
    assert below.grad is None
    assert not below.requires_grad
    assert watching.losses[-1]["cross-entropy under attack"].mean() > 0


def test_smoothness_needs_what_the_model_says_of_rows():
    class Silent(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(4, 2)
            self.config = SimpleNamespace()

        def get_input_embeddings(self) -> torch.nn.Module:
            return self.embedding

        def forward(self, input_ids: torch.Tensor) -> Any:
            return SimpleNamespace(pooled=self.embedding(input_ids).sum((1, 2)))

    def inner(model: Any, batch: dict[str, Any]) -> dict[str, Term]:
        return {"loss": Term(forward(model, batch).pooled)}

    technique = of("smoothness").within(SimpleNamespace(model=(model := Silent()), seed=0))
    with pytest.raises(OptionError, match="its `logits`, and Silent gives none") as raised:
        technique.loss(inner, model, {"input_ids": torch.ones(2, 3, dtype=torch.long)})
    assert raised.value.option == "method"
    assert not model._forward_hooks
    assert not model.embedding._forward_hooks


def test_a_model_that_embeds_elsewhere_is_told():
    class Elsewhere(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.said, self.used = torch.nn.Embedding(4, 2), torch.nn.Embedding(4, 2)

        def get_input_embeddings(self) -> torch.nn.Module:
            return self.said

        def forward(self, input_ids: torch.Tensor) -> Any:
            return self.used(input_ids).sum((1, 2))

    technique = of("pgd").within(SimpleNamespace(model=(model := Elsewhere()), seed=0))
    with pytest.raises(OptionError, match="did not embed the tokens of a batch where it says that it does"):
        technique.loss(
            lambda model, batch: {"loss": Term(forward(model, batch))}, model, {"input_ids": torch.ones(2, 3).long()}
        )


def test_the_technique_loads_without_heavy_imports():
    heavy = {"numpy", "pyarrow", "torch", "transformers", "datasets"}
    modules = "adversarial, perturb, robustness, typos, word_attacks, synonyms"
    code = f"import sys; from ladle_adversarial import {modules}; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
