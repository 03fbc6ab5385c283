from __future__ import annotations

import math

import pyarrow as pa
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from ladle.errors import RecipeError, StageError

USE = "masked-language-model"


def held_out_rows(trained) -> list[dict]:
    """The rows of the test split, which is the largest that is held out, as they are kept in the store."""
    found = []
    for path in trained.runs.store.root.rglob("rows.arrow"):
        with pa.OSFile(str(path)) as file:
            found.append(pa.ipc.open_stream(file).read_all().to_pylist())
    return max((rows for rows in found if "labels" in rows[0]), key=len)


def whole(ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Tokens with the hidden ones back in their places."""
    return labels.where(labels != -100, ids)


def rows_in(batches: list[dict]) -> list[tuple[list[int], list[int]]]:
    """The rows of batches, whole, and their labels."""
    found = []
    for batch in batches:
        ids = whole(batch["input_ids"], batch["labels"])
        for number in range(int(batch["segments"].max()) + 1):
            own = batch["segments"] == number
            found.append((ids[own].tolist(), batch["labels"][own].tolist()))
    return found


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "modernbert"])
def test_metrics_are_those_of_the_saved_model_run_by_transformers_with_its_whole_head(
    kind, saved, documents, train, stage, technique, seen
):
    trained = train(documents, stage(USE, saved(kind), technique("look"), epochs=1))
    assert ("none:" in trained.notes["packing"]) == (kind == "modernbert")
    model = AutoModelForMaskedLM.from_pretrained(trained.model, use_safetensors=True).eval()
    rows = held_out_rows(trained)
    nats, hits = [], []
    with torch.inference_mode():
        for row in rows:
            labels = torch.tensor(row["labels"])
            logits = model(torch.tensor([row["input_ids"]])).logits[0][labels != -100]
            nats.append(torch.nn.functional.cross_entropy(logits, labels[labels != -100], reduction="none"))
            hits.append(logits.argmax(-1) == labels[labels != -100])
    measured = trained.metrics["test"]
    assert measured["loss"] == pytest.approx(torch.cat(nats).mean().item(), abs=1e-5)
    assert measured["perplexity"] == pytest.approx(math.exp(measured["loss"]), rel=1e-6)
    assert measured["accuracy"] == pytest.approx(torch.cat(hits).float().mean().item())
    assert measured["rows"] == len(rows) == 16
    assert "bits_per_byte" not in measured
    for one in (model, seen["models"][0]):
        assert one.get_output_embeddings().weight is one.get_input_embeddings().weight
    assert trained.metrics["training"]["trainable_parameters"] == sum(p.numel() for p in model.parameters())


def test_a_model_learns_which_words_are_missing(saved, documents, train, stage):
    options = {"epochs": 25, "learning_rate": 1e-2, "batch_size": 2, "share": 0.3, "choose_by": "accuracy"}
    trained = train(documents, stage(USE, saved("bert"), **options))
    metrics = trained.metrics
    assert metrics["test"]["perplexity"] < 0.5 * metrics["baseline"]["perplexity"]
    assert metrics["test"]["accuracy"] > 0.45 > 0.3 > metrics["baseline"]["accuracy"]
    [said] = trained.predict(["the cat sees the old [MASK] ."])
    assert next(iter(said["hidden"][0])) in ("house", "gar")


@pytest.mark.parametrize("packing", ["auto", "off"])
def test_the_gradient_is_that_of_each_row_alone_however_rows_are_cut_packed_and_padded(
    packing, saved, documents, train, stage, technique, seen
):
    words = (3, 9, 1, 7, 5, 2, 8, 4)
    texts = [" ".join(row["text"].split()[:count]) for row, count in zip(documents, words, strict=False)]
    rows = [{"text": text, "split": "train"} for text in texts]
    start = saved("bert", head=True)
    for count, accumulate in ((8, 1), (4, 2), (1, 8)):
        techniques = technique("in-order", rows=count) + technique("look")
        options = {"accumulate": accumulate, "packing": packing, "clip": 0.0, "epochs": 1}
        hidden = {"share": 1.0, "kept": 0.0, "changed": 0.0}  # nothing is left to chance
        train(rows, stage(USE, start, techniques, **options, **hidden), runs=f"runs-{count}")
    assert (len(seen["batches"][0]["input_ids"]) < 8) == (packing == "auto")
    alone = AutoModelForMaskedLM.from_pretrained(start, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(start)
    ids = [tokenizer(text)["input_ids"] for text in texts]
    logits = torch.cat([alone(torch.tensor([[2] + [4] * (len(row) - 2) + [3]])).logits[0, 1:-1] for row in ids])
    wanted = torch.tensor([token for row in ids for token in row[1:-1]])
    torch.nn.functional.cross_entropy(logits, wanted).backward()
    assert len(seen["gradients"]) == 3
    for gradients in seen["gradients"]:
        for name, parameter in alone.named_parameters():
            torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-4, atol=1e-7, msg=name)
    assert seen["terms"][0]["cross-entropy"].values.shape == (len(wanted),)
    assert seen["terms"][0]["cross-entropy"].per == "labels"


def test_tokens_are_hidden_anew_in_each_epoch_and_always_the_same_with_a_seed(
    saved, documents, train, stage, technique, seen
):
    rows = [row | {"split": "train"} for row in documents[:6]]
    given = stage(USE, saved("distilbert"), technique("in-order", rows=6) + technique("look"), epochs=3)
    train(rows, given)
    train(rows, given, runs="again")
    train(rows, given, seed=8, runs="other")
    hidden = [batch["labels"].flatten().tolist() for batch in seen["batches"]]
    assert hidden[:3] == hidden[3:6]
    assert len({tuple(labels) for labels in [*hidden[:3], *hidden[6:]]}) == 6


@pytest.mark.parametrize("packing", ["auto", "off"])
def test_hidden_tokens_are_those_of_the_rows(packing, saved, documents, train, stage, technique, seen):
    train(documents, stage(USE, saved("bert"), technique("look"), epochs=1, packing=packing, share=0.5))
    tokenizer = AutoTokenizer.from_pretrained(saved("bert"))
    texts = [row["text"] for row in documents if row["split"] == "train"]
    found = rows_in(seen["batches"])
    assert sorted(row for row, _ in found) == sorted(tokenizer(text)["input_ids"] for text in texts)
    labels = torch.tensor([label for _, labels in found for label in labels])
    assert (labels != -100).float().mean() > 0.3
    assert not torch.isin(labels, torch.arange(5)).any()


def test_whole_words_are_hidden_together(saved, documents, train, stage, technique, seen):
    trained = train(documents, stage(USE, saved("bert"), technique("look"), epochs=1, whole_words=True, share=0.4))
    small = AutoTokenizer.from_pretrained(saved("bert"))("small", add_special_tokens=False)["input_ids"]
    assert len(small) == 2
    rows = rows_in(seen["batches"])
    for row in held_out_rows(trained):
        ids, labels = torch.tensor(row["input_ids"]), torch.tensor(row["labels"])
        rows.append((whole(ids, labels).tolist(), row["labels"]))
    found = [
        tuple(label != -100 for label in labels[at : at + 2])
        for row, labels in rows
        for at in range(len(row) - 1)
        if row[at : at + 2] == small
    ]
    assert set(found) == {(True, True), (False, False)}
    assert found.count((True, True)) > 5


def test_a_long_text_is_cut_into_pieces_of_which_none_is_lost(saved, documents, train, stage, technique, seen):
    long = {"text": " ".join(row["text"] for row in documents[:9]), "split": "train"}
    trained = train([long], stage(USE, saved("bert"), technique("look"), epochs=1, max_length=24))
    assert trained.notes["train documents longer than 24 tokens, in several rows"] == 1
    rows = [row for row, _ in rows_in(seen["batches"])]
    tokenizer = AutoTokenizer.from_pretrained(saved("bert"))
    ids = tokenizer(long["text"])["input_ids"][1:-1]
    assert sorted(rows) == sorted([2, *ids[at : at + 22], 3] for at in range(0, len(ids), 22))


def test_the_baseline_fills_in_tokens_by_their_share_of_the_train_split(saved, documents, train, stage):
    trained = train(documents, stage(USE, saved("bert"), epochs=0))
    tokenizer = AutoTokenizer.from_pretrained(saved("bert"))
    counts = torch.zeros(len(tokenizer))
    for row in documents:
        if row["split"] == "train":
            for token in tokenizer(row["text"])["input_ids"][1:-1]:
                counts[token] += 1
    kinds = (counts > 0).sum()
    shares = (counts + kinds / len(counts)) / (counts.sum() + kinds)
    wanted = [label for row in held_out_rows(trained) for label in row["labels"] if label != -100]
    baseline = trained.metrics["baseline"]
    assert baseline["loss"] == pytest.approx(-shares[wanted].log().mean().item(), rel=1e-4)
    assert baseline["accuracy"] == pytest.approx(wanted.count(int(counts.argmax())) / len(wanted))


def test_texts_of_which_nothing_can_be_hidden_are_left_out(saved, documents, train, stage):
    rows = [*documents, {"text": "", "split": "train"}, {"text": "[MASK]", "split": "test"}]
    notes = train(rows, stage(USE, saved("bert"), epochs=0)).notes
    assert {name: count for name, count in notes.items() if "nothing to predict" in name} == {
        f"{split} documents left out, with nothing to predict": 1 for split in ("train", "test")
    }


def test_a_training_that_was_stopped_goes_on_to_the_same_weights(saved, documents, train, stage, technique, tmp_path):
    def given(note):
        stop = technique("stopped", after=6, note=str(tmp_path / note))
        return stage(USE, saved("bert", dropout=0.2), stop, epochs=3, whole_words=True)

    with pytest.raises(KeyboardInterrupt):
        train(documents, given("stopped"))
    resumed = train(documents, given("stopped"))
    assert resumed.events("training-resumed")
    (tmp_path / "never").touch()
    whole = train(documents, given("never"), runs="others")
    assert all(torch.equal(weights, whole.weights()[name]) for name, weights in resumed.weights().items())


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_predictions_are_those_of_transformers(kind, saved, documents, train, stage):
    trained = train(documents, stage(USE, saved(kind), epochs=1))
    model = AutoModelForMaskedLM.from_pretrained(trained.model).eval()
    tokenizer = AutoTokenizer.from_pretrained(trained.model)
    texts = ["the [MASK] sees the [MASK] house .", "a cat .", "a [MASK]", "", f"a {tokenizer.mask_token} likes"]
    for text, answer in zip(texts, trained.predict(texts), strict=True):
        ids = torch.tensor(tokenizer(text.replace("[MASK]", tokenizer.mask_token))["input_ids"])
        at = ids == tokenizer.mask_token_id
        with torch.inference_mode():
            shares, tokens = model(ids[None]).logits[0][at].softmax(-1).topk(5)
        assert len(answer["hidden"]) == len(tokens)
        for place, likely, share in zip(answer["hidden"], tokens, shares, strict=True):
            assert list(place) == [tokenizer.decode(token).strip() for token in likely.tolist()]
            assert list(place.values()) == pytest.approx(share.tolist(), abs=1e-4)
        ids[at] = tokens[:, 0]
        assert answer["text"] == tokenizer.decode(ids.tolist(), skip_special_tokens=True)


def test_half_precision_and_moved_embeddings_go_with_packing(saved, documents, train, stage, technique):
    trained = train(documents, stage(USE, saved("bert"), technique("moving"), epochs=1, precision="bfloat16"))
    assert "fit into" in trained.notes["packing"]
    assert trained.metrics["test"]["loss"] < math.log(28) + 0.3
    entry = next(entry for entry in trained.file("history.json") if "loss" in entry)
    assert entry["loss/cross-entropy"] != entry["loss/cross-entropy, moved"]


def test_lower_layers_can_be_fixed_but_what_they_say_is_not_kept(saved, documents, train, stage, technique):
    before = train(documents, stage(USE, saved("bert"), epochs=0)).weights()
    transfer = technique("transfer", freeze=1, reuse=False)
    after = train(documents, stage(USE, saved("bert"), transfer, epochs=1, learning_rate=1e-2)).weights()
    still = {name for name in before if torch.equal(before[name], after[name])}
    assert still == {name for name in before if "embeddings" in name or "layer.0." in name}
    with pytest.raises(
        RecipeError, match="keeps what layers say of each row, whose hidden tokens are others each time"
    ):
        train(documents, stage(USE, saved("bert"), technique("transfer", freeze=1)))


def test_a_decoder_is_refused(saved, documents, train, stage):
    with pytest.raises(StageError, match="a `llama` model is no encoder with a head for masked tokens") as raised:
        train(documents, stage(USE, saved("llama")))
    assert raised.value.problems[0].span.text.startswith("model = {")


def test_a_tokeniser_without_a_mask_is_refused(saved, documents, train, stage, tmp_path):
    import json
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(saved("bert"), folder)
    about = json.loads((folder / "tokenizer_config.json").read_text())
    del about["mask_token"]
    (folder / "tokenizer_config.json").write_text(json.dumps(about))
    with pytest.raises(StageError, match="has no token that stands for a hidden one"):
        train(documents, stage(USE, folder))


def test_shares_beyond_one_are_found_by_the_check(saved, documents, train, stage):
    with pytest.raises(RecipeError, match="`kept` and `changed` are shares of the same tokens") as raised:
        train(documents, stage(USE, saved("bert"), kept=0.6, changed=0.5))
    assert raised.value.problems[0].span.text == "changed = 0.5"
    with pytest.raises(RecipeError, match="0 is out of range"):
        train(documents, stage(USE, saved("bert"), share=0.0))
