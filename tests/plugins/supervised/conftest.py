from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from ladle import DataSource, InputPath, Technique
from ladle.prediction import Predictor
from ladle.recipe import load
from ladle.registry import About, Offer, Plugin, Registry, installed
from ladle.runner import run
from ladle.runs import Run, Runs

VOCABULARY = "[PAD] [UNK] [CLS] [SEP] a the film is good bad fine awful plot and dull very new end of day"
WORDS = VOCABULARY.split()


class JsonRows(DataSource):
    """The rows of a JSON file."""

    path: InputPath

    def read(self) -> Iterator[Any]:
        yield from self._table().to_batches(max_chunksize=16)

    def peek(self) -> dict[str, Any]:
        from ladle import columns_of

        return dict(columns_of(self._table().schema))

    def _table(self) -> Any:
        import pyarrow as pa

        return pa.Table.from_pylist(json.loads(self.path.read_text()))


class Stopping(Technique):
    """Asks for the end of the run in a step, as a person does, unless it has done so before."""

    after: int = Field(description="How many batches are trained on before.")
    note: str = Field(description="A file that tells that it has done so.")

    _batches: int = 0

    def loss(self, inner: Any, model: Any, batch: dict[str, Any]) -> Any:
        self._batches += 1
        if self._batches > self.after and not Path(self.note).exists():
            Path(self.note).touch()
            os.kill(os.getpid(), signal.SIGINT)
        return inner(model, batch)


@dataclass
class Trained:
    """A finished run and what its last train stage left."""

    run: Run
    runs: Runs

    @property
    def _locked(self) -> dict[str, Any]:
        return self.run.lock["stages"][-1]

    @property
    def model(self) -> Path:
        return self.run.model(self._locked["name"])

    @property
    def metrics(self) -> dict[str, Any]:
        return self.run.outcome["metrics"][self._locked["name"]]

    @property
    def state(self) -> dict[str, Any]:
        return json.loads((self.model / "ladle.json").read_text())["state"]

    @property
    def notes(self) -> dict[str, int]:
        return self.runs.store.outcome(self._locked["key"])["details"]["notes"]

    def file(self, name: str) -> Any:
        return json.loads((self.runs.store.folder(self._locked["key"]) / name).read_text())

    @property
    def details(self) -> dict[str, Any]:
        return self.file("details.json")["test"]

    def weights(self) -> dict[str, Any]:
        from safetensors.torch import load_file

        return load_file(self.model / "model.safetensors")

    def predict(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return Predictor(self.run)(rows)


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., Trained]:
    """Runs a recipe with these rows, which have a column `split`, and this text after its data set."""

    def train(rows: list[dict[str, Any]], stages: str, seed: int = 7, data: str = "", runs: str = "runs") -> Trained:
        (tmp_path / "rows.json").write_text(json.dumps(rows))
        recipe = tmp_path / "recipe.toml"
        recipe.write_text(
            f'seed = {seed}\n[data.rows.source]\nuse = "json-rows"\npath = "rows.json"\n'
            f'[data.rows.split]\ncolumn = "split"\n{data}\n{stages}\n'
        )
        real = installed()
        here = Plugin(About("ladle", "1"))
        offers = [Offer("json-rows", "source", here, JsonRows), Offer("stopping", "technique", here, Stopping)]
        loaded, _ = load(recipe, Registry(real.plugins, [*real.offers, *offers]))
        root = Runs(tmp_path / runs)
        return Trained(run(loaded, root), root)

    return train


def tokenizer(kind: str) -> Any:
    """A tokeniser of a few words: with special tokens around a text, or as decoders have it without, and no padding."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"unk_token": "[UNK]", "eos_token": "[SEP]"}
    if kind != "llama":
        around = [("[CLS]", 2), ("[SEP]", 3)]
        templates = {"single": "[CLS] $A [SEP]", "pair": "[CLS] $A [SEP] $B:1 [SEP]:1"}
        words.post_processor = processors.TemplateProcessing(**templates, special_tokens=around)
        special |= {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    names = ["input_ids", "token_type_ids", "attention_mask"] if kind == "bert" else ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=words, model_input_names=names, **special)


def encoder(kind: str) -> Any:
    """A random model of two layers."""
    import torch
    import transformers

    torch.manual_seed(3)
    options: dict[str, Any] = {"vocab_size": len(WORDS), "pad_token_id": 0}
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    size |= {"max_position_embeddings": 24}
    if kind == "distilbert":
        size = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 24}
    if kind == "llama":
        options["pad_token_id"] = None
    names = {"bert": "Bert", "roberta": "Roberta", "distilbert": "DistilBert", "llama": "Llama"}
    config = getattr(transformers, f"{names[kind]}Config")(**options, **size)
    return getattr(transformers, f"{names[kind]}Model")(config)


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny random model in Hugging Face layout: bert, roberta, distilbert or llama."""
    folders: dict[str, Path] = {}

    def folder_of(kind: str) -> Path:
        if kind not in folders:
            folders[kind] = tmp_path_factory.mktemp(kind)
            encoder(kind).save_pretrained(folders[kind])
            tokenizer(kind).save_pretrained(folders[kind])
        return folders[kind]

    return folder_of


@pytest.fixture
def bert_with(saved: Callable[[str], Path], tmp_path: Path) -> Callable[..., Path]:
    """A copy of the tiny BERT with a changed configuration, with further JSON files, or without some files."""

    def make(config: dict[str, Any] | None = None, files: dict[str, Any] | None = None, without: tuple = ()) -> Path:
        folder = tmp_path / "copy"
        shutil.copytree(saved("bert"), folder)
        about = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(about | (config or {})))
        for name, content in (files or {}).items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(json.dumps(content))
        for name in without:
            (folder / name).unlink()
        return folder

    return make


@pytest.fixture
def reviews() -> list[dict[str, Any]]:
    """Texts of two classes that a word tells apart: 48 to train, 12 to validate and 20 to test on."""
    good, bad = ("good", "fine"), ("bad", "awful", "dull")
    rows = []
    for number in range(80):
        label = "negative" if number % 3 == 0 else "positive"
        word = (bad if label == "negative" else good)[number // 3 % 2]
        text = f"{['the', 'a', 'very'][number % 3]} film {'is ' * (number % 4)}{word} {'of day ' * (number % 5)}"
        split = "train" if number < 48 else "validation" if number < 60 else "test"
        rows.append({"text": f"{text}{'and new ' * (number % 7)}".strip(), "label": label, "split": split})
    return rows


@pytest.fixture
def still_bert(bert_with: Callable[..., Path]) -> Path:
    """The tiny BERT without dropout: what it learns depends on nothing but its rows."""
    return bert_with({"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0})


def _split(number: int) -> str:
    return "train" if number % 5 < 3 else "validation" if number % 5 == 3 else "test"


@pytest.fixture
def sentences() -> list[dict[str, Any]]:
    """60 lists of words of unequal number, with tags: `new plot` and `new` are a PER, `awful end` is a LOC."""
    pieces = [("the film is", "O O O"), ("new plot", "B-PER I-PER"), ("and very", "O O"), ("awful end", "B-LOC I-LOC")]
    pieces += [("new", "B-PER"), ("of a day", "O O O"), ("good", "O")]
    rows = []
    for number in range(60):
        chosen = [pieces[number * (place + 3) // 2 % 7] for place in range(1 + number % 4)]
        words, tags = (" ".join(part).split() for part in zip(*chosen, strict=True))
        rows.append({"tokens": words, "tags": tags, "split": _split(number)})
    return rows


@pytest.fixture
def questions() -> list[dict[str, Any]]:
    """60 questions with contexts of unequal length; the answer is `bad day`, and missing where the context lacks it."""
    fill = ["the film is good", "and the plot is", "very new", "a dull end of the", "fine"]
    rows = []
    for number in range(60):
        pieces = [fill[number * (place + 2) // 3 % 5] for place in range(1 + number % 3)]
        if number % 4:
            pieces.insert(number % len(pieces), "bad day")
        row = {"question": "is the day new" if number % 2 else "the end", "context": " ".join(pieces)}
        rows.append(row | {"answer": "bad day" if number % 4 else None, "split": _split(number)})
    return rows


@pytest.fixture
def ratings() -> list[dict[str, Any]]:
    """60 texts of unequal length with a number that follows from one word, far from 0."""
    worth = {"good": 9.0, "fine": 7.0, "dull": 4.0, "awful": 1.0}
    rows = []
    for number in range(60):
        word = list(worth)[number * 7 // 3 % 4]
        text = f"{'the film is ' * (number % 3)}{word} {'of a day ' * (number % 4)}".strip()
        rows.append({"text": text, "label": 5000 + 100 * worth[word], "split": _split(number)})
    return rows
