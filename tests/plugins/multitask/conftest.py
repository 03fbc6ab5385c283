"""Tiny random models, two data sets of short texts with targets of several kinds, and recipes of several tasks."""

from __future__ import annotations

import gc
import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import Field

from ladle import DataSource, InputPath, Technique, Trainer
from ladle.recipe import load
from ladle.recipe.model import Recipe
from ladle.registry import About, Offer, Plugin, Registry, installed
from ladle.runner import run
from ladle.runs import Run, Runs

VOCABULARY = "[PAD] [UNK] [CLS] [SEP] [MASK] a the film is good bad fine awful plot and dull very new end of day"
WORDS = VOCABULARY.split()
LAYERS = 2


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


class OfItsOwn(Trainer):
    """A trainer with a loop of its own."""

    trainer_class = "trl:SFTTrainer"


class Steps(Technique):
    """Keeps of each step the gradients and the weights before it, and of each batch its task, rows and length."""

    padding: int = Field(default=0, description="Tokens of padding to add to each batch.")
    fail_at: int | None = Field(default=None, description="The batch in which to fail.")

    kept: ClassVar[list[dict[str, Any]]] = []
    batches: ClassVar[list[tuple[str, list[str], int]]] = []
    models: ClassVar[list[Any]] = []

    def model(self, inner: Any) -> Any:
        self.models.append(inner())
        return self.models[-1]

    def batch(self, inner: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
        batch = inner(rows)
        self.batches.append((batch.get("task"), [row["_id"] for row in rows], batch["input_ids"].shape[1]))
        return _padded(batch, self.padding) if self.padding else batch

    def loss(self, inner: Any, model: Any, batch: dict[str, Any]) -> Any:
        terms = inner(model, batch)
        if len(self.batches) == self.fail_at:
            raise RuntimeError("told to fail")
        return terms

    def callbacks(self) -> list[Any]:
        from transformers import TrainerCallback

        kept = self.kept

        class Keep(TrainerCallback):
            def on_pre_optimizer_step(self, args, state, control, model=None, optimizer=None, **_):
                names = {parameter: name for name, parameter in model.named_parameters()}
                kept.append(
                    {
                        "gradients": {n: p.grad.clone() for p, n in names.items() if p.grad is not None},
                        "rates": {names[p]: group["lr"] for group in optimizer.param_groups for p in group["params"]},
                        "weights": {n: p.detach().clone() for p, n in names.items()},
                    }
                )

        return [Keep()]


def _padded(batch: dict[str, Any], count: int) -> dict[str, Any]:
    """A batch whose rows are padded by so many tokens more."""
    import torch

    ids = batch["input_ids"]
    mask = batch.get("attention_mask", torch.ones_like(ids))
    wide = {name: torch.nn.functional.pad(value, (0, count)) for name, value in (("input_ids", ids), ("m", mask))}
    batch = batch | {"input_ids": wide["input_ids"], "attention_mask": wide["m"]}
    if batch.get("labels", ids[:, 0]).shape == ids.shape:
        batch["labels"] = torch.nn.functional.pad(batch["labels"], (0, count), value=-100)
    return batch


class Interrupted(Technique):
    """Asks to stop after a number of steps: the first time only."""

    after: int
    note: str

    def callbacks(self) -> list[Any]:
        from transformers import TrainerCallback

        after, note = self.after, Path(self.note)

        class Stop(TrainerCallback):
            def on_step_end(self, args, state, control, **_):
                if state.global_step == after and not note.exists():
                    note.touch()
                    os.kill(os.getpid(), signal.SIGTERM)

        return [Stop()]


class Blind(Technique):
    """Puts rows into batches without looking at their tasks, and says nothing of it."""

    def sampler(self, inner: Any, dataset: Any) -> Any:
        from torch.utils.data import BatchSampler

        return BatchSampler(range(3, len(dataset)), 8, drop_last=False)


class Doubled(Technique):
    """Makes each step of a batch two."""

    def step(self, inner: Any, model: Any, batch: dict[str, Any]) -> Any:
        inner(model, batch)
        return inner(model, batch)


class Wasteful(Technique):
    """Has memory for a number of rows in a batch."""

    rows: int

    def step(self, inner: Any, model: Any, batch: dict[str, Any]) -> Any:
        import torch

        if len(batch["input_ids"]) > self.rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
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
    def history(self) -> list[dict[str, Any]]:
        return json.loads((self.runs.store.folder(self._locked["key"]) / "history.json").read_text())

    @property
    def losses(self) -> list[float]:
        return [entry["loss"] for entry in self.history if "loss" in entry]

    @property
    def details(self) -> dict[str, Any]:
        return json.loads((self.runs.store.folder(self._locked["key"]) / "details.json").read_text())

    @property
    def notes(self) -> dict[str, Any]:
        return self.runs.store.outcome(self._locked["key"])["details"]["notes"]

    def weights(self, folder: str = "") -> dict[str, Any]:
        from safetensors.torch import load_file

        return load_file(self.model / folder / "model.safetensors")


@pytest.fixture
def steps() -> Iterator[type[Steps]]:
    """The technique `steps`, which has kept nothing yet."""
    for kept in (Steps.kept, Steps.batches, Steps.models):
        kept.clear()
    yield Steps
    for kept in (Steps.kept, Steps.batches, Steps.models):
        kept.clear()


ENTITIES = {"use": "token-classification", "data": "tweets", "column": "words", "target": "tags"}
SENTIMENT = {"use": "text-classification", "data": "reviews", "target": "sentiment", "head": "own"}
TASKS = {"entities": ENTITIES, "sentiment": SENTIMENT}


@pytest.fixture
def stage() -> Callable[..., str]:
    """Writes a multi-task stage on the model in a folder, or that of a stage; options of None are left out."""

    def stage(
        start: Path | str, *techniques: dict[str, Any], tasks: dict[str, dict[str, Any]] = TASKS, **options: Any
    ) -> str:
        model = {"pretrained": str(start)} if isinstance(start, Path) else {"stage": start}
        usual = {"name": "both", "epochs": 2, "learning_rate": 1e-3, "batch_size": 8, "device": "cpu", "model": model}
        lines = ["[[train]]", 'use = "multi-task"', *_lines(usual | options)]
        for name, task in tasks.items():
            lines += [f"[train.tasks.{_toml(name)}]", *_lines(task)]
        for technique in techniques:
            lines += ["[[train.technique]]", *_lines(technique)]
        return "\n".join(lines) + "\n"

    return stage


@pytest.fixture
def alone() -> Callable[..., str]:
    """Writes a stage that trains one task by itself."""

    def alone(start: Path, *techniques: dict[str, Any], **options: Any) -> str:
        usual = {"epochs": 2, "learning_rate": 1e-3, "batch_size": 8, "device": "cpu"}
        lines = ["[[train]]", *_lines(usual | {"model": {"pretrained": str(start)}} | options)]
        for technique in techniques:
            lines += ["[[train.technique]]", *_lines(technique)]
        return "\n".join(lines) + "\n"

    return alone


def _lines(options: dict[str, Any]) -> list[str]:
    return [f"{name} = {_toml(value)}" for name, value in options.items() if value is not None]


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(_lines(value)) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Recipe]:
    """Loads and checks a recipe of 40 reviews and 24 tweets to train on, and as many that are held out if wanted."""

    def read(stages: str, held_out: bool = False, few: bool = False, seed: int = 0) -> Recipe:
        tables = f"seed = {seed}\n"
        for name, rows, count in (("reviews", reviews(), 40), ("tweets", tweets(), 24)):
            kept = rows if held_out else rows[: 8 if few else count]
            (tmp_path / f"{name}.json").write_text(json.dumps(kept))
            tables += f'[data.{name}.source]\nuse = "json-rows"\npath = "{name}.json"\n'
            tables += f'[data.{name}.split]\ncolumn = "split"\n'
        recipe = tmp_path / "recipe.toml"
        recipe.write_text(tables + stages)
        real, here = installed(), Plugin(About("ladle", "1"))
        offers = [Offer("json-rows", "source", here, JsonRows), Offer("of-its-own", "trainer", here, OfItsOwn)]
        techniques = (Steps, Interrupted, Blind, Doubled, Wasteful)
        offers += [Offer(target.__name__.lower(), "technique", here, target) for target in techniques]
        return load(recipe, Registry(real.plugins, [*real.offers, *offers]))[0]

    return read


@pytest.fixture
def train(read: Callable[..., Recipe], tmp_path: Path) -> Callable[..., Trained]:
    """Runs a recipe with these train stages."""

    def train(stages: str, *given: Any, runs: str = "runs", **options: Any) -> Trained:
        root = Runs(tmp_path / runs)
        trained = Trained(run(read(stages, *given, **options), root), root)
        gc.freeze()  # what has been imported need not be looked through again at the end of the next training
        return trained

    return train


def _split(number: int, train: int, count: int) -> str:
    return "train" if number < train else "validation" if number < (train + count) // 2 else "test"


def reviews() -> list[dict[str, Any]]:
    """40 texts to train on, 8 to validate and 8 to test, with a class and a number that a word tells."""
    rows = []
    for number in range(56):
        word = ("good", "bad", "fine", "awful")[number % 4]
        text = f"{('the', 'a', 'very')[number % 3]} film is {word} {'of day ' * (number % 5)}".strip()
        split = _split(number, 40, 56)
        row = {
            "text": text,
            "sentiment": "np"[number % 2 == 0],
            "word": word,
            "score": float(number % 4) / 2,
            "split": split,
        }
        rows.append(row)
    return rows


def tweets() -> list[dict[str, Any]]:
    """24 lists of words to train on, 6 to validate and 6 to test, with a tag for each word."""
    rows = []
    for number in range(36):
        word = ("good", "plot", "awful", "end")[number % 4]
        words = f"{'and the ' * (number % 3)}{word} is new".split()
        tags = ["B-WORD" if one == word else "O" for one in words]
        rows.append({"words": words, "tags": tags, "split": _split(number, 24, 36)})
    return rows


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = ("unk", "pad", "cls", "sep", "mask")
    return PreTrainedTokenizerFast(tokenizer_object=words, **{f"{name}_token": f"[{name.upper()}]" for name in names})


def _model(kind: str, dropout: float) -> Any:
    import torch
    import transformers

    torch.manual_seed(3)
    wide = {
        "initializer_range": 0.2,
        "hidden_size": 32,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    common = {"vocab_size": len(WORDS), "pad_token_id": 0, "max_position_embeddings": 64}
    if kind == "llama":
        special = {"bos_token_id": None, "eos_token_id": 3, "tie_word_embeddings": True}
        return transformers.LlamaForCausalLM(
            transformers.LlamaConfig(**wide, **common, **special, attention_dropout=dropout)
        )
    if kind == "bart":
        sizes = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64}
        heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "dropout": dropout}
        special = {"bos_token_id": 2, "eos_token_id": 3, "decoder_start_token_id": 3}
        return transformers.BartForConditionalGeneration(transformers.BartConfig(**common, **sizes, **heads, **special))
    if kind == "t5":
        sizes = {"d_model": 32, "d_ff": 64, "d_kv": 16, "num_layers": 2, "num_heads": 2, "vocab_size": len(WORDS)}
        config = transformers.T5Config(**sizes, pad_token_id=0, eos_token_id=3, decoder_start_token_id=0)
        return transformers.T5ForConditionalGeneration(config)
    config = transformers.BertConfig(
        **wide, **common, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout
    )
    return transformers.BertModel(config)


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The folder of a tiny random model of two layers: bert, llama or t5."""
    folders: dict[tuple[Any, ...], Path] = {}

    def folder_of(kind: str = "bert", dropout: float = 0.0) -> Path:
        made = (kind, dropout)
        if made not in folders:
            folder = folders[made] = tmp_path_factory.mktemp(kind)
            _model(*made).save_pretrained(folder)
            _tokenizer().save_pretrained(folder)
        return folders[made]

    return folder_of
