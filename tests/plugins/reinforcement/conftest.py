"""Tiny language models made here, a reward that they can learn to earn, and recipes that train them."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from ladle import DataSource, InputPath, Technique
from ladle.prediction import Predictor
from ladle.recipe import load
from ladle.recipe.model import Recipe
from ladle.registry import About, Offer, Plugin, Registry, installed
from ladle.runner import run
from ladle.runs import Run, Runs
from ladle_reinforcement.reward import reward_of

VOCABULARY = "<pad> <s> </s> <unk> user assistant system : say what is red blue green one two three yes no good bad . ,"
WORDS = VOCABULARY.split()
CHAT = (
    "{% for m in messages %}{{ m['role'] + ' : ' + m['content'] }}"
    "{% if m['role'] == 'assistant' %}{{ ' </s>' }}{% else %}{{ ' . ' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant : ' }}{% endif %}"
)


class JsonRows(DataSource):
    """The rows of a JSON file."""

    path: InputPath

    def read(self) -> Iterator[Any]:
        yield self._table().to_batches()[0]

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


class Moving(Technique):
    """One step of embeddings against the loss, as FGM has it."""

    needs = frozenset({"embeddings"})

    epsilon: float = 1.0
    fails: bool = False

    def loss(self, inner: Any, model: Any, batch: dict[str, Any]) -> Any:
        import torch

        from ladle.training import Term

        embedding = self.setting.model.get_input_embeddings()
        move = torch.zeros(*batch["input_ids"].shape, embedding.weight.shape[1], requires_grad=True)
        handle = embedding.register_forward_hook(lambda _, __, out: out + move)
        try:
            clean = inner(model, batch)
            [slope] = torch.autograd.grad(sum(t.values.sum() for t in clean.values()), [move], retain_graph=True)
            if self.fails:
                raise RuntimeError("told to fail")
            move = self.epsilon * slope / slope.norm().clamp(min=1e-12)
            moved = inner(model, batch)
        finally:
            handle.remove()
        return {**clean, **{f"{name} moved": Term(term.values, term.per) for name, term in moved.items()}}


class ByItem(Technique):
    """Needs a loss with one value per item."""

    needs = frozenset({"items"})


class Recording(Technique):
    """Remembers the model, the gradients of each step, and what was in each batch."""

    def loss(self, inner: Any, model: Any, batch: dict[str, Any]) -> Any:
        _RECORDED.tokenizer, _RECORDED.model = self.setting.plan.trainer.tokenizer, self.setting.model
        _RECORDED.batches.append({name: value.clone() for name, value in batch.items() if hasattr(value, "clone")})
        terms = inner(model, batch)
        _RECORDED.terms.append({name: term.values.detach().clone() for name, term in terms.items()})
        return terms

    def callbacks(self) -> list[Any]:
        import transformers

        class Look(transformers.TrainerCallback):
            def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
                _RECORDED.gradients.append({n: p.grad.clone() for n, p in model.named_parameters() if p.requires_grad})

        return [Look()]


class Checking(Recording):
    """Remembers also what the model, and the one that the stage starts from, say of the tokens of answers."""

    def loss(self, inner: Any, model: Any, batch: dict[str, Any]) -> Any:
        import torch

        terms = super().loss(inner, model, batch)
        for name, asked in (("now", model), ("reference", self.setting.plan.trainer.start_model)):
            with torch.no_grad():
                logits = asked(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
            said = logits[:, :-1].log_softmax(-1).gather(2, batch["input_ids"][:, 1:, None]).squeeze(2)
            kept = batch["completion_ids"].shape[1] if "completion_ids" in batch else said.shape[1]
            _RECORDED.batches[-1][name] = said[:, -kept:]
        return terms


@dataclass
class Recorded:
    """What the technique `recording` has seen."""

    model: Any = None
    tokenizer: Any = None
    rows: Any = None
    gradients: list[dict[str, Any]] = field(default_factory=list)
    batches: list[dict[str, Any]] = field(default_factory=list)
    terms: list[dict[str, Any]] = field(default_factory=list)

    def forget(self) -> None:
        self.model = None
        for part in (self.gradients, self.batches, self.terms):
            part.clear()


_RECORDED = Recorded()


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    yield _RECORDED
    _RECORDED.forget()


@pytest.fixture(autouse=True)
def connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Every attempt to reach another machine, of which there may be none at the end of a test."""
    tried: list[Any] = []

    def refuse(*given: Any, **_: Any) -> Any:
        tried.append(given)
        raise OSError("no connection is to be made")

    for name in ("CI", "HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield tried
    if "huggingface_hub.utils._telemetry" in sys.modules:
        sys.modules["huggingface_hub.utils._telemetry"]._TELEMETRY_QUEUE.join()  # it tells in a thread of its own
    assert tried == []


def share_of_red(prompts: Any, answers: list[str], rows: Any) -> list[float]:
    """The share of the words of an answer that are `red`."""
    return [words.count("red") / max(1, len(words)) for words in map(str.split, answers)]


def red(prompts: Any, answers: list[str], rows: Any) -> list[float]:
    """The share of the words of an answer that are `red`, and nothing for none."""
    assert len(prompts) == len(answers) == len(rows)
    assert all("answer" in row for row in rows)
    _RECORDED.rows = rows
    return share_of_red(prompts, answers, rows)


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

    def file(self, name: str) -> Any:
        return json.loads((self.runs.store.folder(self._locked["key"]) / name).read_text())

    @property
    def tables(self) -> dict[str, Any]:
        return self.file("details.json")["test"]["tables"]

    def curve(self, name: str) -> list[float]:
        """What was logged under a name."""
        return [entry[name] for entry in self.file("history.json") if name in entry]

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = (self.run.folder / "events.jsonl").read_text().splitlines()
        return [event for event in map(json.loads, lines) if event["event"] == name]

    def weights(self) -> dict[str, Any]:
        from safetensors.torch import load_file

        return load_file(self.model / "model.safetensors")

    def predict(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return Predictor(self.run)(rows)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    real, here = installed(), Plugin(About("ladle", "1"))
    offers = [
        Offer("json-rows", "source", here, JsonRows),
        Offer("stopping", "technique", here, Stopping),
        Offer("moving", "technique", here, Moving),
        Offer("by-item", "technique", here, ByItem),
        Offer("recording", "technique", here, Recording),
        Offer("checking", "technique", here, Checking),
        Offer("red", "reward", here, reward_of(red)),
    ]
    made = Registry(real.plugins, [*real.offers, *offers])
    monkeypatch.setattr("ladle.trained.installed", lambda: made)  # where predictions look
    return made


@pytest.fixture
def read(tmp_path: Path, registry: Registry) -> Callable[..., Recipe]:
    """Loads and checks a recipe with these rows, which have a column `split`, and this text after its data set."""

    def read(rows: list[dict[str, Any]], stages: str, seed: int = 7) -> Recipe:
        (tmp_path / "rows.json").write_text(json.dumps(rows))
        recipe = tmp_path / "recipe.toml"
        recipe.write_text(
            f'seed = {seed}\n[data.rows.source]\nuse = "json-rows"\npath = "rows.json"\n'
            f'[data.rows.split]\ncolumn = "split"\n{stages}\n'
        )
        return load(recipe, registry)[0]

    return read


@pytest.fixture
def train(read: Callable[..., Recipe], tmp_path: Path) -> Callable[..., Trained]:
    """Runs such a recipe."""

    def train(rows: list[dict[str, Any]], stages: str, seed: int = 7, runs: str = "runs") -> Trained:
        root = Runs(tmp_path / runs)
        return Trained(run(read(rows, stages, seed), root), root)

    return train


def make_tokenizer(template: str | None = None) -> Any:
    """A tokeniser of a few words between spaces."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, **special)
    tokenizer.chat_template = template
    return tokenizer


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The folder of a tiny random model of two layers: llama, gpt2 or bert, with a chat template or without."""
    import torch
    import transformers

    folders: dict[Any, Path] = {}

    def folder_of(kind: str = "llama", template: str | None = None, dropout: float = 0.0) -> Path:
        key = (kind, template, dropout)
        if key not in folders:
            folder = folders[key] = tmp_path_factory.mktemp(kind)
            torch.manual_seed(5)
            ids = {"vocab_size": len(WORDS), "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
            wide = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
            wide |= {"max_position_embeddings": 64}
            if kind == "gpt2":
                drop = {"resid_pdrop": dropout, "embd_pdrop": dropout, "attn_pdrop": dropout}
                config = transformers.GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=64, **drop, **ids)
                model = transformers.GPT2LMHeadModel(config)
            elif kind == "llama":
                model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**wide, **ids))
            elif kind == "distilbert":
                size = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 64}
                model = transformers.DistilBertModel(transformers.DistilBertConfig(vocab_size=len(WORDS), **size))
            else:
                model = transformers.BertModel(transformers.BertConfig(vocab_size=len(WORDS), pad_token_id=0, **wide))
            model.save_pretrained(folder)
            make_tokenizer(template).save_pretrained(folder)
        return folders[key]

    return folder_of


def split_of(number: int) -> str:
    return "train" if number % 5 < 3 else "validation" if number % 5 == 3 else "test"


@pytest.fixture
def questions() -> list[dict[str, Any]]:
    """40 prompts of unequal length with an answer."""
    words = ["red", "blue", "green"]
    return [
        {
            "prompt": f"{'what is ' * (number % 4)}say {words[number % 3]} {'.' if number % 2 else ', please .'}",
            "answer": words[number % 3],
            "split": split_of(number),
        }
        for number in range(40)
    ]
