"""Tiny random models of four layers, 60 short reviews with targets of every kind, and recipes that train on them."""

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

from ladle import DataSource, InputPath, Technique
from ladle.prediction import Predictor
from ladle.recipe import load
from ladle.recipe.model import Recipe
from ladle.registry import About, Offer, Plugin, Registry, installed
from ladle.runner import run
from ladle.runs import Run, Runs

VOCABULARY = "[PAD] [UNK] [CLS] [SEP] [MASK] a the film is good bad fine awful plot and dull very new end of day"
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
        deep = next(m for m in layers[0].modules() if type(m).__name__ in ("Linear", "Conv1D"))
        handle = deep.register_forward_hook(lambda _, inputs, output: self.worked.append(len(output)))
        self.seen.append((model, handle))
        return model

    def loss(self, inner: Any, model: Any, batch: dict[str, Any]) -> Any:
        self._steps += 1
        if self._steps == self.fail_at:
            raise RuntimeError("told to fail")
        return inner(model, batch)


class Steps(Technique):
    """Takes rows in their order, and keeps of each step the gradients, the learning rates and the weights before it."""

    kept: ClassVar[list[dict[str, Any]]] = []

    def sampler(self, inner: Any, dataset: Any) -> Any:
        from torch.utils.data import BatchSampler

        return BatchSampler(range(len(dataset)), self.setting.plan.trainer.batch_size, drop_last=False)

    def callbacks(self) -> list[Any]:
        from transformers import TrainerCallback

        kept = self.kept

        class Keep(TrainerCallback):
            def on_pre_optimizer_step(self, args, state, control, model=None, optimizer=None, **_):
                names = {parameter: name for name, parameter in model.named_parameters()}
                groups = optimizer.param_groups
                kept.append(
                    {
                        "gradients": {n: p.grad.clone() for p, n in names.items() if p.grad is not None},
                        "rates": {names[p]: group["lr"] for group in groups for p in group["params"]},
                        "first": {names[p]: group["initial_lr"] for group in groups for p in group["params"]},
                        "weights": {n: p.detach().clone() for p, n in names.items()},
                        "epoch": state.epoch,
                    }
                )

        return [Keep()]


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


class Moving(Technique):
    """Stands for techniques that move embeddings."""

    needs = frozenset({"embeddings"})


class Hiding(Technique):
    """Changes tokens in batches without saying so."""

    def batch(self, inner: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
        return inner([row | {"input_ids": [5, *row["input_ids"][1:]]} for row in rows])


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
    def losses(self) -> list[float]:
        history = json.loads((self.runs.store.folder(self._locked["key"]) / "history.json").read_text())
        return [entry["loss"] for entry in history if "loss" in entry]

    @property
    def notes(self) -> dict[str, Any]:
        return self.runs.store.outcome(self._locked["key"])["details"]["notes"]

    @property
    def states(self) -> list[Path]:
        """The files of kept states in the store."""
        return sorted(self.runs.store.root.rglob("states.bin"))

    def weights(self, stage: str | None = None) -> dict[str, Any]:
        from safetensors.torch import load_file

        return load_file((self.run.model(stage) if stage else self.model) / "model.safetensors")

    def predict(self, texts: list[str]) -> list[dict[str, Any]]:
        return Predictor(self.run)([{"text": text} for text in texts])


@pytest.fixture
def watching() -> Iterator[type[Watching]]:
    """The technique `watching`, which has seen nothing yet."""
    yield Watching
    Watching.seen.clear()
    Watching.worked.clear()


@pytest.fixture
def steps() -> Iterator[list[dict[str, Any]]]:
    """What the technique `steps` has kept."""
    Steps.kept.clear()
    yield Steps.kept
    Steps.kept.clear()


@pytest.fixture
def stage() -> Callable[..., str]:
    """Writes a train stage on a model: that in a folder, or that of a stage; options of None are left out."""

    def stage(start: Path | str, *techniques: dict[str, Any], use: str = "text-classification", **options: Any) -> str:
        model = f'{{ pretrained = "{start}" }}' if isinstance(start, Path) else f'{{ stage = "{start}" }}'
        usual = {"epochs": 2, "learning_rate": 1e-3, "batch_size": 8, "device": "cpu", "data": "rows"}
        if use in ("text-classification", "text-regression"):
            usual["head"] = "own"
        lines = ["[[train]]", f"use = {_toml(use)}", f"model = {model}", *_lines(usual | options)]
        for technique in techniques:
            lines += ["[[train.technique]]", *_lines(technique)]
        return "\n".join(lines) + "\n"

    return stage


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
    """Loads and checks a recipe of 40 short reviews to train on, and 20 that are held out if wanted."""

    def read(stages: str, held_out: bool = False) -> Recipe:
        (tmp_path / "rows.json").write_text(json.dumps(reviews()[: None if held_out else 40]))
        recipe = tmp_path / "recipe.toml"
        recipe.write_text(
            '[data.rows.source]\nuse = "json-rows"\npath = "rows.json"\n[data.rows.split]\ncolumn = "split"\n' + stages
        )
        real, here = installed(), Plugin(About("ladle", "1"))
        techniques = (Watching, Steps, Interrupted, Moving, Hiding)
        offers = [Offer("json-rows", "source", here, JsonRows)]
        offers += [Offer(target.__name__.lower(), "technique", here, target) for target in techniques]
        return load(recipe, Registry(real.plugins, [*real.offers, *offers]))[0]

    return read


@pytest.fixture
def train(read: Callable[..., Recipe], tmp_path: Path) -> Callable[..., Trained]:
    """Runs a recipe of short reviews with these train stages."""

    def train(stages: str, held_out: bool = False, runs: str = "runs") -> Trained:
        root = Runs(tmp_path / runs)
        trained = Trained(run(read(stages, held_out), root), root)
        gc.freeze()  # what has been imported need not be looked through again at the end of the next training
        return trained

    return train


def reviews() -> list[dict[str, Any]]:
    """40 texts to train, 8 to validate and 12 to test on, each with a class that a word tells, and more targets."""
    rows = []
    for number in range(60):
        word = ("good", "bad", "fine", "awful")[number % 4]
        text = f"{('the', 'a', 'very')[number % 3]} film is {word} {'of day ' * (number % 5)}".strip()
        split = "train" if number < 40 else "validation" if number < 48 else "test"
        words = text.split()
        rows.append(
            {
                "text": text,
                "label": "np"[number % 2 == 0],
                "word": word,
                "score": float(number % 4) / 2,
                "tokens": words,
                "tags": ["O", "O", "O", "B-WORD", *["O"] * (len(words) - 4)],
                "question": "the film is ?",
                "context": text,
                "answer": word,
                "split": split,
            }
        )
    return rows


def _tokenizer(is_decoder: bool) -> Any:
    """Of words, as encoders have it; or of bytes, without special tokens around a text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    if is_decoder:
        alphabet = ["[END]", *sorted(pre_tokenizers.ByteLevel.alphabet())]
        pieces = Tokenizer(models.BPE({piece: at for at, piece in enumerate(alphabet)}, []))
        pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        pieces.decoder = decoders.ByteLevel()
        return PreTrainedTokenizerFast(tokenizer_object=pieces, eos_token="[END]", pad_token="[END]")
    words = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    around = [("[CLS]", 2), ("[SEP]", 3)]
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=around
    )
    names = ("unk", "pad", "cls", "sep", "mask")
    special = {f"{name}_token": f"[{name.upper()}]" for name in names}
    return PreTrainedTokenizerFast(tokenizer_object=words, **special)


def _model(kind: str, dropout: float, head: str, width: int) -> Any:
    import torch
    import transformers

    torch.manual_seed(3)
    wide = {"hidden_size": width, "num_hidden_layers": LAYERS, "num_attention_heads": 2, "intermediate_size": 2 * width}
    encoder = wide | {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    sizes = {
        "bert": ("Bert", encoder),
        "roberta": ("Roberta", encoder),
        "distilbert": (
            "DistilBert",
            {"dim": width, "n_layers": LAYERS, "n_heads": 2, "hidden_dim": 2 * width}
            | {"dropout": dropout, "attention_dropout": dropout, "seq_classif_dropout": dropout},
        ),
        "albert": ("Albert", encoder | {"embedding_size": 16}),
        "llama": ("Llama", wide | {"attention_dropout": dropout}),
        "gpt2": (
            "GPT2",
            {"n_embd": width, "n_layer": LAYERS, "n_head": 2, "n_positions": 256}
            | {"resid_pdrop": dropout, "embd_pdrop": dropout, "attn_pdrop": dropout},
        ),
        "xlm": (
            "XLM",
            {"emb_dim": width, "n_layers": LAYERS, "n_heads": 2, "dropout": dropout, "attention_dropout": dropout},
        ),
        "bart": (
            "Bart",
            {"d_model": width, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 2 * width}
            | {"decoder_ffn_dim": 2 * width, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
            | {"eos_token_id": 3, "bos_token_id": 2, "decoder_start_token_id": 3, "dropout": dropout},
        ),
    }
    name, options = sizes[kind]
    options = {"max_position_embeddings": 256} | options if kind != "gpt2" else options
    special = {"pad_token_id": 0}
    if head == "ForCausalLM":
        special |= {"bos_token_id": None, "eos_token_id": 0, "tie_word_embeddings": kind == "gpt2"}
        head = {"gpt2": "LMHeadModel"}.get(kind, head)
    count = 257 if "LM" in head and kind in ("llama", "gpt2") else len(WORDS)
    config = getattr(transformers, f"{name}Config")(vocab_size=count, **(options | special))
    return getattr(transformers, f"{name}{head}")(config)


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The folder of a tiny random model of four layers (bert, llama, …), a `head` being what its class ends with."""
    folders: dict[tuple[Any, ...], Path] = {}

    def folder_of(kind: str, dropout: float = 0.0, head: str = "Model", width: int = 32) -> Path:
        made = (kind, dropout, head, width)
        if made not in folders:
            folder = folders[made] = tmp_path_factory.mktemp(kind)
            _model(*made).save_pretrained(folder)
            _tokenizer("CausalLM" in head).save_pretrained(folder)
        return folders[made]

    return folder_of
