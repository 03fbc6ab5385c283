"""Tiny models, short texts with targets for every trainer, and trainings of any of them with any techniques."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ladle.recipe import load
from ladle.recipe.model import Recipe
from ladle.registry import About, Offer, Plugin, Registry, installed
from ladle.runner import run
from ladle.runs import Run, Runs

from .tables import EPOCHS, LAYERS, TECHNIQUES, TRAINERS
from .toys import Inside, JsonRows, OfTasks, Outside, Seen, Toy

pytest.register_assert_rewrite(f"{__package__}.promises")

VOCABULARY = "[PAD] [UNK] [CLS] [SEP] [MASK] a the film is good bad fine awful plot and dull very new end of day"
WORDS = VOCABULARY.split()
WIDTH = 32


@dataclass
class Trained:
    """A finished training, and what was seen of it."""

    trainer: str
    techniques: tuple[str, ...]
    run: Run
    runs: Runs
    seen: Seen

    @property
    def _locked(self) -> dict[str, Any]:
        return self.run.lock["stages"][-1]

    @property
    def metrics(self) -> dict[str, Any]:
        return self.run.outcome["metrics"][self._locked["name"]]

    @property
    def history(self) -> list[dict[str, Any]]:
        return json.loads((self.runs.store.folder(self._locked["key"]) / "history.json").read_text())

    @property
    def notes(self) -> dict[str, Any]:
        return self.runs.store.outcome(self._locked["key"])["details"]["notes"]

    def curve(self, name: str) -> list[float]:
        return [entry[name] for entry in self.history if name in entry]

    def rows(self) -> dict[str, dict[str, Any]]:
        """All rows, by their ids."""
        from ladle import Rows

        keys = [stage["key"] for stage in self.run.lock["stages"] if stage["kind"] != "train"]
        return {row["_id"]: row for row in Rows.of_stages([self.runs.store.folder(key) for key in keys])}


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the data, the recipes and the one store, which keeps what several trainings need."""
    folder = tmp_path_factory.mktemp("combinations")
    for name, count in (("rows", 24), ("few", 10)):
        (folder / f"{name}.json").write_text(json.dumps([*_rows(count, "train"), *_rows(8, "test")]))
    return folder


def _rows(count: int, split: str) -> list[dict[str, Any]]:
    """Twelve short texts over and over, with targets of every kind that one word tells.

    So what is tested is learnt by heart. Every fifth row to train on has no label.
    """
    rows = []
    for number in range(count):
        word = ("good", "bad", "fine", "awful")[number // 3 % 4]
        is_good = word in ("good", "fine")
        score = {"good": 2.0, "fine": 1.5, "bad": 0.5, "awful": 0.0}[word]
        words = f"{('the', 'a', 'very')[number % 3]} film is {word} {'of day' * (number % 2)}".split()
        rows.append(
            {
                "text": " ".join(words),
                "label": None if split == "train" and number % 5 == 4 else "np"[is_good],
                "score": score,
                "word": word,
                "chosen": f" {word}",
                "rejected": " plot",
                "tokens": words,
                "tags": ["O", "O", "O", "B-GOOD" if is_good else "B-BAD", *["O"] * (len(words) - 4)],
                "question": "the film is",
                "context": " ".join(words),
                "answer": word,
                "x": 1 - score,
                "y": float(number % 3),
                "hard": number * 7 % 24,
                "split": split,
            }
        )
    return rows


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny random model of three layers, without dropout: bert, masked, llama or bart."""
    folders: dict[str, Path] = {}

    def folder_of(kind: str) -> Path:
        if kind not in folders:
            folders[kind] = tmp_path_factory.mktemp(kind)
            _model(kind).save_pretrained(folders[kind])
            _tokenizer(is_decoder=kind == "llama").save_pretrained(folders[kind])
        return folders[kind]

    return folder_of


def _model(kind: str) -> Any:
    """Wide enough between its layers' two matrices that adapters and a head are less than a twentieth of it."""
    import torch
    import transformers

    torch.manual_seed(3)
    common = {"vocab_size": len(WORDS), "pad_token_id": 0, "max_position_embeddings": 64}
    common |= {
        "init_std" if kind == "bart" else "initializer_range": 0.2
    }  # or so small a model hardly tells texts apart
    wide = {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 2, "intermediate_size": 8 * WIDTH}
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    if kind == "llama":
        config = transformers.LlamaConfig(**common, **wide, bos_token_id=2, eos_token_id=3)
        return transformers.LlamaForCausalLM(config)
    if kind == "bart":
        halves = {"layers": 2, "attention_heads": 2, "ffn_dim": 8 * WIDTH}
        sizes = {f"{half}_{name}": size for half in ("encoder", "decoder") for name, size in halves.items()}
        special = {"bos_token_id": 2, "eos_token_id": 3, "decoder_start_token_id": 3}
        return transformers.BartForConditionalGeneration(
            transformers.BartConfig(**common, **sizes, **special, d_model=WIDTH, dropout=0.0)
        )
    config = transformers.BertConfig(**common, **wide, **still)
    return transformers.BertForMaskedLM(config) if kind == "masked" else transformers.BertModel(config)


def _tokenizer(is_decoder: bool) -> Any:
    """One of whole words: with special tokens around a text, or as decoders have it without."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]"}
    if is_decoder:
        return PreTrainedTokenizerFast(tokenizer_object=words, **special, bos_token="[CLS]", eos_token="[SEP]")
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special |= {"cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    return PreTrainedTokenizerFast(tokenizer_object=words, **special)


@pytest.fixture(scope="session")
def read(place: Path, saved: Callable[[str], Path]) -> Callable[..., Recipe]:
    """Loads and checks a recipe that trains with this trainer and these techniques of the tables."""
    real, here = installed(), Plugin(About("ladle", "1"))
    toys = {"inside": Inside, "of-tasks": OfTasks, "outside": Outside}
    offers = [Offer("json-rows", "source", here, JsonRows)]
    offers += [Offer(use, "technique", here, toy) for use, toy in toys.items()]
    registry = Registry(real.plugins, [*real.offers, *offers])

    def read(trainer: str, *techniques: str, **options: Any) -> Recipe:
        of = TRAINERS[trainer]
        start = {"model": {"pretrained": str(saved(of.start))}} if of.start else {}
        usual = {
            "data": "rows",
            "epochs": EPOCHS,
            "batch_size": 4,
            "learning_rate": 2e-3,
            "warmup": 0.0,
            "device": "cpu",
        }
        lines = []
        for name in of.data:
            lines += [f"[data.{name}.source]", 'use = "json-rows"', f'path = "{name}.json"']
            lines += [f"[data.{name}.split]", 'column = "split"']
        lines += ["[[train]]", f'use = "{trainer}"', *_lines(usual | start | of.options | options)]
        for technique in _around(techniques):
            lines += ["[[train.technique]]", *_lines(technique)]
        recipe = place / "recipe.toml"
        recipe.write_text("\n".join(lines) + "\n")
        return load(recipe, registry)[0]

    return read


def _around(techniques: Sequence[str]) -> list[dict[str, Any]]:
    """The techniques in their order, with toys within and around them."""
    found = [{"use": "inside"}]
    for name in techniques:
        found += [{"use": "of-tasks"}] if name == "pcgrad" else []
        found.append(TECHNIQUES[name])
    return [*found, {"use": "outside"}]


def _lines(options: dict[str, Any]) -> list[str]:
    return [f"{name} = {_toml(value)}" for name, value in options.items() if value is not None]


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(_lines(value)) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


@pytest.fixture(scope="session")
def train(read: Callable[..., Recipe], place: Path) -> Callable[..., Trained]:
    """Runs such a recipe. What the toys see is there until the next training."""

    def train(trainer: str, *techniques: str, **options: Any) -> Trained:
        Toy.seen = Seen()
        runs = Runs(place / "runs")
        trained = Trained(trainer, techniques, run(read(trainer, *techniques, **options), runs), runs, Toy.seen)
        gc.freeze()  # what has been imported need not be looked through again at the end of the next training
        return trained

    return train


@pytest.fixture(scope="session")
def untrained(train: Callable[..., Trained]) -> Callable[[str], Trained]:
    """Each trainer's model as it is before a training, measured."""
    found: dict[str, Trained] = {}

    def untrained(trainer: str) -> Trained:
        if trainer not in found:
            found[trainer] = train(trainer, epochs=0)
        return found[trainer]

    return untrained
