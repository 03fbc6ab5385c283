"""Learning to score answers, and rewards that a model gives."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from ladle import OptionError
from ladle.errors import RecipeError

from .conftest import CHAT, WORDS, make_tokenizer, split_of


def stage(model, *more, **options):
    usual = {"batch_size": 8, "learning_rate": 5e-3} | options
    said = "\n".join(f"{name} = {value}" for name, value in usual.items())
    start = f'[[train]]\nuse = "reward-model"\ndata = "rows"\nmodel = {{ pretrained = "{model}" }}\n{said}\n'
    return start + "".join(f'[[train.technique]]\nuse = "{technique}"\n' for technique in more)


@pytest.fixture
def pairs():
    """40 pairs of answers of unequal length, of which the red one is the better."""
    return [
        {
            "prompt": f"{'what is ' * (number % 4)}say ",
            "chosen": f"{'what ' * (number % 3)}red",
            "rejected": f"blue {'is ' * (number % 2)}",
            "split": split_of(number),
        }
        for number in range(40)
    ]


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_the_better_answer_gets_the_higher_score(train, saved, pairs, kind):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    done = train(pairs, stage(saved(kind), epochs=4 if kind == "llama" else 12))
    test = done.metrics["test"]
    assert test["accuracy"] == 1
    assert test["margin"] > 1
    assert test["loss"] < 0.4 < done.metrics["baseline"]["loss"] == pytest.approx(math.log(2))
    assert done.curve("accuracy")[-1] == 1
    assert done.curve("margin")[0] < 0.1 < 1 < done.curve("margin")[-1]
    assert done.metrics["intervals"]["test"]["accuracy"][0] > 0.6
    assert "score.weight" in str(done.notes) or "classifier.weight" in str(done.notes)

    texts = ["say red", "say blue"]
    said = done.predict([{"prompt": "say ", "chosen": text[4:]} for text in texts])
    assert said[0]["score"] > said[1]["score"] + 1
    model, tokenizer = (
        kind.from_pretrained(done.model) for kind in (AutoModelForSequenceClassification, AutoTokenizer)
    )
    batch = tokenizer(texts, return_tensors="pt", return_token_type_ids=False)
    assert model(**batch).logits.squeeze(1).tolist() == pytest.approx([each["score"] for each in said], abs=1e-5)
    assert model.config.num_labels == 1


def test_the_loss_is_the_formula_however_a_step_is_cut(train, saved, pairs, recorded):
    rows = [row | {"split": "train"} for row in pairs[:7]]
    found = []
    for size, accumulate in ((7, 1), (4, 2), (1, 7)):
        recorded.forget()
        train(rows, stage(saved("gpt2"), "recording", batch_size=size, accumulate=accumulate), runs=f"cut-{size}")
        found.append(recorded.gradients[0])
        recorded.model.eval()
        for batch, terms in zip(recorded.batches, recorded.terms, strict=True):
            with torch.no_grad():  # the rate of the first step is 0
                said = recorded.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
            better, worse = said.squeeze(1).chunk(2)
            by_hand = -F.logsigmoid(better - worse).sum()
            assert terms["preference"].item() == pytest.approx(by_hand.item(), rel=1e-4)
    for gradients in found[1:]:
        for name, gradient in found[0].items():
            assert torch.allclose(gradient, gradients[name], atol=1e-5), name
    assert max(gradient.abs().max() for gradient in found[0].values()) > 1e-3


def test_scores_are_learnt_on_their_own_scale(train, saved, questions):
    worth = {"red": 1010.0, "blue": 1000.0, "green": 990.0}
    rows = [row | {"score": worth[row["answer"]]} for row in questions]
    rows[0]["score"] = None
    done = train(rows, stage(saved(), score='"score"', epochs=6))
    test, baseline = done.metrics["test"], done.metrics["baseline"]
    assert test["rmse"] == pytest.approx(test["loss"] ** 0.5)
    assert test["rmse"] < 5 < 7 < baseline["rmse"] < 10
    low, high = done.metrics["intervals"]["test"]["rmse"]
    assert low < test["rmse"] < high
    assert done.notes["train rows left out, without a finite `score`"] == 1
    [said] = done.predict([{"prompt": rows[1]["prompt"], "answer": rows[1]["answer"]}])
    assert said["score"] == pytest.approx(rows[1]["score"], abs=8)


def test_conversations_and_techniques(train, saved, pairs, recorded):
    done = train(pairs, stage(saved("llama", CHAT), "recording", "moving", system_text='"good"'))
    text = recorded.tokenizer.decode(recorded.batches[0]["input_ids"][0]).replace(" <pad>", "")
    assert text.startswith("system : good . user : ")
    assert text.endswith("red </s>")
    assert len(recorded.batches) == 6
    assert not recorded.model.get_input_embeddings()._forward_hooks
    assert list(done.tables["pairs that it is least right about"][0]) == ["prompt", "chosen", "rejected", "margin"]


def test_answers_without_a_prompt(train, saved, pairs):
    done = train(pairs, stage(saved(), prompt='""', epochs=0))
    assert done.metrics["test"]["rows"] == 8
    assert list(done.tables["pairs that it is least right about"][0]) == ["chosen", "rejected", "margin"]


@pytest.mark.parametrize(
    ("options", "technique", "told"),
    [
        ({"score": '"worth"', "answer": '"chosen"'}, (), "no column `worth` at this point"),
        ({}, ("by-item",), "`by-item` needs items, which `reward-model` does not offer"),
    ],
)
def test_what_cannot_work_is_told_when_a_recipe_is_checked(read, saved, pairs, options, technique, told):
    with pytest.raises(RecipeError) as error:
        read(pairs, stage(saved(), *technique, **options))
    assert told in str(error.value)


def test_a_reward_model_is_a_reward_of_grpo(train, saved, pairs, recorded):
    rows = [row | {"answer": "red"} for row in pairs]
    done = train(
        rows,
        stage(saved("llama", CHAT), epochs=4)
        + f"""
[[train]]
use = "grpo"
data = "rows"
model = {{ pretrained = "{saved("llama", CHAT)}" }}
group = 4
max_new_tokens = 4
learning_rate = 1e-2
epochs = 6
[[train.reward]]
use = "classifier"
model = {{ stage = "reward-model" }}
""",
    )
    rewards = done.curve("rewards/classifier/mean")
    assert sum(rewards[-3:]) > sum(rewards[:3]) + 1
    assert done.metrics["test"]["reward/classifier"] > done.metrics["baseline"]["reward/classifier"]
    scored = done.tables["answers"][0]
    from ladle.prediction import Predictor

    [said] = Predictor(done.run, "reward-model")([{"prompt": scored["prompt"], "chosen": scored["answer"]}])
    assert said["score"] == pytest.approx(scored["reward"], abs=1e-4)
    assert done.predict([{"prompt": "say"}])[0]["answer"]


@pytest.fixture(scope="module")
def of_colours(tmp_path_factory):
    """A classifier in Hugging Face layout that tells red from blue."""
    import transformers

    folder = tmp_path_factory.mktemp("colours")
    torch.manual_seed(1)
    wide = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.BertConfig(
        vocab_size=len(WORDS), max_position_embeddings=8, pad_token_id=0, id2label={0: "blue", 1: "red"}, **wide
    )
    model = transformers.BertForSequenceClassification(config)
    model.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder, model.eval()


def classifier(folder, **options):
    from ladle_reinforcement.classifier import Classifier

    return Classifier.model_validate({"model": {"pretrained": str(folder)}} | options)


def test_the_probability_of_a_class_is_a_reward(of_colours):
    folder, model = of_colours
    answers = ["red", "say blue blue", "", "what " * 20 + "red"]
    scores = classifier(folder, label="red", batch_size=3).score(["say"] * 4, answers, [{}] * 4)
    tokenizer = make_tokenizer()
    for answer, score in zip(answers, scores, strict=True):
        ids = tokenizer(answer).input_ids[-8:] or [0]
        wanted = model(input_ids=torch.tensor([ids])).logits.softmax(-1)[0, 1].item()
        assert score == pytest.approx(wanted, abs=1e-5)
    [whole] = classifier(folder, label="red", sees="conversation").score(["say "], ["red"], [{}])
    ids = tokenizer("say red").input_ids
    assert whole == pytest.approx(model(input_ids=torch.tensor([ids])).logits.softmax(-1)[0, 1].item(), abs=1e-5)


@pytest.mark.parametrize(
    ("label", "told"),
    [
        (None, "this model tells classes apart: the probability of which of them is the reward?"),
        ("green", "the model knows no class `green`"),
    ],
)
def test_a_class_has_to_be_known(of_colours, label, told):
    with pytest.raises(OptionError, match=told) as error:
        classifier(of_colours[0], label=label).score(["say"], ["red"], [{}])
    assert error.value.path == ("label",)


def test_a_model_without_a_head_cannot_judge(saved):
    with pytest.raises(OptionError, match=r"cannot judge texts: it has no weights for score\.weight") as error:
        classifier(saved()).score(["say"], ["red"], [{}])
    assert error.value.path == ("model",)


def test_the_classifier_of_another_stage_is_a_reward(train, saved, questions):
    rows = [row | {"label": "warm" if row["answer"] == "red" else "cold"} for row in questions]
    done = train(
        rows,
        f"""
[[train]]
use = "text-classification"
data = "rows"
column = "answer"
target = "label"
model = {{ pretrained = "{saved("bert")}" }}
learning_rate = 5e-3
epochs = 3
[[train]]
use = "grpo"
data = "rows"
model = {{ pretrained = "{saved()}" }}
max_new_tokens = 3
epochs = 0
[[train.reward]]
use = "classifier"
model = {{ stage = "text-classification" }}
label = "warm"
name = "warmth"
""",
    )
    from ladle.prediction import Predictor

    shown = done.tables["answers"]
    said = Predictor(done.run, "text-classification")([{"answer": row["answer"]} for row in shown])
    for row, answer in zip(shown, said, strict=True):
        assert row["reward/warmth"] == pytest.approx(answer["probabilities"]["warm"], abs=1e-3)
