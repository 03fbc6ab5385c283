"""Learning from preferences."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from ladle.errors import RecipeError, StageError

from .conftest import CHAT, split_of


def dpo(model, *more, **options):
    usual = {"batch_size": 8, "learning_rate": 1e-2, "max_new_tokens": 6} | options
    said = "\n".join(f"{name} = {value}" for name, value in usual.items())
    return f'[[train]]\nuse = "dpo"\ndata = "rows"\nmodel = {{ pretrained = "{model}" }}\n{said}\n' + "".join(
        f'[[train.technique]]\nuse = "{technique}"\n' for technique in more
    )


@pytest.fixture
def pairs():
    """40 pairs of answers of unequal length, of which the red one is the better."""
    return [
        {
            "prompt": f"{'what is ' * (number % 4)}say ",
            "chosen": "red " * (1 + number % 3),
            "rejected": f"{'blue ' * (1 + number % 2)}{'.' if number % 5 else ''}",
            "split": split_of(number),
        }
        for number in range(40)
    ]


def test_the_better_answer_becomes_the_likelier(train, saved, pairs):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    done = train(pairs, dpo(saved("gpt2", dropout=0.2), epochs=3))
    assert done.curve("rewards/margins")[0] == 0
    assert done.curve("loss/preference")[0] == pytest.approx(math.log(2), abs=1e-6)
    assert done.curve("rewards/margins")[-1] > 0.5
    test, baseline = done.metrics["test"], done.metrics["baseline"]
    assert test["accuracy"] == 1 > baseline["accuracy"]
    assert test["margin"] == pytest.approx(test["chosen_reward"] - test["rejected_reward"])
    assert test["margin"] > 0.5 > baseline["margin"] == 0
    assert test["loss"] < 0.4 < baseline["loss"] == pytest.approx(math.log(2))
    low, high = done.metrics["intervals"]["test"]["margin"]
    assert low < test["margin"] < high
    assert done.metrics["intervals"]["test"]["accuracy"][1] == 1
    shown = done.tables["pairs that it is least right about"]
    assert list(shown[0]) == ["prompt", "chosen", "rejected", "margin"]
    assert [row["margin"] for row in shown] == sorted(row["margin"] for row in shown)

    [said] = done.predict([{"prompt": "what is say "}])
    model, tokenizer = (kind.from_pretrained(done.model) for kind in (AutoModelForCausalLM, AutoTokenizer))
    written = model.generate(**tokenizer("what is say ", return_tensors="pt", return_token_type_ids=False))
    assert tokenizer.decode(written[0, 3:], skip_special_tokens=True) == said["answer"]
    assert set(said["answer"].split()) == {"red"}


def by_hand(kind, beta, chosen, rejected, tokens):
    """The loss of pairs as the papers have it, of the logarithms by which answers have become likelier, [pairs]."""
    margin = beta * (chosen - rejected)
    if kind == "hinge":
        return F.relu(1 - margin)
    if kind == "ipo":
        return (chosen / tokens[0] - rejected / tokens[1] - 1 / (2 * beta)) ** 2
    one, other = -F.logsigmoid(margin), -F.logsigmoid(-margin)
    return one if kind == "sigmoid" else (0.9 * one - 0.1 * other) / 0.8


@pytest.mark.parametrize("kind", ["sigmoid", "hinge", "ipo", "robust"])
def test_the_loss_is_the_formula_in_training_and_in_measuring(train, saved, pairs, recorded, kind):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    more = {"label_smoothing": 0.1} if kind == "robust" else {}
    done = train(pairs, dpo(saved(), "checking", loss_type=f'"{kind}"', beta=0.3, warmup=0.0, **more))
    assert len(recorded.batches) == 3
    for seen, terms in zip(recorded.batches, recorded.terms, strict=True):
        mask = seen["completion_mask"][:, 1:]
        ratios, tokens = ((seen["now"] - seen["reference"]) * mask).sum(1), mask.sum(1)
        wanted = by_hand(kind, 0.3, *ratios.chunk(2), tokens.chunk(2)).sum()
        assert terms["preference"].item() == pytest.approx(wanted.item(), rel=1e-4)
    assert done.metrics["baseline"]["loss"] == pytest.approx(recorded.terms[0]["preference"].item() / 8, rel=1e-4)

    now, before = (AutoModelForCausalLM.from_pretrained(folder) for folder in (done.model, saved()))
    tokenizer = AutoTokenizer.from_pretrained(done.model)

    def likelihood(model, prompt, answer):
        asked, said = (tokenizer(text, return_tensors="pt").input_ids for text in (prompt, answer + " </s>"))
        with torch.no_grad():
            logits = model(torch.cat([asked, said], 1)).logits[0, asked.shape[1] - 1 : -1]
        return logits.log_softmax(-1)[range(said.shape[1]), said[0]].sum(), said.shape[1]

    losses = []
    for row in (row for row in pairs if row["split"] == "test"):
        ratios, tokens = [], []
        for answer in (row["chosen"], row["rejected"]):
            (one, length), (other, _) = (likelihood(model, row["prompt"], answer) for model in (now, before))
            ratios.append(one - other)
            tokens.append(length)
        losses.append(by_hand(kind, 0.3, *ratios, tokens).item())
    assert done.metrics["test"]["loss"] == pytest.approx(sum(losses) / len(losses), rel=1e-4)


def test_a_step_is_the_same_however_it_is_cut(train, saved, pairs, recorded):
    rows = [row | {"split": "train"} for row in pairs[:7]]
    found = []
    for size, accumulate in ((7, 1), (4, 2), (1, 7)):  # the second of two batches is the smaller
        train(rows, dpo(saved(), "recording", batch_size=size, accumulate=accumulate), runs=f"cut-{size}")
        found.append(recorded.gradients[-1])
    for gradients in found[1:]:
        for name, gradient in found[0].items():
            assert torch.allclose(gradient, gradients[name], atol=1e-6), name
    assert max(gradient.abs().max() for gradient in found[0].values()) > 1e-3


def test_a_training_that_goes_on_ends_with_the_same_weights(train, saved, pairs, tmp_path):
    stage = dpo(saved(), epochs=3)
    whole = train(pairs, stage, runs="whole")
    stops = f'{stage}[[train.technique]]\nuse = "stopping"\nafter = 3\nnote = "{tmp_path / "note"}"\n'
    with pytest.raises(KeyboardInterrupt):
        train(pairs, stops, runs="stopped")
    resumed = train(pairs, stops, runs="stopped")
    assert resumed.events("training-resumed")
    for name, weights in whole.weights().items():
        assert torch.equal(weights, resumed.weights()[name]), name


def test_conversations(train, saved, pairs, recorded):
    def said(role, content):
        return {"role": role, "content": content.strip()}

    rows = []
    for row in pairs:
        asked = [said("user", row["prompt"])]
        whole = {name: [*asked, said("assistant", row[name])] for name in ("chosen", "rejected")}
        rows.append({"asked": row["prompt"].strip(), "split": row["split"], **whole})
    rows[0]["rejected"] = rows[0]["chosen"]
    stage = dpo(saved("llama", CHAT), "recording", prompt='""')
    done = train(rows, stage)
    batch = recorded.batches[0]
    text = recorded.tokenizer.decode(batch["input_ids"][0][batch["attention_mask"][0].bool()])
    assert text.startswith("user : ")
    assert text.endswith("red </s>")
    answer = batch["input_ids"][0][batch["completion_mask"][0].bool()]
    assert set(recorded.tokenizer.decode(answer).split()) == {"red", "</s>"}
    assert done.notes["train rows left out, whose conversations do not begin alike and end otherwise"] == 1
    recorded.forget()
    train(rows[1:], dpo(saved("llama", CHAT), "recording", prompt='"asked"'), runs="asked")
    assert len(recorded.batches[0]["input_ids"]) == 16
    text = recorded.tokenizer.decode(recorded.batches[0]["input_ids"][0], skip_special_tokens=True)
    assert text.count("user :") == 1


def test_techniques_that_move_embeddings(train, saved, pairs, recorded):
    train(pairs, dpo(saved(), "recording", "moving"))
    assert len(recorded.batches) == 6  # each of three batches is seen as it is, and moved
    assert recorded.terms[1]["preference"] > recorded.terms[0]["preference"]  # against the loss
    assert not recorded.model.get_input_embeddings()._forward_hooks


@pytest.mark.parametrize(
    ("options", "technique", "told"),
    [
        ({"label_smoothing": 0.1}, (), '`label_smoothing` and loss_type = "robust" belong together'),
        ({"chosen": '"chosn"'}, (), "no column `chosn` at this point"),
        ({"arguments": "{ ld_alpha = 0.5 }"}, (), "`ld_alpha` is decided by this trainer"),
        ({}, ("by-item",), "`by-item` needs items, which `dpo` does not offer"),
    ],
)
def test_what_cannot_work_is_told_when_a_recipe_is_checked(read, saved, pairs, options, technique, told):
    with pytest.raises(RecipeError) as error:
        read(pairs, dpo(saved(), *technique, **options))
    assert told in str(error.value)


def test_rows_that_are_too_long_are_left_out_and_none_is_an_error(train, saved, pairs):
    with pytest.raises(StageError, match="24 with more than 2 tokens"):
        train(pairs, dpo(saved(), max_length=2))
    done = train(pairs, dpo(saved(), max_length=6, epochs=0))
    assert 0 < done.notes["test rows left out, with more than 6 tokens"] < 8
    assert done.metrics["test"]["margin"] == 0
