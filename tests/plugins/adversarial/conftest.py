"""Tiny random models, 60 short reviews, and recipes that train on them."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from pydantic import Field

from ladle import DataSource, InputPath, Technique, Trainer
from ladle.recipe import load
from ladle.recipe.model import Recipe
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


class Watching(Technique):
    """Remembers the model, the last batch and the terms of losses; fails if told to."""

    fail_at: int | None = Field(default=None, description="The loss at which to fail.")

    models: ClassVar[list[Any]] = []
    batches: ClassVar[list[Any]] = []
    losses: ClassVar[list[dict[str, Any]]] = []

    def model(self, inner: Any) -> Any:
        self.models.append(inner())
        return self.models[-1]

    def batch(self, inner: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
        self.batches.append(inner(rows))
        return self.batches[-1]

    def loss(self, inner: Any, model: Any, batch: dict[str, Any]) -> Any:
        terms = inner(model, batch)
        self.losses.append({name: term.values.detach().clone() for name, term in terms.items()})
        if len(self.losses) == self.fail_at:
            raise RuntimeError("told to fail")
        return terms


class Eight(Trainer):
    """Trains on eight short reviews in one step, padded as much as it is told to; keeps the gradients."""

    offers = frozenset({"items", "labels", "embeddings", "tokens"})

    padding: int = 0

    def batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        import torch

        longest = max(len(row["input_ids"]) for row in rows) + self.padding
        ids = torch.tensor([row["input_ids"] + [0] * (longest - len(row["input_ids"])) for row in rows])
        labels = torch.tensor([row["labels"] for row in rows])
        return {
            "input_ids": ids,
            "attention_mask": (ids > 0).long(),
            "labels": labels,
            "counts": {"rows": torch.tensor(len(rows))},
        }

    def sampler(self, dataset: Any) -> Any:
        from torch.utils.data import BatchSampler

        return BatchSampler(range(len(dataset)), self.batch_size, drop_last=False)

    def loss(self, model: Any, batch: dict[str, Any]) -> Any:
        from torch.nn.functional import cross_entropy

        from ladle.training import Term, forward

        values = cross_entropy(forward(model, batch).logits.float(), batch["labels"], reduction="none")
        return {"cross-entropy": Term(values)}

    def callbacks(self) -> list[Any]:
        from transformers import TrainerCallback

        found = self.setting.notes

        class Look(TrainerCallback):
            def on_pre_optimizer_step(self, args, state, control, model=None, **_):
                model = getattr(model, "module", model)
                found.update({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})

        return [Look()]


def gradients_of_eight(
    folder: Path, techniques: list[Technique], model: Any = None, precision: str = "float32", **options: Any
) -> dict[str, Any]:
    """The gradient of each parameter after one step of ladle's loop on eight rows of very different lengths."""
    import contextlib
    import io

    import torch
    import transformers
    from datasets import Dataset

    from ladle.training.arguments import training_arguments
    from ladle.training.loop import follow
    from ladle.training.plan import Plan

    setting = SimpleNamespace(device="cpu", precision=precision, seed=3, notes={}, autocast=None, told=dict)
    given = {"data": "rows", "batch_size": 8, "clip": 0, "epochs": 1} | options
    trainer = Eight.model_validate(given).within(setting)
    setting.plan = plan = Plan(trainer, [technique.within(setting) for technique in techniques])
    setting.model = _tiny("bert", task="ForSequenceClassification") if model is None else model
    torch.manual_seed(5)
    rows = Dataset.from_list(
        [{"input_ids": _tokens(r["text"]), "labels": "np".index(r["label"])} for r in _reviews()[:8]]
    )
    loop = follow(transformers.Trainer)(
        model=setting.model,
        args=training_arguments(trainer, folder, len(rows), has_validation=False),
        train_dataset=rows,
        data_collator=trainer.batch,
        callbacks=[callback for part in (trainer, *plan.techniques) for callback in part.callbacks()],
        plan=plan,
        aside=folder,
    )
    with contextlib.redirect_stdout(io.StringIO()):
        loop.train()
    return setting.notes


def _tokens(text: str) -> list[int]:
    return [2, *(WORDS.index(word) for word in text.split()), 3]


@pytest.fixture
def gradients(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """The gradients of one step on eight rows with these techniques; options are the trainer's."""
    return functools.partial(gradients_of_eight, tmp_path)


class OwnLoss(Trainer):
    """Leaves the loss to its Trainer class, which gives one number per batch."""

    offers = frozenset({"embeddings"})

    def model(self) -> Any:
        return _tiny("bert", task="ForSequenceClassification")

    def dataset(self, split: str) -> Any:
        rows = self.setting.rows(split)
        rows = rows.add_column("input_ids", [_tokens(text) for text in rows["text"]]).add_column(
            "labels", [int(label == "p") for label in rows["label"]]
        )
        return rows.select_columns(["_id", "input_ids", "labels"])

    def batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        import torch

        longest = max(len(row["input_ids"]) for row in rows)
        ids = torch.tensor([row["input_ids"] + [0] * (longest - len(row["input_ids"])) for row in rows])
        return {
            "input_ids": ids,
            "attention_mask": (ids > 0).long(),
            "labels": torch.tensor([r["labels"] for r in rows]),
        }

    def save(self, model: Any, folder: Path) -> None:
        model.save_pretrained(folder)


class Interrupted(Technique):
    """Asks to stop after a number of steps: the first time only."""

    after: int
    note: str

    def callbacks(self) -> list[Any]:
        import os
        import signal

        from transformers import TrainerCallback

        after, note = self.after, Path(self.note)

        class Stop(TrainerCallback):
            def on_step_end(self, args, state, control, **_):
                if state.global_step == after and not note.exists():
                    note.touch()
                    os.kill(os.getpid(), signal.SIGTERM)

        return [Stop()]


@dataclass
class Trained:
    """A finished run and what its last train stage left."""

    run: Run
    runs: Runs

    @property
    def _locked(self) -> dict[str, Any]:
        return self.run.lock["stages"][-1]

    @property
    def metrics(self) -> dict[str, Any]:
        return self.run.outcome["metrics"][self._locked["name"]]

    @property
    def history(self) -> list[dict[str, Any]]:
        return self.file("history.json")

    def file(self, name: str) -> Any:
        return json.loads((self.runs.store.folder(self._locked["key"]) / name).read_text())

    def weights(self) -> dict[str, Any]:
        from safetensors.torch import load_file

        return load_file(self.run.model(self._locked["name"]) / "model.safetensors")


@pytest.fixture
def watching() -> Iterator[type[Watching]]:
    """The technique `watching`, which has seen nothing yet."""
    kept = (Watching.models, Watching.batches, Watching.losses)
    for seen in kept:
        seen.clear()
    yield Watching
    for seen in kept:
        seen.clear()


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Recipe]:
    """Loads and checks a recipe of 60 short reviews with these train stages."""

    def read(stages: str, rows: list[dict[str, Any]] | None = None) -> Recipe:
        (tmp_path / "rows.json").write_text(json.dumps(rows or _reviews()))
        recipe = tmp_path / "recipe.toml"
        recipe.write_text(
            'seed = 5\n[data.rows.source]\nuse = "json-rows"\npath = "rows.json"\n'
            f'[data.rows.split]\ncolumn = "split"\n{stages}'
        )
        real, here = installed(), Plugin(About("ladle", "1"))
        offers = [
            Offer("json-rows", "source", here, JsonRows),
            Offer("watching", "technique", here, Watching),
            Offer("interrupted", "technique", here, Interrupted),
            Offer("own-loss", "trainer", here, OwnLoss),
        ]
        return load(recipe, Registry(real.plugins, [*real.offers, *offers]))[0]

    return read


@pytest.fixture
def train(read: Callable[..., Recipe], tmp_path: Path) -> Callable[..., Trained]:
    """Runs a recipe of 60 short reviews with these train stages."""

    def train(stages: str, rows: list[dict[str, Any]] | None = None) -> Trained:
        runs = Runs(tmp_path / "runs")
        return Trained(run(read(stages, rows), runs), runs)

    return train


@pytest.fixture
def stage(saved: Callable[..., Path]) -> Callable[..., str]:
    """A train stage on a tiny model with these techniques, each its name and its options."""

    def stage(*techniques: tuple[str, dict[str, Any]], kind: str = "bert", dropout: float = 0.0, **options: Any) -> str:
        given = {
            "use": "text-classification",
            "data": "rows",
            "model": {"pretrained": str(saved(kind, dropout))},
            "epochs": 1,
            "batch_size": 8,
            "learning_rate": 1e-3,
            "head": "own",
            "device": "cpu",
        } | options
        tables = ["[[train]]", *_lines({name: value for name, value in given.items() if value is not None})]
        for use, own in techniques:
            tables += ["[[train.technique]]", *_lines({"use": use} | own)]
        return "\n".join(tables) + "\n"

    return stage


def _lines(options: dict[str, Any]) -> list[str]:
    return [f"{name} = {_toml(value)}" for name, value in options.items()]


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


def _reviews() -> list[dict[str, Any]]:
    """40 texts to train, 8 to validate and 12 to test on, in two classes that a word tells apart."""
    rows = []
    for number in range(60):
        word = ("good", "bad", "fine", "awful")[number % 4]
        text = f"{('the', 'a', 'very')[number % 3]} film is {word} {'of day ' * (number % 5)}".strip()
        split = "train" if number < 40 else "validation" if number < 48 else "test"
        rows.append({"text": text, "label": "np"[number % 2 == 0], "split": split})
    return rows


@pytest.fixture
def reviews() -> list[dict[str, Any]]:
    """What recipes train on unless a test gives other rows."""
    return _reviews()


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    around = [("[CLS]", 2), ("[SEP]", 3)]
    words.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=around)
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=words, **special)


def _tiny(kind: str, dropout: float = 0.0, task: str = "") -> Any:
    """A random model of two layers: bert, distilbert, llama, t5 or bart, bare or for a task of transformers."""
    import torch
    import transformers

    torch.manual_seed(3)
    wide = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    bert = wide | {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    bart = {f"{part}_{name}": 2 for part in ("encoder", "decoder") for name in ("layers", "attention_heads")}
    sizes: dict[str, tuple[str, dict[str, Any]]] = {
        "bert": ("Bert", bert),
        "distilbert": ("DistilBert", {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "dropout": dropout}),
        "llama": ("Llama", wide | {"attention_dropout": dropout}),
        "t5": ("T5", {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2, "dropout_rate": dropout}),
        "bart": ("Bart", bart | {"d_model": 16, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "dropout": dropout}),
    }
    name, options = sizes[kind]
    special = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "decoder_start_token_id": 2}
    options = {"max_position_embeddings": 64} | special | options
    config = getattr(transformers, f"{name}Config")(vocab_size=len(WORDS), **options)
    return getattr(transformers, f"{name}{task or 'Model'}")(config)


@pytest.fixture
def tiny() -> Callable[..., Any]:
    """Makes a tiny random model: its kind, its dropout, and the end of its class's name."""
    return _tiny


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The folder of a tiny random model, with a tokeniser of whole words."""
    folders: dict[tuple[str, float], Path] = {}

    def folder_of(kind: str, dropout: float = 0.0) -> Path:
        if (kind, dropout) not in folders:
            folder = folders[kind, dropout] = tmp_path_factory.mktemp(kind)
            _tiny(kind, dropout).save_pretrained(folder)
            _tokenizer().save_pretrained(folder)
        return folders[kind, dropout]

    return folder_of


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny classifier that puts all reviews into their classes."""
    import torch

    model = _tiny("bert", task="ForSequenceClassification")
    model.config.id2label, model.config.label2id = {0: "n", 1: "p"}, {"n": 0, "p": 1}
    rows = _reviews()
    tokens = [_tokens(row["text"]) for row in rows]
    longest = max(map(len, tokens))
    ids = torch.tensor([own + [0] * (longest - len(own)) for own in tokens])
    labels = torch.tensor(["np".index(row["label"]) for row in rows])
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        logits = model(input_ids=ids, attention_mask=(ids > 0).long()).logits
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(logits, labels).backward()
        optimiser.step()
    folder = tmp_path_factory.mktemp("fitted")
    model.save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    return folder
