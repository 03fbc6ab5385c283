from __future__ import annotations

import json
import random
import shutil

import pytest

from ladle.errors import RecipeError, StageError

WORDS = ["<s>", "<pad>", "</s>", "<unk>", "a", "b", "c", "d", "e", "f", "g", "h"]
START, PAD, END = 0, 1, 2
KINDS = ["t5", "bart", "mbart", "nllb", "marian"]
LANGUAGES = {"mbart": ("en_XX", "ja_XX"), "nllb": ("eng_Latn", "jpn_Jpan")}


def tokenizer(kind: str, ends: bool = True):
    """A tokeniser of a few words, as it is usual for such models: what it puts around a text differs."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import MBartTokenizer, NllbTokenizer, PreTrainedTokenizerFast
    from transformers.models.mbart.tokenization_mbart import FAIRSEQ_LANGUAGE_CODES

    letters = WORDS[4:]
    if kind == "mbart":
        known = [*WORDS[:4], "▁", *(f"▁{letter}" for letter in letters), *FAIRSEQ_LANGUAGE_CODES, "<mask>"]
        return MBartTokenizer(vocab=[(word, -2.0 if "▁" in word else 0.0) for word in known])
    if kind == "nllb":
        known = [*WORDS[:4], "▁", *letters, *(f"▁{letter}" for letter in letters)]
        merges = [("▁", letter) for letter in letters]
        return NllbTokenizer(vocab={word: at for at, word in enumerate(known)}, merges=merges)
    words = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    around = {"bart": "<s> $A </s>"}.get(kind, "$A </s>") if ends else "$A"
    special = [(word, WORDS.index(word)) for word in around.split() if word != "$A"]
    words.post_processor = processors.TemplateProcessing(single=around, special_tokens=special)
    names = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=words, **names)


def model(kind: str, size: int, **options):
    """A random model of one layer on each side, without dropout."""
    import torch
    import transformers

    torch.manual_seed(3)
    if kind == "t5":
        shape = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2, "dropout_rate": 0.0}
        special = {"pad_token_id": PAD, "eos_token_id": END, "decoder_start_token_id": PAD}
        config = transformers.T5Config(vocab_size=size, **shape, **special, **options)
        return transformers.T5ForConditionalGeneration(config)
    shape = {f"{side}_{name}": n for side in ("encoder", "decoder") for name, n in _SIDE.items()}
    shape |= {"d_model": 32, "max_position_embeddings": 24, "init_std": 0.1}
    shape |= {"dropout": 0.0, "attention_dropout": 0.0, "encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0}
    special = {"pad_token_id": PAD, "bos_token_id": START, "eos_token_id": END}
    special["decoder_start_token_id"] = {"marian": PAD, "mbart": None}.get(kind, END)
    names = {"bart": "Bart", "mbart": "MBart", "marian": "Marian", "nllb": "M2M100"}
    config = getattr(transformers, f"{names[kind]}Config")(**{"vocab_size": size, **shape, **special} | options)
    classes = {"marian": "MarianMTModel"}
    return getattr(transformers, classes.get(kind, f"{names[kind]}ForConditionalGeneration"))(config)


_SIDE = {"layers": 1, "attention_heads": 2, "ffn_dim": 64}


@pytest.fixture(scope="session")
def pair(tmp_path_factory):
    """The folder of a tiny random encoder with a decoder in Hugging Face layout."""
    folders = {}

    def folder_of(kind: str):
        if kind not in folders:
            folders[kind] = save(kind, tmp_path_factory.mktemp(kind))
        return folders[kind]

    return folder_of


def save(kind: str, folder, ends: bool = True, **options):
    words = tokenizer(kind, ends)
    model(kind, len(words), **options).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def stage(folder, *options: str, kind: str = "", name: str = "pairs") -> str:
    """A train stage on the model in a folder, from `en` to `ja`."""
    languages = LANGUAGES.get(kind)
    given = {line.partition(" = ")[0] for line in options}
    defaults = {"column": '"en"', "target": '"ja"', "batch_size": "8", "device": '"cpu"', "weight_decay": "0.0"}
    lines = [f"{key} = {value}" for key, value in defaults.items() if key not in given]
    if languages:
        lines += [f'source_language = "{languages[0]}"', f'target_language = "{languages[1]}"']
    start = [f'model = {{ pretrained = "{folder}" }}'] if folder else []
    return "\n".join(
        ["[[train]]", f'name = "{name}"', 'use = "sequence-to-sequence"', 'data = "rows"', *start, *lines, *options, ""]
    )


def reversals(count: int, longest: int = 4, shortest: int = 1):
    """Short texts and the same backwards: of ten rows eight to train, one to validate and one to test on."""
    chance = random.Random(1)
    rows = []
    for number in range(count):
        words = [chance.choice(WORDS[4:]) for _ in range(chance.randint(shortest, longest))]
        split = {8: "validation", 9: "test"}.get(number % 10, "train")
        rows.append({"en": " ".join(words), "ja": " ".join(reversed(words)), "split": split})
    return rows


def split_of(rows, split="test"):
    return [row for row in rows if row["split"] == split]


def by_transformers(folder, texts, kind=""):
    """The texts that the model in a folder writes by transformers' own means, one by one."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    found = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    words = AutoTokenizer.from_pretrained(folder)
    inputs = [words(text, return_tensors="pt") for text in texts]
    said = [found.generate(input_ids=i["input_ids"], attention_mask=i["attention_mask"])[0] for i in inputs]
    return [words.decode(tokens, skip_special_tokens=True).strip() for tokens in said]


# Learning


def test_a_small_model_learns_to_reverse(pair, train):
    rows = reversals(400, longest=3)
    options = ["epochs = 12", "learning_rate = 1e-2", "batch_size = 16"]
    trained = train(rows, stage(pair("bart"), *options))
    test, baseline = trained.metrics["test"], trained.metrics["baseline"]
    assert test["chrf"] > 90 > 60 > baseline["chrf"]
    assert test["perplexity"] < 1.5
    assert (test["rows"], test["generated_rows"], test["unfinished"]) == (40, 40, 0)
    assert trained.predict([{"en": "a b c"}, {"en": "h g d"}]) == [{"text": "c b a"}, {"text": "d g h"}]


@pytest.mark.parametrize("kind", KINDS)
def test_the_saved_model_loads_back_writes_what_ladle_predict_says_and_loses_what_was_measured(kind, pair, train):
    """The loss beside transformers' own of each pair alone, with labels that the model shifts itself."""
    import math

    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    rows = reversals(60, shortest=4)
    trained = train(rows, stage(pair(kind), "epochs = 4", "learning_rate = 1e-2", kind=kind))
    assert (trained.model / "model.safetensors").is_file()
    test = split_of(rows)
    said = [answer["text"] for answer in trained.predict([{"en": row["en"]} for row in test])]
    assert said == by_transformers(trained.model, [row["en"] for row in test])
    assert any(said)
    found = AutoModelForSeq2SeqLM.from_pretrained(trained.model).eval()
    words = AutoTokenizer.from_pretrained(trained.model)
    losses, counts = [], []
    for row in test:
        given = words(row["en"], text_target=row["ja"], return_tensors="pt")
        with torch.inference_mode():
            losses.append(found(input_ids=given["input_ids"], labels=given["labels"]).loss.item())
        counts.append(given["labels"].numel())
    loss = sum(loss * count for loss, count in zip(losses, counts, strict=True)) / sum(counts)
    assert trained.metrics["test"]["loss"] == pytest.approx(loss, abs=1e-5)
    assert trained.metrics["test"]["perplexity"] == pytest.approx(math.exp(loss), rel=1e-4)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_of_a_step_is_the_mean_over_its_tokens_with_label_smoothing_by_hand(smoothing, pair, train):
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    rows = [{"en": en, "ja": ja, "split": "train"} for en, ja in (("a b c", "d"), ("a", "b c d e"))]
    trained = train(rows, stage(pair("bart"), "epochs = 1", f"label_smoothing = {smoothing}"))
    found = AutoModelForSeq2SeqLM.from_pretrained(pair("bart")).eval()
    words = AutoTokenizer.from_pretrained(pair("bart"))
    values = []
    for row in rows:
        given = words(row["en"], text_target=row["ja"], return_tensors="pt")
        with torch.inference_mode():
            shares = found(input_ids=given["input_ids"], labels=given["labels"]).logits[0].log_softmax(-1)
        for share, label in zip(shares, given["labels"][0], strict=True):
            values.append((1 - smoothing) * -share[label] - smoothing * share.mean())
    [entry] = [entry for entry in trained.file("history.json") if "loss" in entry]
    assert entry["loss"] == pytest.approx(torch.stack(values).mean().item(), abs=1e-5)


def test_one_step_is_the_same_however_its_rows_are_cut_into_batches_and_padded(pair, train):
    import torch

    rows = [row | {"split": "train"} for row in reversals(8, longest=6)]
    found = []
    for size in (8, 4, 1):
        options = [f"batch_size = {size}", f"accumulate = {8 // size}", "epochs = 1", "clip = 0.0", "warmup = 0.0"]
        options += ['arguments = { optim = "sgd" }', "learning_rate = 1e-3", 'schedule = "constant"']
        found.append(train(rows, stage(pair("t5"), *options), runs=f"runs-{size}").weights())
    before = train(rows, stage(pair("t5"), "epochs = 0")).weights()
    for name, weights in found[0].items():
        for others in found[1:]:
            torch.testing.assert_close(weights - before[name], others[name] - before[name], atol=2e-7, rtol=1e-3)
    assert any(not torch.equal(weights, before[name]) for name, weights in found[0].items())


def test_a_training_that_was_stopped_goes_on_to_the_same_weights(tmp_path, train, monkeypatch):
    import torch

    from ladle_supervised.sequences.seq2seq import SequenceToSequence

    rows = reversals(60)
    recipe = stage(save("bart", tmp_path / "bart", dropout=0.1), "epochs = 3", "learning_rate = 1e-3")
    whole = train(rows, recipe, runs="whole").weights()
    calls, loss = [], SequenceToSequence.loss

    def stopping(self, model, batch):
        calls.append(batch)
        if len(calls) == 9:  # in the middle of the second epoch
            raise KeyboardInterrupt
        return loss(self, model, batch)

    with monkeypatch.context() as patch:
        patch.setattr(SequenceToSequence, "loss", stopping)
        with pytest.raises(KeyboardInterrupt):
            train(rows, recipe)
        train(rows, recipe)
    assert 9 < len(calls) < 9 + 18
    resumed = train(rows, recipe).weights()
    assert all(torch.equal(weights, resumed[name]) for name, weights in whole.items())


def test_a_later_stage_goes_on_from_an_earlier_one(pair, train):
    rows = reversals(60)
    first = stage(pair("mbart"), "epochs = 1", "learning_rate = 1e-3", kind="mbart")
    again = stage(None, 'model = { stage = "pairs" }', "epochs = 0", kind="mbart", name="again")
    metrics = train(rows, first + again).run.outcome["metrics"]
    assert metrics["again"]["test"] == metrics["pairs"]["test"]


def test_a_model_that_leaves_layers_out_by_chance_trains_them_all(tmp_path, train):
    folder = save("nllb", tmp_path / "nllb", encoder_layerdrop=0.9, decoder_layerdrop=0.9)
    trained = train(reversals(20), stage(folder, "epochs = 1", kind="nllb"))
    assert trained.notes == {"layers left out by chance": "none, though the model's own settings say so"}
    assert json.loads((trained.model / "config.json").read_text())["encoder_layerdrop"] == 0.9


# Generating


def count_generated(monkeypatch):
    """Counts the rows that any model writes texts for."""
    from transformers import GenerationMixin

    rows, generate = [], GenerationMixin.generate

    def counting(self, *args, **options):
        rows.append(len(options["input_ids"]))
        return generate(self, *args, **options)

    monkeypatch.setattr(GenerationMixin, "generate", counting)
    return rows


@pytest.mark.parametrize(("choose_by", "times"), [("loss", 1), ("chrf", 4)])
def test_texts_are_generated_after_every_epoch_only_if_they_choose_it(choose_by, times, pair, train, monkeypatch):
    rows = count_generated(monkeypatch)
    trained = train(reversals(100), stage(pair("t5"), "epochs = 3", f'choose_by = "{choose_by}"'))
    assert sum(rows) == 10 * times + 10
    evaluated = [entry for entry in trained.file("history.json") if "eval_loss" in entry]
    assert len(evaluated) == 3
    assert all(("eval_chrf" in entry) == (choose_by == "chrf") for entry in evaluated)
    validation = trained.metrics["validation"]
    assert {"loss", "perplexity", "bleu", "chrf", "unfinished"} < set(validation)
    if choose_by == "chrf":
        assert validation["chrf"] == pytest.approx(max(entry["eval_chrf"] for entry in evaluated))


def test_texts_are_generated_for_some_rows_in_full_batches_and_it_is_told(pair, train, monkeypatch):
    rows = [row | {"split": "test" if number % 2 else "train"} for number, row in enumerate(reversals(100))]
    sizes = count_generated(monkeypatch)
    trained = train(rows, stage(pair("t5"), "epochs = 0", "generated_rows = 20"))
    test = trained.metrics["test"]
    assert (test["rows"], test["generated_rows"]) == (50, 20)
    assert (sum(sizes), len(sizes)) == (20, 4)  # 50 rows are six batches of eight and two more
    assert set(trained.metrics["baseline"]) == {"bleu", "chrf"}


def test_no_text_is_generated_if_none_is_wanted(pair, train, monkeypatch):
    rows = count_generated(monkeypatch)
    trained = train(reversals(60), stage(pair("t5"), "epochs = 1", "generated_rows = 0"))
    assert rows == []
    assert set(trained.metrics["test"]) == {"loss", "perplexity", "rows"}
    assert trained.metrics["baseline"] == {}


def test_bleu_chrf_samples_and_mistakes_are_those_of_the_predictions(pair, train):
    from sacrebleu.metrics import BLEU, CHRF

    rows = reversals(300)
    trained = train(rows, stage(pair("bart"), "epochs = 3", "learning_rate = 5e-3"))
    test = split_of(rows)
    said = [answer["text"] for answer in trained.predict([{"en": row["en"]} for row in test])]
    bleu, chrf = BLEU(tokenize="13a"), CHRF()
    found, references = trained.metrics["test"], [[row["ja"] for row in test]]
    assert found["bleu"] == pytest.approx(bleu.corpus_score(said, references).score)
    assert found["chrf"] == pytest.approx(chrf.corpus_score(said, references).score)
    assert trained.metrics["baseline"]["chrf"] == pytest.approx(
        chrf.corpus_score([row["en"] for row in test], references).score
    )
    for name in ("bleu", "chrf", "perplexity"):
        low, high = trained.metrics["intervals"]["test"][name]
        assert low <= found[name] <= high
        assert low < high
    tables = trained.details["tables"]
    assert tables["signatures"] == [
        {"metric": "bleu", "signature": str(bleu.get_signature())},
        {"metric": "chrf", "signature": str(chrf.get_signature())},
    ]
    assert len(tables["samples"]) == 12
    best_first = [sample["chrf"] for sample in tables["samples"]]
    assert best_first == sorted(best_first, reverse=True)
    mistakes = trained.details["mistakes"]
    assert 0 < len(mistakes) <= 30
    texts = {row["en"]: (row["ja"], text) for row, text in zip(test, said, strict=True)}
    for mistake in mistakes:
        assert (mistake["truth"], mistake["predicted"]) == texts[mistake["row"]["en"]]
        assert mistake["truth"] != mistake["predicted"]


def test_what_is_written_is_as_long_as_the_targets_of_the_train_split(pair, train):
    rows = [{"en": "a b", "ja": "c d e", "split": split} for split in ("train", "train", "test")]
    trained = train(rows, stage(pair("t5"), "epochs = 0"))
    settings = json.loads((trained.model / "generation_config.json").read_text())
    assert settings["max_new_tokens"] == 4  # with the end
    assert len(trained.predict([{"en": "a b"}])[0]["text"].split()) <= 4
    longer = train(rows, stage(pair("t5"), "epochs = 0", "max_new_tokens = 9"))
    assert json.loads((longer.model / "generation_config.json").read_text())["max_new_tokens"] == 9


def test_beams_and_their_length_penalty_are_those_of_transformers(pair, train):
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    rows = reversals(100)
    options = ["epochs = 1", "learning_rate = 3e-3", "beams = 3", "length_penalty = -4.0", "max_new_tokens = 8"]
    trained = train(rows, stage(pair("bart"), *options))
    found, words = (kind.from_pretrained(trained.model) for kind in (AutoModelForSeq2SeqLM, AutoTokenizer))
    texts = [row["en"] for row in split_of(rows)]
    wanted = []
    for text in texts:
        tokens = words(text, return_tensors="pt")["input_ids"]
        said = found.generate(input_ids=tokens, num_beams=3, length_penalty=-4.0, max_new_tokens=8, do_sample=False)
        wanted.append(words.decode(said[0], skip_special_tokens=True).strip())
    assert [answer["text"] for answer in trained.predict([{"en": text} for text in texts])] == wanted


@pytest.mark.parametrize("place", ["generation_config.json", "config.json"])
def test_a_models_own_settings_stay_but_for_chance_and_length(place, pair, train, tmp_path):
    """Also where old models have them: beside the shape of the model."""
    folder = shutil.copytree(pair("bart"), tmp_path / "own")
    settings = {"num_beams": 2, "no_repeat_ngram_size": 3, "early_stopping": True, "length_penalty": 2.0}
    settings |= {"min_length": 15, "max_length": 20, "forced_eos_token_id": END}
    if place == "generation_config.json":
        settings |= {"do_sample": True, "temperature": 0.7, "top_k": 5, "num_return_sequences": 2}
    else:
        (folder / "generation_config.json").unlink()
    about = json.loads((folder / place).read_text())
    (folder / place).write_text(json.dumps(about | settings))
    rows = reversals(20)
    trained = train(rows, stage(folder, "epochs = 0"))
    kept = json.loads((trained.model / "generation_config.json").read_text())
    assert {name: kept[name] for name in ("num_beams", "no_repeat_ngram_size", "early_stopping", "length_penalty")} == {
        "num_beams": 2,
        "no_repeat_ngram_size": 3,
        "early_stopping": True,
        "length_penalty": 2.0,
    }
    assert kept["do_sample"] is False
    assert kept["min_length"] == min(len(row["ja"].split()) for row in split_of(rows, "train")) + 2
    gone = ("temperature", "top_k", "num_return_sequences", "max_length", "forced_eos_token_id")
    assert all(kept.get(name) is None for name in gone)
    greedy = train(rows, stage(folder, "epochs = 0", "beams = 1"))
    kept = json.loads((greedy.model / "generation_config.json").read_text())
    assert (kept["num_beams"], kept.get("early_stopping"), kept.get("length_penalty")) == (1, None, None)


def test_texts_that_found_no_end_are_told(pair, train):
    rows = [{"en": "a", "ja": "b c d", "split": "train"}] * 16 + [{"en": "a", "ja": "b c d", "split": "test"}]
    for most, unfinished in ((4, 1.0), (5, 0.0)):  # a beginning, three words and an end
        options = ["epochs = 8", "learning_rate = 1e-2", f"max_new_tokens = {most}"]
        trained = train(rows, stage(pair("bart"), *options), runs=f"runs-{most}")
        assert trained.metrics["test"]["unfinished"] == unfinished
        assert trained.predict([{"en": "a"}]) == [{"text": "b c d"}]


# Rows


def test_rows_without_a_target_are_left_out_and_what_is_cut_is_told(pair, train):
    texts = [("a", "b"), ("a b c d e f", "b"), ("a", "b c d e f g"), ("a", ""), ("a", "  "), ("a", None), (None, "b")]
    rows = [{"en": en, "ja": ja, "split": "train"} for en, ja in texts]
    rows.append({"en": "a", "ja": "b", "split": "test"})
    trained = train(rows, stage(pair("t5"), "max_length = 4", "max_target_length = 5", "epochs = 1"))
    assert trained.notes == {
        "train rows left out, without `ja`": 1,
        "train rows left out, with a `ja` that is empty": 2,
        "train rows without `en`, read as an empty text": 1,
        "train texts cut after 4 tokens": 1,
        "train targets cut after 5 tokens": 1,
    }
    assert trained.predict([{"en": "a b c d e f"}]) == trained.predict([{"en": "a b c g"}])
    assert trained.predict([{"en": ""}])[0]["text"] is not None


def test_a_target_that_the_tokeniser_does_not_end_is_ended(train, tmp_path):
    folder = save("t5", tmp_path / "open", ends=False)
    rows = reversals(500, longest=2)
    trained = train(rows, stage(folder, "epochs = 1", "learning_rate = 1e-2"))
    note = "{} targets that the tokeniser did not end: `</s>` was put after them"
    assert trained.notes == {note.format(split): n for split, n in (("train", 400), ("validation", 50), ("test", 50))}
    assert trained.metrics["test"]["unfinished"] < 0.2
    texts = ["a", "a b"]
    said = [answer["text"] for answer in trained.predict([{"en": text} for text in texts])]
    assert said == by_transformers(trained.model, texts)


def test_a_prefix_begins_every_text_also_at_prediction(pair, train):
    rows = reversals(60)
    prefixed = [row | {"en": f"h h {row['en']}"} for row in rows]
    plain = train(prefixed, stage(pair("bart"), "epochs = 1"), runs="plain")
    trained = train(rows, stage(pair("bart"), "epochs = 1", 'prefix = "h h "'))
    assert trained.metrics["test"]["loss"] == pytest.approx(plain.metrics["test"]["loss"])
    assert trained.predict([{"en": "a b"}]) == plain.predict([{"en": "h h a b"}])
    assert trained.metrics["baseline"]["chrf"] > plain.metrics["baseline"]["chrf"]  # copies what the column has


@pytest.mark.parametrize("kind", ["mbart", "nllb"])
def test_a_language_is_where_the_model_wants_it(kind, pair, train):
    from transformers import AutoTokenizer

    trained = train(reversals(20), stage(pair(kind), "epochs = 0", kind=kind))
    words = AutoTokenizer.from_pretrained(trained.model)
    settings = json.loads((trained.model / "generation_config.json").read_text())
    language = words.convert_tokens_to_ids(LANGUAGES[kind][1])
    assert (words.src_lang, words.tgt_lang) == LANGUAGES[kind]
    assert settings["decoder_start_token_id"] == (language if kind == "mbart" else END)
    assert settings.get("forced_bos_token_id") == (None if kind == "mbart" else language)


@pytest.mark.parametrize("kind", KINDS)
def test_a_hook_where_the_model_says_it_embeds_sees_the_texts_to_read(kind, pair):
    import torch

    from ladle.training import tokenizer_from
    from ladle_supervised.sequences.start import encoder_decoder_from, shifted

    found = encoder_decoder_from(pair(kind), tokenizer_from(pair(kind))).eval()
    tokens, labels = torch.tensor([[4, 5, 6, END]]), torch.tensor([[4, END]])
    seen = []
    handle = found.get_input_embeddings().register_forward_hook(lambda _, given, output: seen.append(given[0]))
    with torch.inference_mode():
        found(input_ids=tokens, decoder_input_ids=shifted(found, labels))
    handle.remove()
    assert [tokens.tolist() for tokens in seen] == [tokens.tolist()]


def test_texts_are_encoded_as_rows_are(pair, train, monkeypatch):
    from ladle_supervised.sequences.seq2seq import SequenceToSequence

    rows, seen, batch = reversals(30), {}, SequenceToSequence.batch

    def watching(self, given):
        seen.update({row["label"]: row["input_ids"] for row in given})
        seen["encode"] = self.encode
        return batch(self, given)

    monkeypatch.setattr(SequenceToSequence, "batch", watching)
    train(rows, stage(pair("t5"), "epochs = 1", 'prefix = "g "', "max_length = 5"))
    encode = seen.pop("encode")
    assert encode([]) == []
    for row in rows:
        assert encode([row["en"]]) == [seen[row["ja"]]]


def test_marian_with_its_own_sentencepiece_tokeniser(train, tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece")
    rows = reversals(60)
    for column, name in (("en", "source"), ("ja", "target")):
        lines = iter([row[column] for row in rows])
        with (tmp_path / f"{name}.spm").open("wb") as file:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=lines, model_writer=file, vocab_size=20, hard_vocab_limit=False, minloglevel=2
            )
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "source.spm"))
    known = ["</s>", "<unk>", *(pieces.id_to_piece(n) for n in range(3, pieces.get_piece_size())), "<pad>"]
    ids = {word: at for at, word in enumerate(dict.fromkeys(known))}
    (tmp_path / "vocab.json").write_text(json.dumps(ids))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "MarianTokenizer"}))
    special = {"pad_token_id": ids["<pad>"], "decoder_start_token_id": ids["<pad>"], "eos_token_id": ids["</s>"]}
    model("marian", len(ids), **special).save_pretrained(tmp_path)
    trained = train(rows, stage(tmp_path, "epochs = 1", "learning_rate = 5e-3", "max_target_length = 3"))
    assert trained.metrics["test"]["perplexity"] < len(ids)
    assert trained.notes["train targets cut after 3 tokens"] > 0
    texts = ["a b c", "h"]
    said = [answer["text"] for answer in trained.predict([{"en": text} for text in texts])]
    assert said == by_transformers(trained.model, texts)


@pytest.mark.parametrize(("architecture", "tokens"), [("t5", "unigram"), ("bart", "bpe")])
def test_a_model_from_scratch_knows_the_words_of_both_sides(architecture, tokens, train):
    from transformers import AutoTokenizer

    rows = [{"en": f"the {n} is new", "ja": f"新しい {n}", "split": "test" if n % 5 else "train"} for n in range(30)]
    start = f'model = {{ scratch = "{architecture}", size = "tiny", vocabulary = 300, tokenizer = "{tokens}" }}'
    trained = train(rows, stage(None, start, "epochs = 1", "learning_rate = 1e-3"))
    words = AutoTokenizer.from_pretrained(trained.model)
    assert words.decode(words(text_target="新しい 5")["input_ids"], skip_special_tokens=True).strip() == "新しい 5"
    [signature] = [s["signature"] for s in trained.details["tables"]["signatures"] if s["metric"] == "bleu"]
    assert "tok:char" in signature
    assert trained.predict([{"en": "the 5 is new"}])[0].keys() == {"text"}


# What a recipe may get wrong


def refused(train, recipe, rows=None, error=StageError):
    with pytest.raises(error) as raised:
        train(rows or reversals(20), recipe)
    [problem] = raised.value.problems
    return problem


def test_a_model_that_is_no_encoder_with_a_decoder_is_refused(saved, train):
    problem = refused(train, stage(saved("bert"), "epochs = 1"))
    assert problem.message.endswith("a bert model is no encoder with a decoder that writes texts")
    assert problem.span.text.startswith("model = {")
    assert problem.help == "name a model such as T5, BART, mBART or Marian"


@pytest.mark.parametrize(
    ("options", "line", "message"),
    [
        (['target = "en"'], 'target = "en"', "`en` is both what is read and what is to be written"),
        (["length_penalty = 2.0"], "length_penalty = 2.0", "`length_penalty` counts for beams only"),
        (
            ["generated_rows = 0", 'choose_by = "bleu"'],
            'choose_by = "bleu"',
            "the best epoch cannot be chosen by `bleu` where no text is generated",
        ),
        (['choose_by = "perplexity"'], 'choose_by = "perplexity"', "is not one of 'loss', 'bleu' or 'chrf'"),
    ],
)
def test_options_that_do_not_fit_together_are_refused_by_the_check(options, line, message, pair, train):
    problem = refused(train, stage(pair("t5"), *options), error=RecipeError)
    assert message in problem.message
    assert problem.span.text == line


@pytest.mark.parametrize("option", ["max_length", "max_target_length", "max_new_tokens"])
def test_more_tokens_than_the_model_has_positions_for_are_refused(option, pair, train):
    problem = refused(train, stage(pair("bart"), f"{option} = 25"))
    assert problem.message.endswith("the model reads at most 24 tokens of a text, not 25")
    assert problem.span.text == f"{option} = 25"


def test_a_tokeniser_of_many_languages_has_to_know_them(pair, train):
    problem = refused(train, stage(pair("mbart"), "epochs = 0"))
    assert problem.message.endswith("the model (mbart) translates between many languages, and has to know into which")
    assert "it knows ar_AR, cs_CZ, de_DE" in problem.help
    recipe = stage(pair("nllb"), "epochs = 0", kind="nllb").replace("jpn_Jpan", "jpn_Japan")
    problem = refused(train, recipe)
    assert problem.message.endswith("the tokeniser knows no language `jpn_Japan`")
    assert problem.help == "did you mean `jpn_Jpan`?"
    assert problem.span.text == 'target_language = "jpn_Japan"'
    problem = refused(train, stage(pair("t5"), 'source_language = "en"'))
    assert problem.message.endswith("the tokeniser of this model (t5) knows no languages")
    assert problem.span.text == 'source_language = "en"'


def test_a_missing_package_for_bleu_is_told_before_the_training(pair, train, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "MeCab" else find(name, *a))
    rows = count_generated(monkeypatch)
    problem = refused(train, stage(pair("t5"), 'bleu_tokenizer = "ja-mecab"'))
    assert problem.message.endswith("`ja-mecab` needs the package MeCab, which is not installed")
    assert problem.help.startswith('pip install "sacrebleu[ja]"')
    assert problem.span.text == 'bleu_tokenizer = "ja-mecab"'
    assert rows == []


def test_a_missing_package_for_a_tokeniser_is_told(train, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    model("marian", len(WORDS)).save_pretrained(tmp_path / "marian")
    problem = refused(train, stage(tmp_path / "marian"))
    assert problem.message.endswith(
        "the tokeniser of this model (marian) needs the package sentencepiece, which is not installed"
    )
    assert problem.help == 'pip install "ladle-supervised[sentencepiece]"'


def test_a_model_that_cannot_end_a_text_is_refused(pair, train, tmp_path):
    folder = shutil.copytree(pair("t5"), tmp_path / "endless")
    for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
        about = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(about | {key: None for key in about if key.startswith("eos_token")}))
    problem = refused(train, stage(folder))
    assert "neither the model nor its tokeniser has a token that ends a text" in problem.message


def test_fixed_layers_are_refused(pair, train):
    recipe = stage(pair("t5")) + '[[train.technique]]\nuse = "transfer"\nfreeze = 1\n'
    problem = refused(train, recipe, error=RecipeError)
    assert problem.message == "`transfer` needs layers, which `sequence-to-sequence` does not offer"


# What is doubtful


def doubts(folder, rows, **options):
    from ladle import Sample
    from ladle_supervised.sequences.seq2seq import SequenceToSequence

    given = {"data": "rows", "model": {"pretrained": str(folder)}, "column": "en", "target": "ja"}
    trainer = SequenceToSequence.model_validate(given | options)
    return list(trainer.doubts(Sample(rows, is_whole=True)))


def test_a_prefix_that_sticks_to_the_first_word_is_doubtful(pair):
    [doubt] = doubts(pair("t5"), reversals(3), prefix="translate:")
    assert (str(doubt), doubt.option) == (
        "`prefix` ends without a space: the first word of each text sticks to it",
        "prefix",
    )
    assert doubt.help == 'write prefix = "translate: "'
    for fine in ("", "translate: ", "翻訳："):
        assert doubts(pair("t5"), reversals(3), prefix=fine) == []


def test_texts_that_are_cut_are_doubtful_on_the_side_where_they_are(pair):
    rows = [{"en": "a", "ja": "b c d e f g h"} for _ in range(30)]
    [doubt] = doubts(pair("bart"), rows, max_target_length=5)
    assert (doubt.option, doubt.code) == ("max_target_length", "cut")
    assert "`max_target_length`" in doubt.help
    [doubt] = doubts(pair("bart"), [{"en": row["ja"], "ja": "a"} for row in rows], max_length=5)
    assert doubt.option == "max_length"
    assert doubts(pair("bart"), rows) == []
