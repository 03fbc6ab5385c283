"""A trainer of tiny BERT models that writes down the gradient of every step, and recipes that use it."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
import torch.nn.utils.parametrize
import transformers
from pydantic import PrivateAttr

from ladle import DataSource, OptionError, Technique, Trainer
from ladle.recipe import load
from ladle.registry import About, Offer, Plugin, Registry
from ladle.runner import run
from ladle.runs import Run, Runs
from ladle.training import Measured, Term, forward

UNLABELLED = -100


def tokens_of_unequal_number() -> list[dict[str, Any]]:
    """Eight rows for token classification, of very different lengths."""
    rng = random.Random(0)
    rows = [[rng.randint(2, 99) for _ in range(n)] for n in (3, 12, 5, 9, 2, 11, 7, 4)]
    return [{"tokens": row, "labels": [token % 2 for token in row]} for row in rows]


def sentences_half_labelled() -> list[dict[str, Any]]:
    """Eight rows for sentence classification, of which four have no label."""
    rng = random.Random(0)
    rows = [[rng.randint(2, 99) for _ in range(6)] for _ in range(8)]
    return [
        {"tokens": row, "labels": [UNLABELLED if number in (0, 1, 2, 6) else number % 2]}
        for number, row in enumerate(rows)
    ]


TASKS = {"tokens": tokens_of_unequal_number, "sentences": sentences_half_labelled}


class GivenRows(DataSource):
    """Rows of one of the tasks above, several times over."""

    task: Literal["tokens", "sentences"] = "tokens"
    times: int = 1
    held_out: bool = False

    def read(self) -> Iterator[dict[str, Any]]:
        for time in range(self.times):
            for number, row in enumerate(TASKS[self.task]()):
                split = "validation" if self.held_out and number in (1, 4) else "train"
                split = "test" if self.held_out and number in (3, 5) else split
                yield row | {"number": time * 8 + number, "part": split}

    def peek(self) -> dict[str, Any]:
        return {"tokens": "list", "labels": "list", "number": "integer", "part": "text"}


class TinyBert(Trainer):
    """Classifies tokens or sentences with a BERT of one layer."""

    offers = frozenset({"items", "labels", "embeddings", "tokens", "layers"})

    task: Literal["tokens", "sentences"] = "tokens"
    in_order: bool = True
    dropout: float = 0.0
    unused: bool = False

    def model(self) -> torch.nn.Module:
        torch.manual_seed(0)
        config = transformers.BertConfig(
            vocab_size=100,
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=64,
            hidden_dropout_prob=self.dropout,
            attention_probs_dropout_prob=self.dropout,
        )
        classes = {
            "tokens": transformers.BertForTokenClassification,
            "sentences": transformers.BertForSequenceClassification,
        }
        model = classes[self.task](config)
        if self.unused:
            model.never_used = torch.nn.Linear(2, 2)
        return model

    def sampler(self, dataset: Any) -> Any:
        if self.in_order:
            return torch.utils.data.BatchSampler(range(len(dataset)), self.batch_size, drop_last=False)
        from ladle.training import shuffled

        return shuffled(dataset, self.batch_size, self.setting.seed)

    def batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        longest = max(len(row["tokens"]) for row in rows)
        ids = torch.tensor([row["tokens"] + [0] * (longest - len(row["tokens"])) for row in rows])
        if self.task == "tokens":
            labels = torch.tensor([row["labels"] + [UNLABELLED] * (longest - len(row["labels"])) for row in rows])
        else:
            labels = torch.tensor([row["labels"][0] for row in rows])
        mask = torch.tensor([[1] * len(row["tokens"]) + [0] * (longest - len(row["tokens"])) for row in rows])
        counts = {"rows": torch.tensor(len(rows)), "labels": (labels != UNLABELLED).sum(), "tokens": mask.sum()}
        return {"input_ids": ids, "attention_mask": mask, "labels": labels, "counts": counts}

    def loss(self, model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, Term]:
        labelled = batch["labels"] != UNLABELLED
        logits = forward(model, batch).logits[labelled]
        values = torch.nn.functional.cross_entropy(logits, batch["labels"][labelled], reduction="none")
        return {"cross-entropy": Term(values, per="labels")}

    def outputs(self, model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        logits = forward(model, batch).logits
        return {
            "first": logits[:, 0] if self.task == "tokens" else logits,
            "length": batch["attention_mask"].sum(1),
            "ids": batch["input_ids"],
            "masks": batch["attention_mask"].float(),
        }

    def measure(self, outputs: dict[str, Any], dataset: Any) -> Measured:
        lengths = [len(tokens) for tokens in dataset["tokens"]]
        assert outputs["length"].tolist() == lengths
        assert [row[:n] for row, n in zip(outputs["ids"].tolist(), lengths, strict=True)] == dataset["tokens"][:]
        after = [set(row[n:]) for row, n in zip(outputs["ids"].tolist(), lengths, strict=True)]
        assert set().union(*after) <= {0, -100}  # padded in the batch, and to the longest of all batches
        assert np.nansum(outputs["masks"], axis=1).tolist() == lengths
        wanted = torch.tensor([labels[0] for labels in dataset["labels"]]).clamp(min=0)
        logits = torch.from_numpy(outputs["first"])
        loss = torch.nn.functional.cross_entropy(logits, wanted).item()
        return Measured(
            {"accuracy": (logits.argmax(-1) == wanted).float().mean().item(), "loss": loss, "rows": len(wanted)}
        )

    def baseline(self, train: Any, test: Any) -> dict[str, float]:
        return {"accuracy": 0.5}

    def save(self, model: torch.nn.Module, folder: Path) -> None:
        model.save_pretrained(folder)

    def callbacks(self) -> list[transformers.TrainerCallback]:
        return [Look(self.setting)]


class LeftToTheClass(Trainer):
    """Names a Trainer class and leaves it everything but model and rows."""

    task: Literal["sentences"] = "sentences"

    def model(self) -> torch.nn.Module:
        return TinyBert.model_validate({"data": "rows", "task": "sentences"}).model()

    def dataset(self, split: str) -> Any:
        rows = self.setting.rows(split)
        rows = rows.add_column("input_ids", rows["tokens"]).add_column(
            "label", [max(row[0], 0) for row in rows["labels"]]
        )
        return rows.select_columns(["input_ids", "label"])

    def save(self, model: torch.nn.Module, folder: Path) -> None:
        model.save_pretrained(folder)


class InItsOwnWay(LeftToTheClass):
    """Names a class that does most things otherwise."""

    trainer_class = "own_way:OwnWay"

    def callbacks(self) -> list[transformers.TrainerCallback]:
        return [Look(self.setting)]


class Look(transformers.TrainerCallback):
    """Writes the norm of each step's gradient into the notes of the training."""

    def __init__(self, setting: Any) -> None:
        self.norms = setting.notes.setdefault("gradient norms", [])

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        squares = [(p.grad**2).sum() for p in model.parameters() if p.grad is not None]
        self.norms.append(torch.stack(squares).sum().sqrt().item())


class Consistency(Technique):
    """Predictions on a row with a masked token stay near those on the row itself."""

    def loss(self, inner: Any, model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, Term]:
        terms = inner(model, batch)
        masked = batch["input_ids"].clone()
        masked[:, 0] = 1
        with torch.no_grad():
            target = forward(model, batch).logits.softmax(-1)
        moved = forward(model, batch, input_ids=masked).logits.log_softmax(-1)
        distance = torch.nn.functional.kl_div(moved, target, reduction="none").sum(-1)
        return terms | {"consistency": Term(distance, per="rows")}


class FastGradient(Technique):
    """One step of norm 0.5 against the loss, in embedding space (Miyato et al. 2017)."""

    def loss(self, inner: Any, model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, Term]:
        embedding = self.setting.model.get_input_embeddings()  # `model` may be a wrapper around it
        seen: list[torch.Tensor] = []
        handle = embedding.register_forward_hook(lambda module, given, out: seen.append(out))
        try:
            clean = inner(model, batch)
        finally:
            handle.remove()
        total = sum(term.values.sum() for term in clean.values())
        gradient = torch.autograd.grad(total, seen[0], retain_graph=True)[0]
        move = 0.5 * gradient / (gradient.norm(dim=-1, keepdim=True) + 1e-12)
        handle = embedding.register_forward_hook(lambda module, given, out: out + move)
        try:
            attacked = inner(model, batch)
        finally:
            handle.remove()
        return clean | {f"{name} under attack": term for name, term in attacked.items()}


class Untouchable(Technique):
    """Changes everything it can, and fails if that is ever seen outside training."""

    def dataset(self, inner: Any, split: str) -> Any:
        assert split == "train"
        return inner(split).select(range(4))

    def batch(self, inner: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
        batch = inner(rows)
        batch["input_ids"] = torch.full_like(batch["input_ids"], 7)
        return batch

    def loss(self, inner: Any, model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, Term]:
        assert model.training
        assert bool((batch["input_ids"] == 7).all())
        return {name: Term(term.values * 3, term.per) for name, term in inner(model, batch).items()}


class Adapted(Technique):
    """Trains a scale on the classifier alone, which becomes part of its weights; measures what is left of itself."""

    fails: bool = False

    def model(self, inner: Any) -> torch.nn.Module:
        model = inner().requires_grad_(False)
        torch.nn.utils.parametrize.register_parametrization(model.classifier, "weight", _Scale())
        model.classifier.parametrizations.weight.original.requires_grad_(False)
        return model

    def take_off(self, model: torch.nn.Module) -> None:
        if self.fails:
            raise OptionError("it cannot be taken off", option="fails")
        torch.nn.utils.parametrize.remove_parametrizations(model.classifier, "weight")

    def measure(self, inner: Any, split: str) -> Measured:
        measured = inner(split)
        measured.metrics["parametrized"] = float(torch.nn.utils.parametrize.is_parametrized(self.setting.model))
        return measured


class _Scale(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight * self.scale


class Ordered(Technique):
    """Notes the order in which rows come."""

    def sampler(self, inner: Any, dataset: Any) -> Any:
        sampler = inner(dataset)
        self.setting.notes["order"] = list(sampler)
        return sampler


class Forgetful(Technique):
    """Leaves the head out of the optimiser."""

    def parameters(self, inner: Any, model: torch.nn.Module) -> list[dict[str, Any]]:
        kept = {id(parameter) for parameter in model.classifier.parameters()}
        groups = inner(model)
        return [group | {"params": [p for p in group["params"] if id(p) not in kept]} for group in groups]


class Interrupted(Technique):
    """Does something to the process when a number of steps has been made: the first time only."""

    after: int
    note: str
    how: Literal["at once", "signal", "twice"] = "at once"

    def callbacks(self) -> list[transformers.TrainerCallback]:
        return [_Stop(self)]


class _Stop(transformers.TrainerCallback):
    def __init__(self, stop: Interrupted) -> None:
        self.stop = stop

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        note = Path(self.stop.note)
        if state.global_step != self.stop.after or note.exists():
            return
        note.touch()
        if self.stop.how == "at once":
            raise KeyboardInterrupt
        os.kill(os.getpid(), signal.SIGTERM)
        if self.stop.how == "twice":
            os.kill(os.getpid(), signal.SIGINT)


class RandomMask(Technique):
    """Hides tokens at random, in the batch: with torch's random numbers and with Python's."""

    def batch(self, inner: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
        batch = inner(rows)
        hidden = torch.rand(batch["input_ids"].shape) < 0.2
        hidden[:, random.randrange(hidden.shape[1])] = True
        return batch | {"input_ids": batch["input_ids"].masked_fill(hidden, 1)}


class Wasteful(Technique):
    """Has memory for a number of rows in a batch."""

    rows: int

    def step(self, inner: Any, model: torch.nn.Module, batch: dict[str, Any]) -> torch.Tensor:
        if len(batch["input_ids"]) > self.rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return inner(model, batch)


class Telling(Technique):
    """Tells a number for each batch, and one for every second."""

    _seen: int = PrivateAttr(default=0)

    def loss(self, inner: Any, model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, Term]:
        self._seen += 1
        self.setting.tell("batches so far", self._seen)
        if self._seen % 2 == 0:
            self.setting.tell("even", self._seen)
        return inner(model, batch)


class Showing(Technique):
    """Shows a sample at the end of each epoch, and in the end, beside what is measured, all that were shown."""

    _part: Any = PrivateAttr(default=None)

    def model(self, inner: Any) -> torch.nn.Module:
        self._part = self.setting.part("part")
        return inner()

    def callbacks(self) -> list[transformers.TrainerCallback]:
        return [_Show(self)]

    def measure(self, inner: Any, split: str) -> Measured:
        measured = inner(split)
        measured.tables["shown"] = [shown | {"is_training": self._part.is_training} for shown in self._part.shown()]
        return measured


class _Show(transformers.TrainerCallback):
    def __init__(self, technique: Showing) -> None:
        self.technique = technique

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        setting = self.technique.setting
        setting.show([{"steps": setting.course.global_step, "was_training": setting.is_training}])


class Spoilt(Technique):
    """Multiplies the loss from a step on."""

    after: int
    times: str
    _seen: int = PrivateAttr(default=0)

    def loss(self, inner: Any, model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, Term]:
        self._seen += 1
        factor = float(self.times) if self._seen > self.after else 1.0
        return {name: Term(term.values * factor, term.per) for name, term in inner(model, batch).items()}


class Refusing(Technique):
    """Finds fault with its own options when it sees the model, or lets the trainer find fault."""

    level: int = 3

    def model(self, inner: Any) -> torch.nn.Module:
        inner()
        raise OptionError("the model has no level 3", option="level", help="name another")


class TwoGradients(Technique):
    """Takes the mean of the gradients of a batch and of the same batch at moved weights."""

    radius: float = 0.05
    _calls: list[int] = PrivateAttr(default_factory=list)

    def step(self, inner: Any, model: torch.nn.Module, batch: dict[str, Any]) -> torch.Tensor:
        trained = [p for p in model.parameters() if p.requires_grad]
        before = [p.detach().clone() for p in trained]
        inner(model, batch)
        with torch.no_grad():
            for parameter in trained:
                if parameter.grad is not None:
                    parameter += self.radius * parameter.grad
        loss = inner(model, batch)
        with torch.no_grad():
            for parameter, old in zip(trained, before, strict=True):
                parameter.copy_(old)
        return loss


@pytest.fixture
def registry() -> Registry:
    plugin = Plugin(About("ladle", "0"))  # a name that is installed
    offers = {
        "source": {"rows": GivenRows},
        "trainer": {"tiny-bert": TinyBert, "left-to-the-class": LeftToTheClass, "own-way": InItsOwnWay},
        "technique": {
            "consistency": Consistency,
            "fast-gradient": FastGradient,
            "untouchable": Untouchable,
            "adapted": Adapted,
            "ordered": Ordered,
            "forgetful": Forgetful,
            "interrupted": Interrupted,
            "two-gradients": TwoGradients,
            "random-mask": RandomMask,
            "wasteful": Wasteful,
            "telling": Telling,
            "showing": Showing,
            "spoilt": Spoilt,
            "refusing": Refusing,
        },
    }
    return Registry(
        [plugin],
        [Offer(use, kind, plugin, target) for kind, uses in offers.items() for use, target in uses.items()],
    )


@pytest.fixture
def train(tmp_path: Path, registry: Registry) -> Callable[..., Run]:
    """Run a recipe with one train stage."""

    def train(
        techniques: str = "",
        task: str = "tokens",
        times: int = 1,
        held_out: bool = False,
        use: str = "tiny-bert",
        **options: Any,
    ) -> Run:
        given = {"epochs": 1, "warmup": 0, "device": "cpu"} | options
        lines = [f"{name} = {_toml(value)}" for name, value in given.items()]
        text = f"""
            [data.rows.source]
            use = "rows"
            task = "{task}"
            times = {times}
            held_out = {_toml(held_out)}
            [data.rows.split]
            column = "part"
            [[train]]
            use = "{use}"
            name = "model"
            data = "rows"
            task = "{task}"
            {chr(10).join(lines)}
            {techniques}
            """
        path = tmp_path / "recipe.toml"
        path.write_text(text)
        recipe, _ = load(path, registry)
        return run(recipe, Runs(tmp_path / "runs"))

    return train


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(inner)}" for name, inner in value.items()) + " }"
    return f'"{value}"' if isinstance(value, str) else str(value)


@pytest.fixture
def kept(tmp_path: Path) -> Callable[..., Any]:
    """What the store keeps of the newest run's train stage: a JSON file by name."""
    import json

    def kept(run: Run, name: str) -> Any:
        stage = next(stage for stage in run.lock["stages"] if stage["kind"] == "train")
        return json.loads((Runs(tmp_path / "runs").store.folder(stage["key"]) / name).read_text())

    return kept
