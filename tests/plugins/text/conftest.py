from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ladle import Rows
from ladle.rows import ORIGIN_TYPE

WORDS = ["a", "cat", "dog", "sits", "sleeps", "on", "the", "mat", "rug", "stocks", "fell", "today", ".", ",", "##s"]


@pytest.fixture
def rows_of(tmp_path: Path) -> Callable[..., Rows]:
    """Writes rows as they travel between stages, in batches of `cut` rows."""

    def write(texts: Sequence[str | None], cut: int = 4) -> Rows:
        table = pa.table(
            {
                "_id": [f"r{number}" for number in range(len(texts))],
                "_split": ["train"] * len(texts),
                "_origin": pa.nulls(len(texts), ORIGIN_TYPE),
                "text": pa.array(texts, pa.string()),
            }
        )
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.arrow"
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=cut)
        return Rows([path])

    return write


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers with random weights, and a tokeniser of a few words, in Hugging Face layout."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("tiny-bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    tokenizer = BertTokenizer(vocab={word: number for number, word in enumerate(words)}, model_max_length=32)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=40,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def encoder_folder(tiny_bert: Path, tmp_path: Path) -> Callable[..., Path]:
    """Copies the tiny BERT, with further JSON files beside it, or without some files."""

    def make(files: dict[str, Any] | None = None, without: Sequence[str] = ()) -> Path:
        folder = tmp_path / f"encoder-{len(list(tmp_path.iterdir()))}"
        shutil.copytree(tiny_bert, folder)
        for name, content in (files or {}).items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(json.dumps(content))
        for name in without:
            (folder / name).unlink()
        return folder

    return make
