"""Recipes with a curriculum on tiny models, and what is seen of the rows that they train on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest

from ladle import DataSource, InputPath, NotInKey, Technique
from ladle.events import Events
from ladle.recipe import load
from ladle.recipe.model import Recipe
from ladle.registry import About, Offer, Plugin, Registry, installed
from ladle.runner import run
from ladle.runs import Run, Runs
from ladle.store import Store

VOCABULARY = "[PAD] [UNK] [CLS] [SEP] film is good bad fine awful day"
WORDS = VOCABULARY.split()


class JsonRows(DataSource):
    """The rows of a JSON file."""

    path: InputPath

    def read(self) -> Iterator[Any]:
        yield from self._table().to_batches(max_chunksize=16)

    def peek(self) -> dict[str, Any]:
        from ladle import columns_of

        return dict(columns_of(self._table().schema))

    def first_rows(self, count: int) -> Any:
        from ladle import Sample

        rows = json.loads(self.path.read_text())
        return Sample(rows[:count], is_whole=len(rows) <= count)

    def _table(self) -> Any:
        import pyarrow as pa

        return pa.Table.from_pylist(json.loads(self.path.read_text()))


class Seen(Technique):
    """Notes the ids of the rows of every batch, in order, and interrupts the run if told to."""

    interrupt_at: Annotated[int | None, NotInKey()] = None

    batches: ClassVar[list[list[str]]] = []

    def batch(self, inner: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
        self.batches.append([row["_id"] for row in rows])
        return inner(rows)

    def callbacks(self) -> list[Any]:
        import transformers

        at = self.interrupt_at

        class Stop(transformers.TrainerCallback):
            def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                control.should_save = control.should_save or state.global_step == at

            def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                if state.global_step == at:
                    raise KeyboardInterrupt

        return [Stop()]


@dataclass
class Trained:
    """A finished run, and what its train stage left."""

    run: Run
    runs: Runs
    batches: list[list[str]]
    """The ids of the rows of each batch."""

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
        """The entries that tell a loss."""
        folder = self.runs.store.folder(self._locked["key"])
        return [entry for entry in json.loads((folder / "history.json").read_text()) if "loss" in entry]

    def rows(self) -> dict[str, dict[str, Any]]:
        """The rows of the data set, by their ids."""
        from ladle import Rows

        stage = next(stage for stage in self.run.lock["stages"] if stage["kind"] != "train")
        data = Rows.of_stages([self.runs.store.folder(stage["key"])])
        return {row["_id"]: row for row in data}

    def weights(self) -> dict[str, Any]:
        from safetensors.torch import load_file

        return load_file(self.run.model(self._locked["name"]) / "model.safetensors")


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Recipe]:
    """Loads and checks a recipe of these rows, which have a column `split`, with these train stages."""

    def read(rows: list[dict[str, Any]], stages: str, offers: dict[tuple[str, str], Any] | None = None) -> Any:
        (tmp_path / "rows.json").write_text(json.dumps(rows))
        recipe = tmp_path / "recipe.toml"
        recipe.write_text(
            '[data.rows.source]\nuse = "json-rows"\npath = "rows.json"\n[data.rows.split]\ncolumn = "split"\n' + stages
        )
        real, here = installed(), Plugin(About("ladle", "1"))
        given = {("source", "json-rows"): JsonRows, ("technique", "seen"): Seen} | (offers or {})
        found = [Offer(use, kind, here, target) for (kind, use), target in given.items()]
        return load(recipe, Registry(real.plugins, [*real.offers, *found]))

    return read


@pytest.fixture
def train(read: Callable[..., Any], tmp_path: Path) -> Callable[..., Trained]:
    """Runs a recipe of these rows with these train stages."""

    def train(rows: list[dict[str, Any]], stages: str, runs: str = "runs", **options: Any) -> Trained:
        Seen.batches.clear()
        root = Runs(tmp_path / runs)
        return Trained(run(read(rows, stages, **options)[0], root), root, Seen.batches.copy())

    return train


@pytest.fixture(scope="session")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Makes the setting of a training of so many epochs, as a technique finds it."""
    from types import SimpleNamespace

    from ladle.training import Setting

    store = Store(tmp_path_factory.mktemp("store"))

    def make(seed: int = 3, epochs: float = 4, **options: Any) -> Any:
        nothing: Any = None
        found = Setting(
            name="here", data=nothing, data_sets={}, start=None, seed=seed, device="cpu", precision="float32", keys={},
            store=store, events=Events(),
        )  # fmt: skip
        trainer = SimpleNamespace(epochs=epochs, accumulate=1, arguments={}, **options)
        found.plan = SimpleNamespace(trainer=trainer, techniques=[])
        return found

    return make


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random BERT with a tokeniser of a few words."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(3)
    config = transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=40, pad_token_id=0,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    words = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    around = [("[CLS]", 2), ("[SEP]", 3)]
    words.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=around)
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=words, **special).save_pretrained(folder)
    return folder


@pytest.fixture
def reviews() -> list[dict[str, Any]]:
    """Texts of two classes and of 3 to 20 words, with the number of words, a task and a target: 48 to train on."""
    rows = []
    for number in range(60):
        word = ("good", "bad", "fine", "awful")[number % 4]
        text = f"film is {word} {'day ' * (number * 7 % 18)}".strip()
        rows.append(
            {
                "text": text,
                "label": "np"[number % 2 == 0],
                "words": len(text.split()),
                "task": ("copy", "add", "sort")[number % 3],
                "target": number / 7,
                "split": "train" if number < 48 else "validation" if number < 52 else "test",
            }
        )
    return rows
