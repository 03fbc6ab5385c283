from __future__ import annotations

import gc
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from pydantic import Field

from ladle import DataSource, InputPath, Technique
from ladle.prediction import Predictor
from ladle.recipe import load
from ladle.registry import About, Offer, Plugin, Registry, installed
from ladle.runner import run
from ladle.runs import Run, Runs

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] the a cat dog bird sees hears likes is was not very old and in house , ."
PIECES = "s ##mall gar ##den ##s"  # of small and garden
VOCABULARY = f"{WORDS} {PIECES}".split()
DECODERS = ["llama", "gpt2", "qwen2"]
ENCODERS = ["bert", "roberta", "distilbert", "modernbert"]


class JsonRows(DataSource):
    """The rows of a JSON file."""

    path: InputPath

    def read(self) -> Any:
        import pyarrow as pa

        yield from pa.Table.from_pylist(json.loads(self.path.read_text())).to_batches(max_chunksize=16)

    def peek(self) -> dict[str, Any]:
        return {"text": "text", "split": "text"}


class InOrder(Technique):
    """Gives rows in their order, so many in a batch."""

    rows: int

    def sampler(self, inner: Any, dataset: Any) -> Any:
        return torch.utils.data.BatchSampler(range(len(dataset)), self.rows, drop_last=False)


class Look(Technique):
    """Keeps what it sees in training: the norms of gradients, the batches, the model."""

    def loss(self, inner: Any, model: Any, batch: dict[str, Any]) -> Any:
        SEEN["batches"].append({name: value for name, value in batch.items() if name != "counts"})
        SEEN["terms"].append(terms := inner(model, batch))
        return terms

    def callbacks(self) -> list[transformers.TrainerCallback]:
        return [_Norms(self.setting)]


SEEN: dict[str, list[Any]] = {}


class _Norms(transformers.TrainerCallback):
    def __init__(self, setting: Any) -> None:
        self.setting = setting

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        SEEN["gradients"].append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
        SEEN["models"].append(model)


class Stopped(Technique):
    """Stops the process once after a number of steps, or fails in the loss of every one."""

    after: int = 0
    note: str = ""
    fails: bool = False

    def loss(self, inner: Any, model: Any, batch: dict[str, Any]) -> Any:
        if self.fails:
            SEEN["models"].append(self.setting.model)
            inner(model, batch | {"labels": batch["labels"][:, :-1]})
        return inner(model, batch)

    def callbacks(self) -> list[transformers.TrainerCallback]:
        return [_Stop(self)]


class _Stop(transformers.TrainerCallback):
    def __init__(self, stop: Stopped) -> None:
        self.stop = stop

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.stop.after and not Path(self.stop.note).exists():
            Path(self.stop.note).touch()
            raise KeyboardInterrupt


class Moving(Technique):
    """Makes embeddings larger, and adds the loss there to the loss."""

    needs = frozenset({"embeddings", "items"})
    size: float = Field(default=1.5)

    def loss(self, inner: Any, model: Any, batch: dict[str, Any]) -> Any:
        clean = inner(model, batch)
        embeddings = self.setting.model.get_input_embeddings()
        handle = embeddings.register_forward_hook(lambda _, given, output: output * self.size)
        try:
            moved = inner(model, batch)
        finally:
            handle.remove()
        return clean | {f"{name}, moved": term for name, term in moved.items()}


@pytest.fixture
def seen() -> dict[str, list[Any]]:
    """What the technique `look` keeps."""
    SEEN.clear()
    SEEN.update({"batches": [], "terms": [], "gradients": [], "models": []})
    return SEEN


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
    def notes(self) -> dict[str, Any]:
        return self.runs.store.outcome(self._locked["key"])["details"]["notes"]

    @property
    def losses(self) -> list[float]:
        return [entry["loss"] for entry in self.file("history.json") if "loss" in entry]

    def file(self, name: str) -> Any:
        return json.loads((self.runs.store.folder(self._locked["key"]) / name).read_text())

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = (self.run.folder / "events.jsonl").read_text().splitlines()
        return [event for line in lines if (event := json.loads(line))["event"] == name]

    def weights(self) -> dict[str, Any]:
        from safetensors.torch import load_file

        return load_file(self.model / "model.safetensors")

    def predict(self, texts: list[str]) -> list[dict[str, Any]]:
        return Predictor(self.run)([{"text": text} for text in texts])


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., Trained]:
    """Runs a recipe with these rows, which have a column `split`, and these train stages."""

    def train(rows: list[dict[str, Any]], stages: str, seed: int = 7, runs: str = "runs") -> Trained:
        (tmp_path / "rows.json").write_text(json.dumps(rows))
        recipe = tmp_path / "recipe.toml"
        recipe.write_text(
            f'seed = {seed}\n[data.rows.source]\nuse = "json-rows"\npath = "rows.json"\n'
            f'[data.rows.split]\ncolumn = "split"\n{stages}\n'
        )
        real, here = installed(), Plugin(About("ladle", "1"))
        techniques = {"in-order": InOrder, "look": Look, "stopped": Stopped, "moving": Moving}
        offers = [Offer("json-rows", "source", here, JsonRows)]
        offers += [Offer(use, "technique", here, target) for use, target in techniques.items()]
        loaded, _ = load(recipe, Registry(real.plugins, [*real.offers, *offers]))
        root = Runs(tmp_path / runs)
        trained = Trained(run(loaded, root), root)
        gc.freeze()  # what has been imported need not be looked through again at the end of the next training
        return trained

    return train


@pytest.fixture
def stage() -> Callable[..., str]:
    """A train stage on the model in a folder."""

    def stage(use: str, folder: Path | str, techniques: str = "", **options: Any) -> str:
        model = f'{{ pretrained = "{folder}" }}' if isinstance(folder, Path) else folder
        given = {"device": "cpu", "batch_size": 4, "warmup": 0.0, "learning_rate": 1e-3, "max_length": 40} | options
        lines = [f"{name} = {_toml(value)}" for name, value in given.items()]
        return f'[[train]]\nuse = "{use}"\ndata = "rows"\nmodel = {model}\n' + "\n".join(lines) + f"\n{techniques}\n"

    return stage


@pytest.fixture
def technique() -> Callable[..., str]:
    """A technique of the stage before it."""
    return lambda use, **options: "\n".join(
        [f'[[train.technique]]\nuse = "{use}"', *(f"{name} = {_toml(value)}" for name, value in options.items()), ""]
    )


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(inner)}" for name, inner in value.items()) + " }"
    return json.dumps(value)


def tokenizer_of(kind: str) -> Any:
    """A tokeniser of words: decoders' begin a text with a token (GPT-2's does not), encoders' put two around it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    if kind == "gpt2":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=290, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
        )
        tokenizer.train_from_iterator([row["text"] for row in documents_of(200)], trainer)
        return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")
    mask = "<mask>" if kind == "roberta" else "[MASK]"
    known = {word.replace("[MASK]", mask): at for at, word in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordPiece(known, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.WordPiece()
    around = [("[CLS]", 2), ("[SEP]", 3)]
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]"}
    if kind in DECODERS:
        tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A", special_tokens=around[:1])
        special |= {"bos_token": "[CLS]", "eos_token": "[SEP]"}
    else:
        tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=around)
        special |= {"cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": mask}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def model_of(kind: str, dropout: float = 0.0, vocabulary: int = len(VOCABULARY), head: bool = False) -> Any:
    """A random model of two layers."""
    torch.manual_seed(3)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    size |= {"max_position_embeddings": 48}
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        "llama": ("Llama", size | {"attention_dropout": dropout}),
        "qwen2": ("Qwen2", size | {"num_key_value_heads": 1, "tie_word_embeddings": True}),
        "gpt2": (
            "GPT2",
            {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 48}
            | {"resid_pdrop": dropout, "embd_pdrop": dropout, "attn_pdrop": dropout},
        ),
        "bert": ("Bert", size | {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}),
        "roberta": ("Roberta", size | {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}),
        "distilbert": (
            "DistilBert",
            {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 48}
            | {"dropout": dropout, "attention_dropout": dropout},
        ),
        "modernbert": ("ModernBert", size | {"local_attention": 8, "global_attn_every_n_layers": 2}),
    }
    name, options = kinds[kind]
    config = getattr(transformers, f"{name}Config")(
        vocab_size=vocabulary, pad_token_id=0, bos_token_id=2, eos_token_id=0 if kind == "gpt2" else 3, **options
    )
    auto = transformers.AutoModelForCausalLM if kind in DECODERS else transformers.AutoModelForMaskedLM
    return auto.from_config(config) if head else getattr(transformers, f"{name}Model")(config)


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The folder of a tiny random model in Hugging Face layout, by default without a head."""
    folders: dict[tuple[Any, ...], Path] = {}

    def folder_of(kind: str, **options: Any) -> Path:
        key = (kind, *options.items())
        if key not in folders:
            folder = folders[key] = tmp_path_factory.mktemp(kind)
            tokenizer = tokenizer_of(kind)
            model_of(kind, vocabulary=options.pop("vocabulary", len(tokenizer)), **options).save_pretrained(folder)
            tokenizer.save_pretrained(folder)
        return folders[key]

    return folder_of


def documents_of(count: int, longest: int = 2, seed: int = 0) -> list[dict[str, Any]]:
    """Documents of a few sentences each: of eight, one validates and two test."""
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        sentences = [
            f"{rng.choice(('the', 'a'))} {rng.choice(('cat', 'dog', 'bird'))} {rng.choice(('sees', 'hears', 'likes'))} "
            f"the {rng.choice(('small', 'old'))} {rng.choice(('house', 'garden'))} ."
            for _ in range(rng.randint(1, longest))
        ]
        split = {5: "validation", 6: "test", 7: "test"}.get(number % 8, "train")
        rows.append({"text": " ".join(sentences), "split": split})
    return rows


@pytest.fixture
def documents() -> list[dict[str, Any]]:
    return documents_of(64)
