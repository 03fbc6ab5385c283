from __future__ import annotations

import itertools
import json
import math

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from ladle.errors import RecipeError, StageError

USE = "causal-language-model"


def tokens_of(tokenizer, text: str) -> list[int]:
    """A document as the trainer is to read it."""
    return [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]


def nats_of(model, ids: list[int]) -> torch.Tensor:
    """What each token but the first costs, alone, by transformers' own means."""
    with torch.inference_mode():
        logits = model(torch.tensor([ids])).logits[0, :-1]
    return torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none")


def texts_of(rows, split: str) -> list[str]:
    return [row["text"] for row in rows if row["split"] == split]


@pytest.mark.parametrize(
    ("kind", "packing"), [("llama", "auto"), ("llama", "off"), ("gpt2", "auto"), ("qwen2", "auto")]
)
def test_metrics_are_those_of_the_saved_model_run_by_transformers_on_each_document(
    kind, packing, saved, documents, train, stage, technique, seen
):
    trained = train(documents, stage(USE, saved(kind), technique("look"), epochs=2, packing=packing, max_length=48))
    assert ("none:" in trained.notes["packing"]) == (packing == "off")
    model = AutoModelForCausalLM.from_pretrained(trained.model, use_safetensors=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(trained.model)
    texts = texts_of(documents, "test")
    nats = [nats_of(model, tokens_of(tokenizer, text)) for text in texts]
    first = [0 if tokenizer.bos_token else len(tokenizer.tokenize(text)[0]) for text in texts]
    size = sum(len(text.encode()) - without for text, without in zip(texts, first, strict=True))
    loss = torch.cat(nats).mean().item()
    measured = trained.metrics["test"]
    assert measured["loss"] == pytest.approx(loss, abs=1e-5)
    assert measured["perplexity"] == pytest.approx(math.exp(loss), rel=1e-5)
    assert measured["bits_per_byte"] == pytest.approx(torch.cat(nats).sum().item() / math.log(2) / size, rel=1e-5)
    assert measured["rows"] == len(texts)
    for one in (model, seen["models"][0]):
        tied = one.get_output_embeddings().weight is one.get_input_embeddings().weight
        assert tied == (kind != "llama")
    assert any("lm_head" in name for name in trained.weights()) == (kind == "llama")
    assert trained.notes.get("tables of weights of the head that are new") == (1 if kind == "llama" else None)
    assert trained.metrics["training"]["trainable_parameters"] == sum(p.numel() for p in model.parameters())


def test_a_model_learns_what_words_follow_each_other(saved, documents, train, stage):
    options = {"epochs": 12, "learning_rate": 1e-2, "batch_size": 2}
    trained = train(documents, stage(USE, saved("llama"), **options))
    metrics = trained.metrics
    assert metrics["test"]["perplexity"] < 3 < 0.3 * metrics["baseline"]["perplexity"]
    assert metrics["test"]["token_accuracy"] > 0.6 > 0.4 > metrics["baseline"]["token_accuracy"]
    assert metrics["training"]["tokens_per_second"] > metrics["training"]["rows_per_second"]
    low, high = metrics["intervals"]["test"]["perplexity"]
    assert low < metrics["test"]["perplexity"] < high < 4
    [said] = trained.predict(["the cat sees the old"])
    assert said["continuation"].startswith(("house", "garden"))


# One objective


@pytest.mark.parametrize("packing", ["auto", "off"])
def test_the_gradient_is_that_of_each_row_alone_however_rows_are_cut_packed_and_padded(
    packing, saved, documents, train, stage, technique, seen
):
    words = (3, 9, 1, 7, 5, 2, 8, 4)
    texts = [" ".join(row["text"].split()[:count]) for row, count in zip(documents, words, strict=False)]
    rows = [{"text": text, "split": "train"} for text in texts]
    for count, accumulate in ((8, 1), (4, 2), (1, 8)):
        techniques = technique("in-order", rows=count) + technique("look")
        options = {"accumulate": accumulate, "packing": packing, "clip": 0.0, "epochs": 1}
        train(rows, stage(USE, saved("gpt2"), techniques, **options), runs=f"runs-{count}")
    assert (len(seen["batches"][0]["input_ids"]) < 8) == (packing == "auto")
    alone = AutoModelForCausalLM.from_pretrained(saved("gpt2"), dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(saved("gpt2"))
    ids = [tokens_of(tokenizer, text) for text in texts]
    logits = torch.cat([alone(torch.tensor([row])).logits[0, :-1] for row in ids])
    wanted = torch.tensor([token for row in ids for token in row[1:]])
    torch.nn.functional.cross_entropy(logits, wanted).backward()
    assert len(seen["gradients"]) == 3
    for gradients in seen["gradients"]:
        for name, parameter in alone.named_parameters():
            torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-4, atol=1e-7, msg=name)
    values = [terms["cross-entropy"] for terms in seen["terms"]]
    assert {term.per for term in values} == {"labels"}
    assert values[0].values.shape == (len(wanted),)
    assert sum(len(term.values) for term in values) == 3 * len(wanted)


def test_a_small_memory_gives_the_same_gradient_with_few_logits_at_a_time(
    saved, documents, train, stage, technique, seen, monkeypatch
):
    from ladle_unsupervised import heads, losses

    given = stage(USE, saved("gpt2"), technique("look"), epochs=1, clip=0.0)
    whole = train(documents, given)
    most: list[int] = []
    work = losses.nats
    monkeypatch.setattr(heads, "AT_ONCE", 290 * 10)
    monkeypatch.setattr(losses, "nats", lambda logits, wanted: most.append(len(logits)) or work(logits, wanted))
    parts = train(documents, given, runs="again")
    assert parts.metrics["test"] == pytest.approx(whole.metrics["test"], rel=1e-5)
    half = len(seen["gradients"]) // 2
    assert half == whole.metrics["training"]["steps"]
    for name, gradient in seen["gradients"][0].items():
        torch.testing.assert_close(seen["gradients"][half][name], gradient, rtol=1e-4, atol=1e-7, msg=name)
    assert max(most) == 10


def test_what_moves_embeddings_goes_with_packing(saved, documents, train, stage, technique):
    trained = train(documents, stage(USE, saved("llama"), technique("moving"), epochs=1))
    [entry] = [entry for entry in trained.file("history.json") if entry.get("step") == 1 and "loss" in entry]
    assert entry["loss/cross-entropy"] > 0 < entry["loss/cross-entropy, moved"] != entry["loss/cross-entropy"]


def test_no_hook_is_left_when_the_loss_fails(saved, documents, train, stage, technique, seen):
    with pytest.raises(StageError):
        train(documents, stage(USE, saved("llama"), technique("stopped", fails=True)))
    for module in seen["models"][0].modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert "forward" not in vars(module) or module is seen["models"][0]


def test_a_training_that_was_stopped_goes_on_to_the_same_weights(saved, documents, train, stage, technique, tmp_path):
    def given(note):
        return stage(
            USE, saved("llama", dropout=0.2), technique("stopped", after=6, note=str(tmp_path / note)), epochs=3
        )

    with pytest.raises(KeyboardInterrupt):
        train(documents, given("stopped"))
    resumed = train(documents, given("stopped"))
    assert resumed.events("training-resumed")
    (tmp_path / "never").touch()
    whole = train(documents, given("never"), runs="others")
    assert not whole.events("training-resumed")
    assert all(torch.equal(weights, whole.weights()[name]) for name, weights in resumed.weights().items())


def test_half_precision_trains_and_measures_on_the_same_tokens(saved, documents, train, stage):
    exact = train(documents, stage(USE, saved("llama"), epochs=1, precision="float32"))
    outcomes = set(exact.runs.store.root.glob("stages/*/*"))
    half = train(documents, stage(USE, saved("llama"), epochs=1, precision="bfloat16"))
    assert "fit into" in half.notes["packing"]
    assert half.metrics["test"]["loss"] == pytest.approx(exact.metrics["test"]["loss"], rel=0.02)
    assert len(set(half.runs.store.root.glob("stages/*/*")) - outcomes) == 1  # the model


# Documents


def test_a_long_document_is_cut_into_pieces_that_predict_each_token_once(
    saved, documents, train, stage, technique, seen
):
    long = {"text": " ".join(text for text in texts_of(documents, "train")[:9]), "split": "train"}
    trained = train([long], stage(USE, saved("llama"), technique("look"), epochs=1, max_length=24))
    assert trained.notes["train documents longer than 24 tokens, in several rows"] == 1
    tokenizer = AutoTokenizer.from_pretrained(saved("llama"))
    ids = tokens_of(tokenizer, long["text"])
    pairs = sorted(itertools.pairwise(ids))
    found = []
    for batch in seen["batches"]:
        wanted = batch["labels"][:, 1:] != -100
        found += zip(batch["input_ids"][:, :-1][wanted].tolist(), batch["labels"][:, 1:][wanted].tolist(), strict=True)
    assert sorted(found) == pairs
    assert all(batch["input_ids"].shape[1] <= 24 for batch in seen["batches"])


@pytest.mark.parametrize(("kind", "stride"), [("llama", None), ("llama", 5), ("gpt2", 5), ("gpt2", 100)])
def test_a_long_document_is_measured_in_windows(kind, stride, saved, documents, train, stage):
    text = "ärger " + " ".join(texts_of(documents, "train")[:9])
    rows = [*documents[:6], {"text": text, "split": "test"}]
    options = {} if stride is None else {"stride": stride}
    trained = train(rows, stage(USE, saved(kind), epochs=0, max_length=24, **options))
    model = AutoModelForCausalLM.from_pretrained(trained.model).eval()
    tokenizer = AutoTokenizer.from_pretrained(trained.model)
    ids = tokens_of(tokenizer, text)
    step = min(stride or 100, 23)
    nats = [nats_of(model, ids[:24])]
    while (told := sum(map(len, nats)) + 1) < len(ids):
        end = min(told + step, len(ids))
        begin = told - 1 if stride is None else end - 24
        nats.append(nats_of(model, ids[begin:end])[told - end :])
    total = torch.cat(nats)
    assert len(total) == len(ids) - 1
    measured = trained.metrics["test"]
    assert measured["loss"] == pytest.approx(total.mean().item(), abs=1e-5)
    read = len(text.encode()) - (
        0 if tokenizer.bos_token else 2
    )  # GPT-2's first token is the first letter, of two bytes
    assert measured["bits_per_byte"] == pytest.approx(total.sum().item() / math.log(2) / read, rel=1e-5)
    assert measured["rows"] == 1
    assert "test" not in trained.metrics["intervals"] or not trained.metrics["intervals"]["test"]


def test_documents_with_nothing_to_predict_are_left_out(saved, documents, train, stage):
    rows = [*documents, {"text": "", "split": "train"}, {"text": None, "split": "test"}]
    notes = train(rows, stage(USE, saved("gpt2"), epochs=0)).notes  # whose texts have no token to begin with
    assert {name: count for name, count in notes.items() if "nothing to predict" in name} == {
        f"{split} documents left out, with nothing to predict": 1 for split in ("train", "test")
    }


def test_a_split_without_any_text_is_told(saved, documents, train, stage):
    rows = [row | {"text": "" if row["split"] == "test" else row["text"]} for row in documents]
    with pytest.raises(StageError, match="no text of the test split has tokens to learn from"):
        train(rows, stage(USE, saved("gpt2"), epochs=0))


def test_the_baseline_predicts_tokens_by_their_share_of_the_train_split(saved, documents, train, stage):
    trained = train(documents, stage(USE, saved("llama"), epochs=0, max_length=24))
    tokenizer = AutoTokenizer.from_pretrained(saved("llama"))
    counts = torch.zeros(len(tokenizer))
    for text in texts_of(documents, "train"):
        for token in tokens_of(tokenizer, text)[1:]:
            counts[token] += 1
    kinds = (counts > 0).sum()
    shares = (counts + kinds / len(counts)) / (counts.sum() + kinds)
    assert shares.sum() == pytest.approx(1)
    wanted = [token for text in texts_of(documents, "test") for token in tokens_of(tokenizer, text)[1:]]
    size = sum(len(text) for text in texts_of(documents, "test"))
    baseline = trained.metrics["baseline"]
    nats = -shares[wanted].log()
    assert baseline["perplexity"] == pytest.approx(nats.mean().exp().item(), rel=1e-4)
    assert baseline["bits_per_byte"] == pytest.approx(nats.sum().item() / math.log(2) / size, rel=1e-4)
    assert baseline["token_accuracy"] == pytest.approx(wanted.count(int(counts.argmax())) / len(wanted))


# Continuing texts


def test_what_is_predicted_is_what_transformers_writes(saved, documents, train, stage):
    how = {"temperature": 0, "max_new_tokens": 7}
    trained = train(documents, stage(USE, saved("gpt2"), epochs=2, continuation=how))
    model = AutoModelForCausalLM.from_pretrained(trained.model).eval()
    tokenizer = AutoTokenizer.from_pretrained(trained.model)
    texts = ["the cat", "a dog hears the old garden and", "", "the cat sees the old house . " * 20]
    for text, answer in zip(texts, trained.predict(texts), strict=True):
        ids = tokenizer(text)["input_ids"][-(48 - 7) :] or [tokenizer.eos_token_id]  # as much as leaves room
        written = model.generate(torch.tensor([ids]), max_new_tokens=7, do_sample=False)[0, len(ids) :]
        assert answer["continuation"] == tokenizer.decode(written, skip_special_tokens=True)


def test_a_continuation_depends_on_its_text_and_the_seed_alone(saved, documents, train, stage):
    def said(texts, **how):
        return train(documents, stage(USE, saved("llama"), epochs=1, continuation=how)).predict(texts)

    texts = ["the cat", "a dog hears the old garden and the bird", "the"]
    together = said(texts, max_new_tokens=12, temperature=1.5)
    assert together == [said([text], max_new_tokens=12, temperature=1.5)[0] for text in texts]
    assert together != said(texts, max_new_tokens=12, temperature=1.5, seed=1)
    likeliest = said(texts, max_new_tokens=12, temperature=0)
    assert likeliest == said(texts, max_new_tokens=12, top_k=1)
    assert likeliest == said(texts, max_new_tokens=12, top_p=1e-6)


def test_how_texts_are_continued_needs_no_other_training(saved, documents, train, stage):
    first = train(documents, stage(USE, saved("llama"), epochs=1))
    again = train(documents, stage(USE, saved("llama"), epochs=1, continuation={"max_new_tokens": 1}))
    assert [event["status"] for event in again.events("stage-ended")] == ["reused"] * 3 or again.events("nothing-to-do")
    assert len(again.predict(["the cat"])[0]["continuation"].split()) <= 1
    assert first.model.exists()


def test_tokens_are_drawn_by_their_probabilities():
    from ladle_unsupervised.continuation import Continuation
    from ladle_unsupervised.continuing import _processors

    logits = torch.tensor([2.0, 1.0, 0.0, -1.0, float("-inf")])
    for how, shares in (
        (Continuation(temperature=2.0), (logits / 2).softmax(-1)),
        (Continuation(temperature=1.0, top_k=2), logits[:2].softmax(-1)),
        (Continuation(temperature=1.0, top_p=0.85), logits[:2].softmax(-1)),
    ):
        rows = 4000
        drawn = _processors(how, [[number] for number in range(rows)])(torch.zeros(rows, 1), logits.repeat(rows, 1))
        found = torch.bincount(drawn.argmax(-1), minlength=5) / rows
        expected = torch.zeros(5)
        expected[: len(shares)] = shares
        torch.testing.assert_close(found, expected, atol=0.03, rtol=0)


def test_samples_are_told_and_kept_epoch_by_epoch(saved, documents, train, stage):
    samples = {"prompts": ["the cat", "a dog sees"], "max_new_tokens": 5, "temperature": 0}
    trained = train(documents, stage(USE, saved("llama"), epochs=3, learning_rate=3e-3, samples=samples))
    told = trained.events("samples")
    assert [(event["epoch"], [sample["prompt"] for sample in event["samples"]]) for event in told] == [
        (epoch, samples["prompts"]) for epoch in (1.0, 2.0, 3.0)
    ]
    table = trained.file("details.json")["test"]["tables"]["samples"]
    assert [(row["prompt"], row["written by"]) for row in table] == [
        (prompt, by)
        for prompt in samples["prompts"]
        for by in ("epoch 1", "epoch 2", "epoch 3", "the model that is kept")
    ]
    assert table[0]["continuation"] == told[0]["samples"][0]["continuation"]
    assert table[0]["continuation"] != table[3]["continuation"]
    plain = train(documents, stage(USE, saved("llama"), epochs=3, learning_rate=3e-3), runs="plain")
    assert all(torch.equal(weights, plain.weights()[name]) for name, weights in trained.weights().items())


def test_samples_written_before_a_stop_are_not_lost(saved, documents, train, stage, technique, tmp_path):
    samples = {"prompts": ["the cat"], "max_new_tokens": 5}
    stop = technique("stopped", after=7, note=str(tmp_path / "note"))
    given = stage(USE, saved("llama"), stop, epochs=3, samples=samples)
    with pytest.raises(KeyboardInterrupt):
        train(documents, given)
    table = train(documents, given).file("details.json")["test"]["tables"]["samples"]
    assert [row["written by"] for row in table] == ["epoch 1", "epoch 2", "epoch 3", "the model that is kept"]


# Lower layers


def test_lower_layers_can_be_fixed(saved, documents, train, stage, technique):
    def trained(reuse, **options):
        transfer = technique("transfer", freeze=1, reuse=reuse)
        return train(documents, stage(USE, saved("llama"), transfer, learning_rate=1e-2, epochs=1, **options))

    before = train(documents, stage(USE, saved("llama"), epochs=0)).weights()
    packed, padded, kept = trained(reuse=False), trained(reuse=False, packing="off"), trained(reuse=True)
    assert ["none:" in found.notes["packing"] for found in (packed, padded, kept)] == [False, True, True]
    assert kept.metrics["test"]["loss"] == pytest.approx(padded.metrics["test"]["loss"], abs=1e-4)
    for after in (packed.weights(), kept.weights()):
        still = {name for name in before if torch.equal(before[name], after[name])}
        assert still == {name for name in before if "embed_tokens" in name or "layers.0" in name}


# What is refused


def test_an_encoder_is_refused(saved, documents, train, stage):
    with pytest.raises(StageError, match="a `bert` model is no decoder: it cannot learn to continue texts") as raised:
        train(documents, stage(USE, saved("bert")))
    assert 'use = "masked-language-model"' in raised.value.problems[0].help
    assert raised.value.problems[0].span.text.startswith("model = {")


def test_a_body_that_is_not_whole_is_refused(saved, documents, train, stage, tmp_path):
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(saved("llama"), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(StageError, match=r"do not belong to its config.json: 9 are missing and 0 have another shape"):
        train(documents, stage(USE, folder))


def test_a_tokeniser_that_knows_more_than_the_model_is_refused(saved, documents, train, stage):
    with pytest.raises(StageError, match="the tokeniser knows 28 tokens, and the model has a place for 20"):
        train(documents, stage(USE, saved("llama", vocabulary=20)))


@pytest.mark.parametrize("option", ["continuation", "samples"])
def test_more_new_tokens_than_the_model_reads_are_refused(option, saved, documents, train, stage):
    how = {"max_new_tokens": 48} | ({"prompts": ["a"]} if option == "samples" else {})
    with pytest.raises(StageError, match="the model reads at most 48 tokens, and shall write 48") as raised:
        train(documents, stage(USE, saved("llama"), **{option: how}))
    assert raised.value.problems[0].span.text.startswith(f"{option} = {{")


def test_wrong_options_are_found_by_the_check(saved, documents, train, stage):
    for options, message in (
        ({"choose_by": "perplexity"}, "choose_by"),
        ({"samples": {"prompts": []}}, "prompts"),
        ({"continuation": {"temperatur": 1}}, "temperatur"),
        ({"max_length": 1}, "out of range"),
    ):
        with pytest.raises(RecipeError, match=message):
            train(documents, stage(USE, saved("llama"), **options))
