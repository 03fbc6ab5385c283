from __future__ import annotations

import json
import shutil

import pytest

from ladle.errors import StageError


def classify(folder, *options: str, name: str = "sentiment") -> str:
    """A train stage on the model in a folder."""
    lines = [
        "[[train]]",
        'use = "text-classification"',
        f'name = "{name}"',
        'data = "rows"',
        f'model = {{ pretrained = "{folder}" }}' if folder else "",
        'device = "cpu"',
        "batch_size = 8",
        *options,
    ]
    return "\n".join(lines) + "\n"


def texts_of(rows, split="test"):
    return [{"text": row["text"]} for row in rows if row["split"] == split]


def probabilities_of(model, folder, texts):
    """What a model says of each text alone, by transformers' own means."""
    import torch
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        logits = [model(**_inputs(tokenizer(text, return_tensors="pt"))).logits[0] for text in texts]
    return [dict(zip(model.config.id2label.values(), one.softmax(-1).tolist(), strict=True)) for one in logits]


def _inputs(tokens):
    return {name: tokens[name] for name in ("input_ids", "attention_mask")}


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "llama"])
@pytest.mark.parametrize("head", ["own", "mean", "first"])
def test_the_saved_model_loads_back_and_says_what_ladle_predict_says(kind, head, saved, reviews, train):
    from transformers import AutoModelForSequenceClassification

    import ladle_supervised.pooled  # noqa: F401

    trained = train(reviews, classify(saved(kind), f'head = "{head}"', "epochs = 1", "learning_rate = 1e-3"))
    assert (trained.model / "model.safetensors").is_file()
    assert not list(trained.model.glob("*.bin"))
    model = AutoModelForSequenceClassification.from_pretrained(trained.model, use_safetensors=True).eval()
    assert list(model.config.id2label.values()) == ["negative", "positive"]
    rows = texts_of(reviews)[:6]
    expected = probabilities_of(model, trained.model, [row["text"] for row in rows])
    for answer, shares in zip(trained.predict(rows), expected, strict=True):
        assert answer["probabilities"] == {name: pytest.approx(share, abs=2e-4) for name, share in shares.items()}
        assert answer["label"] == max(shares, key=shares.get)


def test_a_classifier_learns_and_tells_how_fast(saved, reviews, train):
    trained = train(reviews, classify(saved("bert"), 'head = "mean"', "epochs = 8", "learning_rate = 3e-3"))
    assert trained.metrics["test"]["accuracy"] > 0.95 > trained.metrics["baseline"]["accuracy"]
    training = trained.metrics["training"]
    assert training["tokens_per_second"] > training["rows_per_second"] > 0
    assert training["steps"] == 8 * 6
    assert training["trainable_parameters"] == training["parameters"]


def test_metrics_of_a_split_are_those_of_the_predictions(saved, reviews, train):
    from sklearn.metrics import accuracy_score, f1_score

    trained = train(reviews, classify(saved("bert"), "epochs = 2", "learning_rate = 1e-3"))
    truth = [row["label"] for row in reviews if row["split"] == "validation"]
    said = [answer["label"] for answer in trained.predict(texts_of(reviews, "validation"))]
    assert trained.metrics["validation"]["accuracy"] == accuracy_score(truth, said)
    assert trained.metrics["validation"]["macro_f1"] == pytest.approx(f1_score(truth, said, average="macro"))


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "llama"])
@pytest.mark.parametrize("head", ["own", "mean", "first"])
def test_padding_plays_no_part_in_what_a_new_classifier_says(kind, head, saved):
    import torch

    from ladle_supervised.texts.start import classifier_from

    model = classifier_from(saved(kind), ["n", "p"], head, padding=0).eval()
    short, long = [2, 5, 6, 3], [2, 7, 8, 9, 10, 11, 12, 3]
    with torch.inference_mode():
        alone = model(input_ids=torch.tensor([short])).logits[0]
        padded = torch.tensor([short + [0] * 4, long])
        beside = model(input_ids=padded, attention_mask=(padded != 0).long()).logits[0]
    torch.testing.assert_close(alone, beside, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("files", "pooling"),
    [
        ({"1_Pooling/config.json": {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}}, "first"),
        ({"1_Pooling/config.json": {"pooling_mode_mean_tokens": True, "word_embedding_dimension": 32}}, "mean"),
        ({"1_Pooling/config.json": {"pooling_mode": "cls", "embedding_dimension": 32}}, "first"),
        ({}, None),
    ],
)
def test_auto_pools_as_a_sentence_encoder_says_of_itself(files, pooling, bert_with, reviews, train):
    trained = train(reviews, classify(bert_with(files=files), "epochs = 0"))
    config = json.loads((trained.model / "config.json").read_text())
    assert config.get("pooling") == pooling
    assert config["architectures"] == ["BertForSequenceClassification" if pooling is None else "PooledClassifier"]


def test_a_pooling_that_is_not_possible_is_refused(bert_with, reviews, train):
    folder = bert_with(files={"1_Pooling/config.json": {"pooling_mode_max_tokens": True}})
    with pytest.raises(StageError, match="was made to pool its tokens by max_tokens, which is not possible") as raised:
        train(reviews, classify(folder, 'head = "auto"'))
    assert raised.value.problems[0].span.text == 'head = "auto"'
    assert raised.value.problems[0].help == "write `mean`, `first` or `own`"


@pytest.mark.parametrize("files", [("tokenizer.json",), ("tokenizer.json", "tokenizer_config.json")])
def test_a_model_without_a_tokeniser_is_refused(files, bert_with, reviews, train):
    folder = bert_with(without=files)
    with pytest.raises(StageError, match="has no tokeniser that can be read") as raised:
        train(reviews, classify(folder))
    assert raised.value.problems[0].span.text.startswith("model = {")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"hidden_size": 64}, r"do not belong to its config.json: 0 are missing and \d+ have another shape"),
        ({"num_hidden_layers": 3}, r"16 are missing and 0 have another shape, such as encoder.layer.2"),
        ({"model_type": "nonsense"}, "cannot be loaded: The checkpoint you are trying to load has model type"),
    ],
)
def test_weights_that_do_not_fit_the_configuration_are_refused(config, message, bert_with, reviews, train):
    with pytest.raises(StageError, match=message) as raised:
        train(reviews, classify(bert_with(config), 'head = "mean"'))
    assert raised.value.problems[0].span.text.startswith("model = {")


def test_pickled_weights_are_refused(bert_with, reviews, train):
    folder = bert_with(without=["model.safetensors"])
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(StageError, match=r"cannot be loaded: .*no file named model.safetensors"):
        train(reviews, classify(folder))


def test_max_length_cuts_texts_and_tells_how_many(saved, train):
    long, exact = "good film " * 4, "the bad film is"  # of 10 and 6 tokens, with the two around them
    rows = [{"text": long, "label": "p", "split": "train"}, {"text": exact, "label": "n", "split": "train"}] * 3
    rows.append({"text": long, "label": "p", "split": "test"})
    trained = train(rows, classify(saved("bert"), "max_length = 6", "epochs = 1"))
    assert trained.notes == {"train texts cut after 6 tokens": 3, "test texts cut after 6 tokens": 1}
    cut, short = trained.predict([{"text": long}, {"text": "good film good film"}])
    assert cut["probabilities"] == short["probabilities"]


def test_what_the_model_cannot_read_is_cut(saved, train):
    rows = [{"text": "film " * n, "label": "np"[n % 2], "split": "train"} for n in (1, 2, 22, 23, 60)]
    assert train(rows, classify(saved("bert"), "epochs = 1")).notes == {"train texts cut after 24 tokens": 2}


@pytest.mark.parametrize(("kind", "most"), [("bert", 24), ("roberta", 23), ("distilbert", 24), ("llama", 24)])
def test_more_tokens_than_the_model_has_positions_for_are_refused(kind, most, saved, reviews, train):
    train(reviews, classify(saved(kind), f"max_length = {most}", "epochs = 0"))
    with pytest.raises(StageError, match=f"reads at most {most} tokens of a text, not {most + 1}") as raised:
        train(reviews, classify(saved(kind), f"max_length = {most + 1}"))
    assert raised.value.problems[0].span.text == f"max_length = {most + 1}"


@pytest.mark.parametrize("kind", ["bert", "llama"])
@pytest.mark.parametrize("head", ["own", "mean"])
def test_empty_and_missing_texts_can_be_read(kind, head, saved, train):
    texts = ["good", "", None, "bad film", "", ""]
    rows = [{"text": text, "label": "np"[n % 2], "split": "train"} for n, text in enumerate(texts)]
    trained = train(rows, classify(saved(kind), f'head = "{head}"', "epochs = 2", "max_length = 20"))
    assert trained.notes == {"train rows without `text`, read as an empty text": 1}
    assert all(weights.isfinite().all() for weights in trained.weights().values())
    assert trained.predict([{"text": ""}])[0]["label"] in ("n", "p")


def test_no_epoch_measures_the_model_as_it_stands(saved, reviews, train):
    import torch
    from safetensors.torch import load_file

    trained = train(reviews, classify(saved("bert"), "epochs = 0"))
    before = load_file(saved("bert") / "model.safetensors")
    after = trained.weights()
    assert all(torch.equal(weights, after[f"bert.{name}"]) for name, weights in before.items())
    assert "steps" not in trained.metrics["training"]
    assert trained.metrics["test"]["rows"] == 20


def test_going_on_from_a_stage_keeps_the_head_for_the_same_labels(saved, reviews, train):
    first = classify(saved("bert"), 'head = "mean"', "epochs = 2", "learning_rate = 1e-3")
    again = classify(None, 'model = { stage = "sentiment" }', "epochs = 0", name="again")
    metrics = train(reviews, first + again).run.outcome["metrics"]
    assert metrics["again"]["test"] == metrics["sentiment"]["test"]


@pytest.mark.parametrize("head", ["own", "mean"])
def test_going_on_from_a_stage_with_other_labels_renews_the_head(head, saved, reviews, train):
    import torch
    from safetensors.torch import load_file

    for row in reviews:
        row["topic"] = "day" if "day" in row["text"] else "film"
    first = classify(saved("bert"), f'head = "{head}"', "epochs = 1", "learning_rate = 1e-2")
    again = classify(
        None, 'model = { stage = "sentiment" }', f'head = "{head}"', "epochs = 0", 'target = "topic"', name="again"
    )
    trained = train(reviews, first + again)
    before, after = load_file(trained.run.model("sentiment") / "model.safetensors"), trained.weights()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"classifier.weight", "classifier.bias"}
    assert trained.state["labels"] == ["day", "film"]


def test_a_pre_trained_head_keeps_its_own_order_of_labels(saved, reviews, train, tmp_path):
    """A classifier whose second class comes first in the alphabet is measured right as it stands."""
    from transformers import AutoModelForSequenceClassification

    names = {"id2label": {0: "positive", 1: "negative"}, "label2id": {"positive": 0, "negative": 1}}
    model = AutoModelForSequenceClassification.from_pretrained(saved("bert"), **names).eval()
    shutil.copytree(saved("bert"), tmp_path / "head")
    model.save_pretrained(tmp_path / "head")
    trained = train(reviews, classify(tmp_path / "head", "epochs = 0"))
    assert trained.state["labels"] == ["positive", "negative"]
    rows = texts_of(reviews)[:6]
    expected = probabilities_of(model, saved("bert"), [row["text"] for row in rows])
    for answer, shares in zip(trained.predict(rows), expected, strict=True):
        assert answer["probabilities"] == {name: pytest.approx(share, abs=2e-4) for name, share in shares.items()}


def test_another_kind_of_head_than_the_model_has_is_a_new_one(saved, reviews, train):
    first = classify(saved("bert"), 'head = "mean"', "epochs = 1")
    again = classify(None, 'model = { stage = "sentiment" }', 'head = "first"', "epochs = 0", name="again")
    trained = train(reviews, first + again)
    assert json.loads((trained.model / "config.json").read_text())["pooling"] == "first"


def test_an_encoder_with_a_decoder_cannot_be_pooled(saved, reviews, train, tmp_path):
    from transformers import T5Config, T5Model

    shutil.copytree(saved("bert"), tmp_path / "t5")
    (tmp_path / "t5" / "model.safetensors").unlink()
    config = T5Config(vocab_size=20, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    T5Model(config).save_pretrained(tmp_path / "t5")
    with pytest.raises(StageError, match="T5Model is an encoder with a decoder: its states cannot be pooled"):
        train(reviews, classify(tmp_path / "t5", 'head = "mean"'))


def test_early_stopping_keeps_the_best_epoch(saved, reviews, train):
    for row in reviews:
        if row["split"] == "validation":  # the better the classes are learnt, the worse it gets here
            row["label"] = "negative" if row["label"] == "positive" else "positive"
    options = ["epochs = 9", "learning_rate = 3e-3", "early_stopping = 2", 'head = "mean"']
    trained = train(reviews, classify(saved("bert"), *options))
    losses = [entry["eval_loss"] for entry in trained.file("history.json") if "eval_loss" in entry]
    best = losses.index(min(losses))
    assert len(losses) == best + 3 < 9
    assert trained.metrics["validation"]["loss"] == pytest.approx(min(losses), rel=1e-6)


def test_the_best_epoch_can_be_chosen_by_a_metric(saved, reviews, train):
    options = ['choose_by = "macro_f1"', "epochs = 4", "learning_rate = 1e-3", 'head = "mean"']
    trained = train(reviews, classify(saved("bert"), *options))
    scores = [entry["eval_macro_f1"] for entry in trained.file("history.json") if "eval_macro_f1" in entry]
    assert len(scores) == 4
    assert trained.metrics["validation"]["macro_f1"] == pytest.approx(max(scores))


def test_an_unknown_metric_to_choose_by_is_told(saved, reviews, train):
    with pytest.raises(StageError, match="`choose_by`: no metric `acuracy`") as raised:
        train(reviews, classify(saved("bert"), 'choose_by = "acuracy"', "epochs = 1"))
    assert raised.value.problems[0].help == "did you mean `accuracy`?"


def test_the_same_seed_makes_the_same_model(saved, reviews, train):
    import torch

    stages = classify(saved("bert"), 'head = "mean"', "epochs = 1", "learning_rate = 1e-3")
    first, second, other = (train(reviews, stages, seed, runs=f"r{n}").weights() for n, seed in enumerate((1, 1, 2)))
    assert all(torch.equal(weights, second[name]) for name, weights in first.items())
    assert not torch.equal(first["classifier.weight"], other["classifier.weight"])


@pytest.mark.parametrize("kind", ["bert", "distilbert", "llama"])
def test_the_head_can_have_a_learning_rate_of_its_own(kind, saved, reviews, train):
    """A rate of next to nothing for the rest leaves all but the head where it was."""
    import torch

    base, head = "learning_rate = 1e-12", "head_learning_rate = 1e-2"
    start = train(reviews, classify(saved(kind), "epochs = 0")).weights()
    trained = train(reviews, classify(saved(kind), base, head, "epochs = 1", "weight_decay = 0.0")).weights()
    moved = {name for name in start if not torch.allclose(start[name], trained[name], atol=1e-6)}
    heads = {
        "bert": {"classifier.weight", "classifier.bias"},
        "distilbert": {f"{part}.{name}" for part in ("classifier", "pre_classifier") for name in ("weight", "bias")},
        "llama": {"score.weight"},
    }
    assert moved == heads[kind]


def test_tokens_are_worked_out_once(saved, reviews, train):
    first = train(reviews, classify(saved("bert"), "epochs = 1"))
    outcomes = set(first.runs.store.root.glob("stages/*/*"))
    second = train(reviews, classify(saved("bert"), "epochs = 1", "learning_rate = 1e-3"))
    assert len(set(second.runs.store.root.glob("stages/*/*")) - outcomes) == 1  # the model
