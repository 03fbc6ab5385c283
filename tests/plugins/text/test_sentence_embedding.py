from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ladle import Columns, OptionError, Sample
from ladle_text.embedding import SentenceEmbedding

TEXTS = [
    "the cat sits on the mat .",
    "a dog",
    "stocks fell today , the dog sleeps on a rug , a cat sits .",
    "",
    "cats , dogs",
    "unheard",
]


def embedding(folder: Path, **options) -> SentenceEmbedding:
    return SentenceEmbedding.model_validate({"model": {"pretrained": str(folder)}, "device": "cpu"} | options)


def vectors(component: SentenceEmbedding, rows) -> list[list[float] | None]:
    return pa.Table.from_batches(list(component.work(rows)))[component.into].to_pylist()


def reference(folder: Path, text: str, pooling: str = "mean") -> np.ndarray:
    """One text alone, without padding, normalised."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt", truncation=True, max_length=32)
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(folder).eval()(**tokens).last_hidden_state[0]
    vector = hidden.mean(0) if pooling == "mean" else hidden[0]
    return (vector / vector.norm()).numpy()


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_each_text_gets_its_own_vector_whatever_it_is_batched_with(batch_size, tiny_bert, rows_of):
    found = vectors(embedding(tiny_bert, batch_size=batch_size), rows_of(TEXTS))
    for text, vector in zip(TEXTS, found, strict=True):
        np.testing.assert_allclose(vector, reference(tiny_bert, text), atol=1e-6)


def test_a_null_text_has_no_vector(tiny_bert, rows_of):
    rows = rows_of([None, "a cat", None, None, None, None])
    (first, second) = embedding(tiny_bert, into="v").work(rows)
    assert first.schema.field("v").type == second.schema.field("v").type == pa.list_(pa.float32())
    assert [vector is None for vector in first["v"].to_pylist()] == [True, False, True, True]
    assert second["v"].to_pylist() == [None, None]
    np.testing.assert_allclose(first["v"][1].as_py(), reference(tiny_bert, "a cat"), atol=1e-6)


def test_the_model_is_loaded_once(tiny_bert, rows_of, monkeypatch):
    from ladle_text import encoder

    loads = []
    load = encoder._load
    monkeypatch.setattr(encoder, "_load", lambda folder: loads.append(folder) or load(folder))
    assert len(vectors(embedding(tiny_bert), rows_of(TEXTS, cut=1))) == len(TEXTS)
    assert loads == [tiny_bert]


def test_pooling_by_the_first_token(tiny_bert, rows_of):
    (vector,) = vectors(embedding(tiny_bert, pooling="cls"), rows_of(["a cat"]))
    np.testing.assert_allclose(vector, reference(tiny_bert, "a cat", "cls"), atol=1e-6)


@pytest.mark.parametrize(
    "config",
    [
        {"word_embedding_dimension": 32, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False},
        {"embedding_dimension": 32, "pooling_mode": "cls"},
    ],
)
def test_auto_pools_as_the_model_was_made_to(config, encoder_folder, rows_of):
    folder = encoder_folder({"1_Pooling/config.json": config})
    (vector,) = vectors(embedding(folder), rows_of(["a cat"]))
    np.testing.assert_allclose(vector, reference(folder, "a cat", "cls"), atol=1e-6)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"1_Pooling/config.json": {"pooling_mode": "lasttoken"}}, "made to pool its tokens by lasttoken, which is"),
        (
            {"1_Pooling/config.json": {"pooling_mode_cls_token": True, "pooling_mode_max_tokens": True}},
            "made to pool its tokens by cls and max_tokens, which is not possible here",
        ),
        (
            {"modules.json": [{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}]},
            "made to go through Dense too, which is not possible here",
        ),
    ],
)
def test_a_model_made_for_something_else_is_refused_until_pooling_is_named(files, message, encoder_folder, rows_of):
    folder = encoder_folder(files)
    with pytest.raises(OptionError, match=message) as raised:
        vectors(embedding(folder), rows_of(["a cat"]))
    assert raised.value.option == "pooling"
    assert len(vectors(embedding(folder, pooling="mean"), rows_of(["a cat"]))) == 1


def test_lengths_are_left_where_vectors_are_not_normalised(tiny_bert, rows_of):
    ((plain,), (normal,)) = (
        vectors(embedding(tiny_bert, normalise=normalise), rows_of(["a cat"])) for normalise in (False, True)
    )
    assert np.linalg.norm(normal) == pytest.approx(1)
    assert np.linalg.norm(plain) != pytest.approx(1)
    np.testing.assert_allclose(np.array(plain) / np.linalg.norm(plain), normal, atol=1e-6)


def test_only_max_length_tokens_count(tiny_bert, rows_of):
    long, short = vectors(embedding(tiny_bert, max_length=4), rows_of(["a cat sits on the mat", "a cat"]))
    np.testing.assert_allclose(long, short, atol=1e-6)


def test_the_length_that_the_model_was_made_for_counts_if_none_is_given(encoder_folder, rows_of):
    folder = encoder_folder({"sentence_bert_config.json": {"max_seq_length": 4}})
    long, short = vectors(embedding(folder), rows_of(["a cat sits on the mat", "a cat"]))
    np.testing.assert_allclose(long, short, atol=1e-6)


def test_a_text_longer_than_the_model_can_read_is_cut(tiny_bert, rows_of):
    long, cut = vectors(embedding(tiny_bert), rows_of(["cat " * 100, "cat " * 30]))
    np.testing.assert_allclose(long, cut, atol=1e-6)


def test_a_length_beyond_the_positions_is_refused(tiny_bert, rows_of):
    with pytest.raises(OptionError, match="reads at most 40 tokens of a text, not 41") as raised:
        vectors(embedding(tiny_bert, max_length=41), rows_of(["a cat"]))
    assert raised.value.option == "max_length"


def test_the_positions_of_roberta_begin_behind_the_padding(encoder_folder, rows_of):
    from transformers import RobertaConfig, RobertaModel

    folder = encoder_folder(without=["model.safetensors", "config.json"])
    config = RobertaConfig(
        vocab_size=20,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=20,
        pad_token_id=0,
    )
    RobertaModel(config).save_pretrained(folder)
    assert len(vectors(embedding(folder), rows_of(["cat " * 100]))[0]) == 32
    with pytest.raises(OptionError, match="reads at most 19 tokens of a text, not 20"):
        vectors(embedding(folder, max_length=20), rows_of(["a cat"]))


def test_the_encoder_of_an_encoder_decoder_is_enough(encoder_folder, rows_of):
    from transformers import T5Config, T5Model

    folder = encoder_folder(without=["model.safetensors", "config.json"])
    T5Model(T5Config(vocab_size=20, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2)).save_pretrained(folder)
    assert len(vectors(embedding(folder), rows_of(["a cat"]))[0]) == 32


def test_a_text_in_which_the_tokeniser_finds_nothing_is_a_vector_of_zeros(encoder_folder, rows_of):
    folder = encoder_folder({"tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast"}})
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer | {"post_processor": None}))  # no [CLS], no [SEP]
    empty, full = vectors(embedding(folder), rows_of(["", "a cat"]))
    assert empty == [0] * 32
    assert np.linalg.norm(full) == pytest.approx(1)


def test_the_prompt_stands_before_each_text(tiny_bert, rows_of):
    (prompted,) = vectors(embedding(tiny_bert, prompt="the "), rows_of(["cat"]))
    np.testing.assert_allclose(prompted, reference(tiny_bert, "the cat"), atol=1e-6)


def test_bfloat16_is_near(tiny_bert, rows_of):
    (near,) = vectors(embedding(tiny_bert, precision="bfloat16"), rows_of(["a cat sits"]))
    exact = reference(tiny_bert, "a cat sits")
    assert near @ exact == pytest.approx(1, abs=1e-3)
    assert not np.array_equal(np.array(near, np.float32), exact)


def test_weights_that_are_no_safetensors_are_refused(encoder_folder, rows_of):
    folder = encoder_folder(without=["model.safetensors"])
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(OptionError, match=r"cannot be loaded: .*no file named model.safetensors") as raised:
        vectors(embedding(folder), rows_of(["a cat"]))
    assert raised.value.option == "model"


def test_a_folder_without_a_tokeniser_is_refused(encoder_folder, rows_of):
    folder = encoder_folder(without=["tokenizer.json"])
    with pytest.raises(OptionError, match="has no tokeniser"):
        vectors(embedding(folder), rows_of(["a cat"]))


def test_a_model_that_lacks_weights_is_refused(encoder_folder, rows_of):
    from safetensors.torch import load_file, save_file

    folder = encoder_folder()
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(OptionError, match=r"1 are missing .*, such as encoder.layer.1.output.dense.weight"):
        vectors(embedding(folder), rows_of(["a cat"]))


def test_a_device_that_is_not_there_is_refused(tiny_bert, rows_of, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(OptionError, match="this machine has no cuda") as raised:
        vectors(embedding(tiny_bert, device="cuda"), rows_of(["a cat"]))
    assert raised.value.option == "device"
    assert raised.value.help.startswith('write device = "auto"')


def test_the_model_of_a_stage_is_refused_before_any_work():
    with pytest.raises(ValueError, match="the model of a train stage cannot embed yet"):
        SentenceEmbedding.model_validate({"model": {"stage": "first"}})


def test_declares_the_vector_it_makes(tiny_bert):
    after = embedding(tiny_bert, column="body").columns_after(Columns({"body": "text"}))
    assert dict(after) == {"body": "text", "embedding": "vector"}
    with pytest.raises(OptionError, match="no column `text` at this point"):
        embedding(tiny_bert).columns_after(Columns({"body": "text"}))


def test_a_folder_is_found_from_the_folder_of_the_recipe(tiny_bert, rows_of):
    component = SentenceEmbedding.model_validate(
        {"model": {"pretrained": tiny_bert.name}, "device": "cpu"}, context={"folder": tiny_bert.parent}
    )
    assert len(vectors(component, rows_of(["a cat"]))) == 1


def test_texts_that_will_be_cut_are_told_before_any_work(tiny_bert, encoder_folder):
    sample = Sample([{"text": "cat " * (40 if n % 2 else 4)} for n in range(50)])
    [doubt] = embedding(tiny_bert).doubts(sample)
    assert str(doubt) == (
        "about 50% of the texts are longer than 32 tokens and will be cut (of the first 50 rows the longest has 42)"
    )
    assert (doubt.option, doubt.help) == ("max_length", "the model can read 40: set `max_length` higher")
    shorter = encoder_folder({"sentence_bert_config.json": {"max_seq_length": 5}})
    assert "longer than 5 tokens" in str(next(embedding(shorter).doubts(sample)))
    assert list(embedding(tiny_bert).doubts(Sample([{"text": "cat " * 4}] * 50))) == []


def test_a_model_beside_the_recipe_is_in_the_lock_by_a_path_that_holds_from_anywhere(encoder_folder, tmp_path):
    from ladle.recipe import load
    from ladle.runner import run
    from ladle.runs import Runs

    folder = encoder_folder()
    (tmp_path / "texts.txt").write_text("a cat\na dog\n")
    (tmp_path / "recipe.toml").write_text(f"""
        [data.texts]
        source = {{ use = "text", path = "texts.txt" }}
        extract = [{{ use = "sentence-embedding", column = "text", model = {{ pretrained = "{folder.name}" }} }}]
        """)
    done = run(load(tmp_path / "recipe.toml")[0], Runs(tmp_path / "runs"))
    [extract] = [stage for stage in done.lock["stages"] if stage["kind"] == "extract"]
    assert extract["options"]["model"]["pretrained"] == str(folder)
