from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from ladle import DataSource, InputPath, Rows, Technique
from ladle.components import RowWork
from ladle.recipe import load
from ladle.recipe.model import Recipe
from ladle.registry import About, Offer, Plugin, Registry, installed
from ladle.rows import ORIGIN_TYPE, columns_of
from ladle.runner import run
from ladle.runs import Run, Runs

VOCABULARY = "[PAD] [UNK] [CLS] [SEP] [MASK] a the film is good bad fine awful plot and dull very new end of day"
WORDS = VOCABULARY.split()


# Labelers at work on rows


@pytest.fixture
def rows_of(tmp_path: Path) -> Callable[..., Rows]:
    """Writes rows as they travel between stages: in batches of `cut` rows, all in the train split unless told."""

    def write(columns: dict[str, Any], splits: Sequence[str] | None = None, cut: int = 7) -> Rows:
        table = pa.table(columns)
        system = {
            "_id": pa.array([f"r{number}" for number in range(len(table))], pa.string()),
            "_split": pa.array(splits or ["train"] * len(table), pa.string()),
            "_origin": pa.nulls(len(table), ORIGIN_TYPE),
        }
        for name, values in system.items():
            table = table.append_column(name, values)
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.arrow"
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=cut)
        return Rows([path])

    return write


@pytest.fixture
def learnt() -> Callable[[RowWork, Rows], RowWork]:
    """A labeler that has learnt from the train split, by way of JSON as in a run."""

    def learn(labeler: RowWork, rows: Rows) -> RowWork:
        return labeler.with_state(json.loads(json.dumps(labeler.fit(rows.of_split("train")), allow_nan=False)))

    return learn


@pytest.fixture
def labelled(learnt: Callable[[RowWork, Rows], RowWork]) -> Callable[[RowWork, Rows], dict[str, list[Any]]]:
    """Learns from the train split and labels all rows; what is declared must come true, and nothing else may change."""

    def work(labeler: Any, rows: Rows) -> dict[str, list[Any]]:
        done = pa.Table.from_batches(list(learnt(labeler, rows).work(rows)))
        assert dict(columns_of(done.schema)) == dict(labeler.columns_after(columns_of(rows.schema)))
        touched = {labeler.into, labeler.confidence_column, labeler.origin_column}
        unchanged = [name for name in rows.columns if name not in touched]
        assert repr(done.select(unchanged).to_pylist()) == repr(
            rows.table().select(unchanged).to_pylist()
        )  # NaN is NaN
        return done.to_pydict()

    return work


# Recipes with a train stage


class JsonRows(DataSource):
    """The rows of a JSON file."""

    path: InputPath

    def read(self) -> Iterator[Any]:
        yield from self._table().to_batches(max_chunksize=16)

    def peek(self) -> dict[str, Any]:
        return dict(columns_of(self._table().schema))

    def _table(self) -> Any:
        return pa.Table.from_pylist(json.loads(self.path.read_text()))


class Sorted(Technique):
    """Rows always in the same order, by their `length`, the longest at the end: what an extreme curriculum does."""

    claims = frozenset({"order"})

    def sampler(self, inner: Any, dataset: Any) -> Any:
        import torch

        order = sorted(range(len(dataset)), key=lambda place: (dataset[place]["length"], place))
        return torch.utils.data.BatchSampler(order, self.setting.plan.trainer.batch_size, drop_last=False)


class Watching(Technique):
    """Outermost: remembers the gradient of every step, every batch, and the model; fails, or is stopped, if told to."""

    fail_at: int = 0
    stop_at: int = 0

    norms: ClassVar[list[float]] = []
    batches: ClassVar[list[dict[str, Any]]] = []
    ids: ClassVar[list[list[str]]] = []
    models: ClassVar[list[Any]] = []
    stopped: ClassVar[list[int]] = []

    def model(self, inner: Any) -> Any:
        self.models.append(inner())
        return self.models[-1]

    def batch(self, inner: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
        self.ids.append([row["_id"] for row in rows])
        self.batches.append(inner(rows))
        return self.batches[-1]

    def loss(self, inner: Any, model: Any, batch: dict[str, Any]) -> Any:
        if self.fail_at and len(self.norms) + 1 == self.fail_at:
            hook = model.register_forward_hook(self._fail)
            try:
                return inner(model, batch)
            finally:
                hook.remove()
        return inner(model, batch)

    def _fail(self, *_: Any) -> None:
        raise RuntimeError("told to fail")

    def callbacks(self) -> list[Any]:
        import transformers

        class Look(transformers.TrainerCallback):
            def on_pre_optimizer_step(_, args: Any, state: Any, control: Any, model: Any = None, **__: Any) -> None:
                squares = [(p.grad**2).sum() for p in model.parameters() if p.grad is not None]
                self.norms.append(sum(squares).sqrt().item())

            def on_step_end(_, args: Any, state: Any, control: Any, **__: Any) -> None:
                if state.global_step == self.stop_at and not self.stopped:
                    self.stopped.append(state.global_step)
                    os.kill(os.getpid(), signal.SIGTERM)

        return [Look()]


@pytest.fixture
def watching() -> Iterator[type[Watching]]:
    """The technique `watching`, which has seen nothing yet."""
    seen = (Watching.norms, Watching.batches, Watching.ids, Watching.models, Watching.stopped)
    for what in seen:
        what.clear()
    yield Watching
    for what in seen:
        what.clear()


@dataclass
class Trained:
    """A finished run and what its train stage left."""

    run: Run
    runs: Runs

    @property
    def _locked(self) -> dict[str, Any]:
        return self.run.lock["stages"][-1]

    @property
    def metrics(self) -> dict[str, Any]:
        return self.run.outcome["metrics"][self._locked["name"]]

    @property
    def notes(self) -> dict[str, Any]:
        return self.runs.store.outcome(self._locked["key"])["details"]["notes"]

    @property
    def history(self) -> list[dict[str, Any]]:
        folder = self.runs.store.folder(self._locked["key"])
        return [entry for entry in json.loads((folder / "history.json").read_text()) if "loss" in entry]

    def weights(self) -> dict[str, Any]:
        from safetensors.torch import load_file

        return load_file(self.run.model(self._locked["name"]) / "model.safetensors")


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Recipe]:
    """Loads and checks a recipe with these data sets, whose rows have a column `split`, and these train stages."""

    def read(stages: str, **data: list[dict[str, Any]]) -> Recipe:
        recipe = tmp_path / "recipe.toml"
        text = "seed = 7\n"
        for name, rows in data.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(rows))
            text += f'[data.{name}.source]\nuse = "json-rows"\npath = "{name}.json"\n'
            text += f'[data.{name}.split]\ncolumn = "split"\n'
        recipe.write_text(text + stages)
        real, here = installed(), Plugin(About("ladle", "1"))
        offers = [
            Offer("json-rows", "source", here, JsonRows),
            Offer("sorted", "technique", here, Sorted),
            Offer("watching", "technique", here, Watching),
        ]
        return load(recipe, Registry(real.plugins, [*real.offers, *offers]))[0]

    return read


@pytest.fixture
def train(read: Callable[..., Recipe], tmp_path: Path) -> Callable[..., Trained]:
    """Runs such a recipe."""

    def train(stages: str, runs: str = "runs", **data: list[dict[str, Any]]) -> Trained:
        root = Runs(tmp_path / runs)
        return Trained(run(read(stages, **data), root), root)

    return train


@pytest.fixture
def reviews() -> list[dict[str, Any]]:
    """Texts of two classes that a word tells apart: of 40 to train on every fifth has a label; 10 to test on."""
    rows = []
    for number in range(50):
        word = ("good", "bad", "fine", "awful")[number % 4]
        text = f"{('the', 'a', 'very')[number % 3]} film is {word} {'of day ' * (number % 5)}".strip()
        label = ("positive", "negative")[number % 2] if number % 5 == 0 or number >= 40 else None
        rows.append({"text": text, "label": label, "split": "train" if number < 40 else "test"})
    return rows


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The folder of a tiny random BERT without a head, its tokeniser with or without a token to mask others by."""
    folders: dict[tuple[float, bool], Path] = {}

    def folder_of(dropout: float = 0.0, mask: bool = True) -> Path:
        if (dropout, mask) not in folders:
            folders[dropout, mask] = tmp_path_factory.mktemp("bert")
            _model(dropout).save_pretrained(folders[dropout, mask])
            _tokenizer(mask).save_pretrained(folders[dropout, mask])
        return folders[dropout, mask]

    return folder_of


def _tokenizer(mask: bool) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    around = [("[CLS]", 2), ("[SEP]", 3)]
    words.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=around)
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    special |= {"mask_token": "[MASK]"} if mask else {}
    return PreTrainedTokenizerFast(tokenizer_object=words, **special)


def _model(dropout: float) -> Any:
    import torch
    import transformers

    torch.manual_seed(3)
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=40,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        initializer_range=0.3,  # so that what it says differs from text to text
    )
    return transformers.BertModel(config)
