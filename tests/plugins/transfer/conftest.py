from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import Field

from ladle import DataSource, InputPath, Technique
from ladle.prediction import Predictor
from ladle.recipe import load
from ladle.recipe.model import Recipe
from ladle.registry import About, Offer, Plugin, Registry, installed
from ladle.runner import run
from ladle.runs import Run, Runs

VOCABULARY = "[PAD] [UNK] [CLS] [SEP] a the film is good bad fine awful plot and dull very new end of day"
WORDS = VOCABULARY.split()
LAYERS = 4


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


class Watching(Technique):
    """Remembers the model in training, counts the rows that its lowest layer works on, and fails if told to."""

    fail_at: int | None = Field(default=None, description="The step in which to fail.")

    seen: ClassVar[list[Any]] = []
    worked: ClassVar[list[int]] = []
    _steps: int = 0

    def model(self, inner: Any) -> Any:
        import torch

        model = inner()
        layers = max((m for m in model.modules() if isinstance(m, torch.nn.ModuleList)), key=len)
        deep = next(m for m in layers[0].modules() if isinstance(m, torch.nn.Linear))
        handle = deep.register_forward_hook(lambda _, inputs, output: self.worked.append(len(output)))
        self.seen.append((model, handle))
        return model

    def loss(self, inner: Any, model: Any, batch: dict[str, Any]) -> Any:
        self._steps += 1
        if self._steps == self.fail_at:
            raise RuntimeError("told to fail")
        return inner(model, batch)


class Moving(Technique):
    """Stands for techniques that move embeddings."""

    needs = frozenset({"embeddings"})


@dataclass
class Trained:
    """A finished run and what its train stage left."""

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
    def losses(self) -> list[float]:
        history = json.loads((self.runs.store.folder(self._locked["key"]) / "history.json").read_text())
        return [entry["loss"] for entry in history if "loss" in entry]

    def weights(self) -> dict[str, Any]:
        from safetensors.torch import load_file

        return load_file(self.model / "model.safetensors")

    def predict(self, texts: list[str]) -> list[dict[str, Any]]:
        return Predictor(self.run)([{"text": text} for text in texts])


@pytest.fixture
def watching() -> Iterator[type[Watching]]:
    """The technique `watching`, which has seen nothing yet."""
    yield Watching
    Watching.seen.clear()
    Watching.worked.clear()


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], Recipe]:
    """Loads and checks a recipe of 60 short reviews with these train stages."""

    def read(stages: str) -> Recipe:
        (tmp_path / "rows.json").write_text(json.dumps(reviews()))
        recipe = tmp_path / "recipe.toml"
        recipe.write_text(
            '[data.rows.source]\nuse = "json-rows"\npath = "rows.json"\n[data.rows.split]\ncolumn = "split"\n' + stages
        )
        real, here = installed(), Plugin(About("ladle", "1"))
        offers = [
            Offer("json-rows", "source", here, JsonRows),
            Offer("watching", "technique", here, Watching),
            Offer("moving", "technique", here, Moving),
        ]
        return load(recipe, Registry(real.plugins, [*real.offers, *offers]))[0]

    return read


@pytest.fixture
def train(read: Callable[[str], Recipe], tmp_path: Path) -> Callable[..., Trained]:
    """Runs a recipe of 60 short reviews with these train stages."""

    def train(stages: str) -> Trained:
        runs = Runs(tmp_path / "runs")
        return Trained(run(read(stages), runs), runs)

    return train


def reviews() -> list[dict[str, Any]]:
    """40 texts to train, 8 to validate and 12 to test on, in two classes that a word tells apart."""
    rows = []
    for number in range(60):
        word = ("good", "bad", "fine", "awful")[number % 4]
        text = f"{('the', 'a', 'very')[number % 3]} film is {word} {'of day ' * (number % 5)}".strip()
        split = "train" if number < 40 else "validation" if number < 48 else "test"
        rows.append({"text": text, "label": "np"[number % 2 == 0], "split": split})
    return rows


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    around = [("[CLS]", 2), ("[SEP]", 3)]
    words.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=around)
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=words, **special)


def _model(kind: str, dropout: float) -> Any:
    import torch
    import transformers

    torch.manual_seed(3)
    wide = {"hidden_size": 32, "num_hidden_layers": LAYERS, "num_attention_heads": 2, "intermediate_size": 64}
    encoder = wide | {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    sizes = {
        "bert": ("Bert", encoder),
        "roberta": ("Roberta", encoder),
        "distilbert": (
            "DistilBert",
            {"dim": 32, "n_layers": LAYERS, "n_heads": 2, "hidden_dim": 64}
            | {"dropout": dropout, "attention_dropout": dropout, "seq_classif_dropout": dropout},
        ),
        "llama": ("Llama", wide | {"attention_dropout": dropout}),
        "gpt2": (
            "GPT2",
            {"n_embd": 32, "n_layer": LAYERS, "n_head": 2, "n_positions": 64}
            | {"resid_pdrop": dropout, "embd_pdrop": dropout, "attn_pdrop": dropout},
        ),
    }
    name, options = sizes[kind]
    options = {"max_position_embeddings": 64} | options if kind != "gpt2" else options
    config = getattr(transformers, f"{name}Config")(vocab_size=len(WORDS), pad_token_id=0, **options)
    return getattr(transformers, f"{name}Model")(config)


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The folder of a tiny random model of four layers: bert, roberta, distilbert, llama or gpt2."""
    folders: dict[tuple[str, float], Path] = {}

    def folder_of(kind: str, dropout: float = 0.0) -> Path:
        if (kind, dropout) not in folders:
            folder = folders[kind, dropout] = tmp_path_factory.mktemp(kind)
            _model(kind, dropout).save_pretrained(folder)
            _tokenizer().save_pretrained(folder)
        return folders[kind, dropout]

    return folder_of
