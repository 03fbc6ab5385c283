from __future__ import annotations

import json
import shutil

import pytest

from ladle import Sample
from ladle.errors import OptionError, StageError
from ladle_supervised.tokens.classification import TokenClassification


def tag(folder, *options: str, name: str = "tagger") -> str:
    """A train stage on the model in a folder."""
    lines = ["[[train]]", 'use = "token-classification"', f'name = "{name}"', 'data = "rows"', 'device = "cpu"']
    lines += [f'model = {{ pretrained = "{folder}" }}'] if folder else []
    return "\n".join([*lines, "batch_size = 8", *options]) + "\n"


def words_of(rows, split="test"):
    return [{"tokens": row["tokens"]} for row in rows if row["split"] == split]


def test_a_tagger_learns_to_find_entities(saved, sentences, train):
    trained = train(sentences, tag(saved("bert"), "epochs = 8", "learning_rate = 1e-2"))
    assert trained.metrics["test"]["f1"] > 0.9
    assert trained.metrics["baseline"]["f1"] == 0 < 0.5 < trained.metrics["baseline"]["accuracy"]
    losses = [entry["loss"] for entry in trained.file("history.json") if "loss" in entry]
    assert losses[-1] < losses[0] / 3
    assert trained.state["labels"] == ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"]
    assert [line["class"] for line in trained.details["tables"]["per_class"]] == ["LOC", "PER"]
    assert trained.metrics["training"]["tokens_per_second"] > 0
    (of_text,) = trained.predict([{"tokens": "the  film is new plot"}])
    (of_words,) = trained.predict([{"tokens": ["the", "film", "is", "new", "plot"]}])
    assert of_text["entities"][0] | {"probability": 0} == {
        "text": "new plot",
        "type": "PER",
        "start": 13,
        "end": 21,
        "probability": 0,
    }
    assert of_words["entities"] == [of_text["entities"][0] | {"start": 3, "end": 5}]
    assert 0.3 < of_text["entities"][0]["probability"] < 1


@pytest.mark.parametrize("kind", ["bert", "distilbert", "llama"])
def test_the_saved_model_says_in_transformers_what_it_says_here(kind, saved, sentences, train):
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    rows = [row | {"tags": [t.replace("-", "") for t in row["tags"]]} for row in sentences]  # each word is told
    trained = train(rows, tag(saved(kind), "epochs = 1", "learning_rate = 1e-3"))
    assert not list(trained.model.glob("*.bin"))
    model = AutoModelForTokenClassification.from_pretrained(trained.model, use_safetensors=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(trained.model)
    given = words_of(rows)[:5]
    for row, answer in zip(given, trained.predict(given), strict=True):
        tokens = tokenizer(row["tokens"], is_split_into_words=True, return_tensors="pt")
        with torch.inference_mode():
            logits = model(input_ids=tokens["input_ids"]).logits[0]
        first = [tokens.word_ids().index(word) for word in range(len(row["tokens"]))]
        shares, numbers = logits.softmax(-1)[first].max(-1)
        assert [word["text"] for word in answer["words"]] == row["tokens"]
        assert [word["tag"] for word in answer["words"]] == [model.config.id2label[n] for n in numbers.tolist()]
        assert [word["probability"] for word in answer["words"]] == pytest.approx(shares.tolist(), abs=2e-4)


def test_metrics_of_a_split_are_those_of_the_predictions(saved, sentences, train):
    """On texts that are cut as well: what is not read has no entity."""
    long = {"tokens": ["film"] * 9 + ["new", "plot"], "tags": ["O"] * 9 + ["B-PER", "I-PER"], "split": "test"}
    options = ["epochs = 4", "learning_rate = 1e-2", "max_length = 10"]
    trained = train([*sentences, long], tag(saved("bert"), *options))
    assert trained.notes["test texts cut after 10 tokens"] >= 1
    hits = said = there = 0
    test = [row for row in [*sentences, long] if row["split"] == "test"]
    for row, answer in zip(test, trained.predict([{"tokens": row["tokens"]} for row in test]), strict=True):
        starts = [n for n, t in enumerate(row["tags"]) if t[0] == "B"]
        wanted = {(n, n + 1 + [*row["tags"][n + 1 :], "O"][0].startswith("I"), row["tags"][n][2:]) for n in starts}
        found = {(entity["start"], entity["end"], entity["type"]) for entity in answer["entities"]}
        hits, said, there = hits + len(wanted & found), said + len(found), there + len(wanted)
    assert hits > 3
    assert trained.metrics["test"]["recall"] == pytest.approx(hits / there)
    assert trained.metrics["test"]["precision"] == pytest.approx(hits / said)


def test_mistakes_show_their_words(saved, sentences, train):
    trained = train(sentences, tag(saved("bert"), "epochs = 0"))
    texts = {" ".join(row["tokens"]) for row in sentences if row["split"] == "test"}
    mistakes = trained.details["mistakes"]
    assert {mistake["row"]["tokens"] for mistake in mistakes} <= texts
    assert all(mistake["truth"] != mistake["predicted"] for mistake in mistakes)
    sure = [mistake["probability"] for mistake in mistakes]
    assert sure == sorted(sure, reverse=True)


def test_parts_of_speech_are_measured_as_words(saved, train):
    kinds = {"the": "DET", "a": "DET", "film": "NOUN", "plot": "NOUN", "is": "VERB"}
    texts = ["the film is", "a plot is", "the plot", "a film is the plot"] * 5
    rows = [
        {"text": text, "pos": [kinds[word] for word in text.split()], "split": "test" if n % 4 == 3 else "train"}
        for n, text in enumerate(texts)
    ]
    options = ['column = "text"', 'target = "pos"', "epochs = 15", "learning_rate = 1e-2", 'class_weights = "balanced"']
    trained = train(rows, tag(saved("bert"), *options))
    assert trained.metrics["test"]["macro_f1"] == trained.metrics["test"]["accuracy"] == 1
    assert set(trained.metrics["baseline"]) == {"accuracy", "macro_f1"}
    (answer,) = trained.predict([{"text": "the plot"}])
    assert [(word["text"], word["tag"]) for word in answer["words"]] == [("the", "DET"), ("plot", "NOUN")]


def test_rows_without_one_known_tag_for_each_word_are_left_out_and_told(saved, sentences, train):
    sentences[0]["tags"] = None
    sentences[1]["tags"] = sentences[1]["tags"][:-1]
    test = [number for number, row in enumerate(sentences) if row["split"] == "test"]
    sentences[test[0]]["tags"] = ["B-ORG"] * len(sentences[test[0]]["tokens"])
    sentences[test[1]]["tokens"].append("day")
    trained = train(sentences, tag(saved("bert"), "epochs = 0"))
    assert trained.notes == {
        "train rows left out, without `tags`": 1,
        "train rows left out, with a `tags` that is not one known tag for each word": 1,
        "test rows left out, with a `tags` that is not one known tag for each word": 2,
    }
    assert trained.metrics["test"]["rows"] == len(test) - 2


def test_words_without_a_tag_are_neither_learnt_nor_measured(saved, train):
    rows = [
        {"tokens": ["good", "film"], "tags": ["A", None], "split": "train"},
        {"tokens": ["bad", "plot"], "tags": ["B", "B"], "split": "train"},
        {"tokens": ["good", "day", "end"], "tags": ["A", None, None], "split": "test"},
    ]
    trained = train(rows, tag(saved("bert"), "epochs = 2"))
    assert trained.state["labels"] == ["A", "B"]
    assert sum(line["words"] for line in trained.details["tables"]["per_class"]) == 1
    assert trained.metrics["test"]["accuracy"] in (0, 1)


def test_tags_may_be_numbers_and_rows_may_be_empty(saved, train):
    rows = [
        {"tokens": ["good", "film"], "tags": [10, 9], "split": "train"},
        {"tokens": [], "tags": [], "split": "train"},
        {"tokens": ["", "bad"], "tags": [9, 9], "split": "train"},
        {"tokens": ["bad"], "tags": [9], "split": "test"},
    ]
    trained = train(rows, tag(saved("llama"), "epochs = 1"))
    assert trained.state["labels"] == ["9", "10"]
    assert trained.notes == {}
    assert all(weights.isfinite().all() for weights in trained.weights().values())
    empty, one = trained.predict([{"tokens": []}, {"tokens": ["", "bad"]}])
    assert empty == {"words": []}
    assert [word["text"] for word in one["words"]] == ["bad"]


@pytest.mark.parametrize(
    ("row", "option", "message"),
    [
        (
            {"tokens": ["a"], "tags": [{"start": 0, "end": 1, "label": "PER"}]},
            'target = "tags"',
            "column `tags` holds list<.*>, expected a list of tags",
        ),
        ({"tokens": [1, 2], "tags": ["A", "B"]}, 'column = "tokens"', "column `tokens` holds list<.*int64>, expected"),
        (
            {"tokens": ["a"], "tags": ["A"]},
            'target = "tags"',
            "column `tags` has only the class `A` in the train split",
        ),
    ],
)
def test_other_lists_are_refused(row, option, message, saved, train):
    with pytest.raises(StageError, match=message) as raised:
        train([row | {"split": "train"}], tag(saved("bert"), option))
    assert raised.value.problems[0].span.text == option


def test_a_model_for_the_same_tags_keeps_its_head_and_another_gets_a_new_one(saved, sentences, train):
    import torch
    from safetensors.torch import load_file

    first = tag(saved("bert"), "epochs = 1", "learning_rate = 1e-2")
    same = tag(None, 'model = { stage = "tagger" }', "epochs = 0", name="same")
    rows = [row | {"parts": [t[:1] for t in row["tags"]]} for row in sentences]
    other = tag(None, 'model = { stage = "tagger" }', "epochs = 0", 'target = "parts"', name="other")
    trained = train(rows, first + same + other)
    metrics = trained.run.outcome["metrics"]
    assert metrics["same"]["test"] == metrics["tagger"]["test"]
    before, after = load_file(trained.run.model("tagger") / "model.safetensors"), trained.weights()
    assert {name for name in before if not torch.equal(before[name], after[name])} == {
        "classifier.weight",
        "classifier.bias",
    }


@pytest.mark.parametrize("head", ["own", "mean"])
def test_a_text_classifier_can_be_gone_on_from(head, saved, sentences, train):
    import torch
    from safetensors.torch import load_file

    rows = [row | {"text": " ".join(row["tokens"]), "label": "np"["new" in row["tokens"]]} for row in sentences]
    first = '[[train]]\nuse = "text-classification"\nname = "first"\ndata = "rows"\ndevice = "cpu"\nepochs = 1\n'
    first += f'head = "{head}"\nmodel = {{ pretrained = "{saved("bert")}" }}\n'
    trained = train(rows, first + tag(None, 'model = { stage = "first" }', "epochs = 0"))
    before, after = load_file(trained.run.model("first") / "model.safetensors"), trained.weights()
    prefix = "encoder" if head == "mean" else "bert"
    body = [name for name in after if name.startswith("bert.")]
    assert len(body) > 30
    assert all(torch.equal(after[name], before[name.replace("bert", prefix, 1)]) for name in body)


def test_an_architecture_that_transformers_has_no_tagger_of_is_refused(saved, sentences, train, tmp_path):
    from transformers import OPTConfig, OPTModel

    shutil.copytree(saved("llama"), tmp_path / "opt")
    size = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "ffn_dim": 32,
        "word_embed_proj_dim": 32,
    }
    OPTModel(OPTConfig(vocab_size=20, **size)).save_pretrained(tmp_path / "opt")
    with pytest.raises(StageError, match="transformers has no opt model for token classification") as raised:
        train(sentences, tag(tmp_path / "opt"))
    assert raised.value.problems[0].span.text.startswith("model = {")


def trainer(saved, **options) -> TokenClassification:
    return TokenClassification.model_validate({"data": "rows", "model": {"pretrained": str(saved("bert"))}} | options)


def test_only_the_first_token_of_a_word_has_a_label(saved):
    class Setting:
        state = {"labels": ["A", "B"]}

    one = {"input_ids": [2, 9, 9, 8, 3], "length": 5, "words": [1, 3, -1], "label": [1, 0, 1]}
    two = {"input_ids": [2, 3], "length": 2, "words": [], "label": []}
    batch = trainer(saved, class_weights={"B": 3.0}).within(Setting()).label_batch([one, two])
    assert batch["labels"].tolist() == [[-100, 1, -100, 0, -100], [-100] * 5]
    assert batch["words"].tolist() == [[1, 3, -1], [-1, -1, -1]]
    assert {name: float(count) for name, count in batch["counts"].items()} == {"rows": 2, "labels": 2, "weights": 4}


def test_a_technique_that_moves_tokens_is_refused(saved):
    row = {"input_ids": [2, 3], "length": 5, "words": [1, 3], "label": [1, 0]}
    with pytest.raises(OptionError, match="a technique made 2 tokens of 5"):
        trainer(saved).label_batch([row])


def doubts(saved, rows) -> list[tuple[str | None, str]]:
    return [(doubt.option, str(doubt)) for doubt in trainer(saved).doubts(Sample(rows))]


def test_doubts_about_the_first_rows(saved):
    row = {"tokens": ["good", "film"], "tags": ["A", "B"]}
    assert doubts(saved, [row] * 30) == []
    uneven = "`tags` has not one tag for each word of `tokens` in 1 of the first 30 rows"
    assert doubts(saved, [row] * 29 + [row | {"tags": ["A"]}]) == [("target", uneven)]
    long = {"tokens": ["film"] * 30, "tags": ["A"] * 29 + ["B"]}
    (option, message), *none = doubts(saved, [long] * 30)
    assert (option, none) == ("max_length", [])
    assert message.startswith("about 100% of the texts are longer than 24 tokens")
    assert doubts(saved, [{"tokens": 3, "tags": None}, {}]) == []


def test_labels_are_in_the_configuration(saved, sentences, train):
    trained = train(sentences, tag(saved("bert"), "epochs = 0"))
    config = json.loads((trained.model / "config.json").read_text())
    assert list(config["id2label"].values()) == trained.state["labels"]
    assert config["architectures"] == ["BertForTokenClassification"]
