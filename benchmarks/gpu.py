"""How fast each trainer is, and how much GPU memory it takes, beside the bare Trainer class that it names.

    python benchmarks/gpu.py                              # all trainers; on a GPU with large models in bfloat16
    python benchmarks/gpu.py --only dpo text-regression
    python benchmarks/gpu.py --device cpu --size tiny --steps 3

Texts are made of movie reviews, several in each, so that they have some 200 tokens; models start from scratch. The bare
Trainer gets the same model at the start, the same arguments and the same batches in the same order, ready made, while
ladle puts them together as it trains: that is in its time. The bare loss is the one that the model itself makes of
labels. What TRL trains has no such loss, and stands alone. Steps to warm up are not counted; memory is the most that
was allocated at any time in the training.

A Markdown table goes to the standard output, each row once it is known, and what every round found to the standard
error. The losses there, means over all steps, show that both sides train the same; that of question answering is the
sum of two terms in ladle, and their mean in the model.
"""

from __future__ import annotations

import argparse
import copy
import csv
import functools
import gc
import inspect
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
import transformers
from pydantic import Field

from ladle import Technique
from ladle.recipe import load
from ladle.registry import About, Offer, Plugin, Registry, installed, load_target
from ladle.runner import run
from ladle.runs import Run, Runs

REVIEWS = Path(__file__).parent.parent / "recipes" / "data" / "movie-reviews.tsv"
JOINED = 8  # reviews in a text, or one more
HEADER = """\
| trainer | parameters | ladle | tokens | bare Trainer | ratio | memory, ladle | memory, bare |
|---|---|---|---|---|---|---|---|"""

Batch = dict[str, Any]


class Usual(NamedTuple):
    """What is measured on a kind of device, unless an option says otherwise."""

    size: str
    texts: int
    sequences: int
    new_tokens: int
    warmup: int
    steps: int
    rounds: int


USUAL = {"cuda": Usual("base", 1300, 32, 64, 10, 50, 5), "cpu": Usual("tiny", 96, 8, 8, 1, 3, 1)}


@dataclass(frozen=True)
class Case:
    """A trainer, with what its recipe says beside what all say."""

    use: str
    scratch: str
    options: str = ""
    of_row: int = 1
    """Sequences that the model reads for each row of a batch."""
    bare: Callable[[Batch], Batch] | None = lambda batch: batch
    """A batch as the model itself takes it, with its labels; None if the model makes no loss of such a batch."""


def with_positions(batch: Batch) -> Batch:
    """A batch of windows, with the places of answers under the names that models for question answering have."""
    start, end = batch["labels"].unbind(1)
    return batch | {"start_positions": start, "end_positions": end}


CASES = [
    Case("text-classification", "bert", 'target = "sentiment"'),
    Case("text-regression", "bert", 'target = "rating"'),
    Case("token-classification", "bert"),
    Case("question-answering", "bert", 'target = "word"', bare=with_positions),
    Case("sequence-to-sequence", "t5", 'column = "prompt"\ntarget = "answer"'),
    Case("instruction-tuning", "llama", 'template = "plain"'),
    Case("causal-language-model", "llama"),
    Case("masked-language-model", "bert"),
    Case("dpo", "llama", 'chosen = "answer"', of_row=2, bare=None),
    Case("reward-model", "llama", 'chosen = "answer"', of_row=2, bare=None),
    Case("grpo", "llama", 'group = 8\nreward = [{ use = "length", most = 0, fall = 1000 }]', of_row=8, bare=None),
]


class Reading(NamedTuple):
    """What one training was like."""

    steps: float
    """Per second."""
    tokens: float
    """Per second; those read and written, without padding."""
    memory: int
    """The most bytes that were allocated on the GPU; 0 without one."""
    loss: float
    """The mean over all steps."""


class Clock(transformers.TrainerCallback):
    """Times the steps of a training after those that warm up."""

    def __init__(self, warmup: int) -> None:
        self.warmup = warmup
        self.arguments: Any = None
        self.seconds = 0.0
        self.tokens = 0
        """What the Trainer class says it has read and written in that time; 0 if it says nothing."""
        self.memory = 0
        self.loss = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.arguments = args
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if state.global_step not in (self.warmup, state.max_steps):
            return
        next(model.parameters()).flatten()[0].item()  # is there once the device has done all it was given
        self.seconds = time.monotonic() - self.seconds
        self.tokens = state.num_input_tokens_seen - self.tokens

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.memory = torch.cuda.max_memory_allocated()
        self.loss = state.log_history[-1]["train_loss"]


@dataclass
class Seen:
    """What a bare Trainer needs to train as ladle has."""

    clock: Clock
    model: Any = None
    """As it was at the start."""
    trainer_class: str = ""
    batches: list[Batch] = field(default_factory=list)


class Watched(Technique):
    """Changes nothing; takes note of the model and the batches, and of the time."""

    round: int = Field(description="Makes each round's stage another one, which has to be run.")

    seen: ClassVar[Seen]

    def model(self, inner: Any) -> Any:
        model = inner()
        self.seen.trainer_class = self.setting.plan.trainer.trainer_class
        self.seen.model = copy.deepcopy(model)
        return model

    def batch(self, inner: Any, rows: list[dict[str, Any]]) -> Batch:
        self.seen.batches.append(inner(rows))
        return self.seen.batches[-1]

    def callbacks(self) -> list[Any]:
        return [self.seen.clock]


class Bench:
    """Trainings of one trainer."""

    def __init__(self, folder: Path, case: Case, options: argparse.Namespace) -> None:
        self.folder = folder
        self.case = case
        self.options = options
        self.parameters = 0
        self.seen: Seen
        """Of ladle's last training."""
        self.registry = _registry()
        (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows_of(options.texts)))

    def ladle(self, number: int) -> Reading:
        """Train as the recipe of the `number`th round says."""
        self.seen = Watched.seen = Seen(Clock(self.options.warmup))
        metrics = self._run(number).outcome["metrics"]["bench"]["training"]
        self.parameters = metrics["parameters"]
        clock = self.seen.clock
        counted = self.seen.batches[self.options.warmup : metrics["steps"]]
        tokens = sum(int(batch["counts"].get("tokens", 0)) for batch in counted) or clock.tokens
        return self._reading(clock, tokens)

    def bare(self) -> Reading:
        """Train the same with the bare class, as ladle did the last time."""
        seen, clock = self.seen, Clock(self.options.warmup)
        model = copy.deepcopy(seen.model)
        known = inspect.signature(type(model).forward).parameters
        batches = [
            {name: value for name, value in self.case.bare(batch).items() if name in known} for batch in seen.batches
        ]
        arguments = copy.copy(seen.clock.arguments)
        arguments.output_dir = str(self.folder / "bare")
        arguments.per_device_train_batch_size = 1  # a row is a batch
        arguments.train_sampling_strategy = "sequential"
        transformers.set_seed(arguments.seed)
        trainer = load_target(seen.trainer_class)(
            model=model,
            args=arguments,
            train_dataset=batches[: arguments.max_steps],
            data_collator=lambda rows: rows[0],
            callbacks=[clock],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
        return self._reading(clock)

    def _reading(self, clock: Clock, tokens: int = 0) -> Reading:
        return Reading(self.options.steps / clock.seconds, tokens / clock.seconds, clock.memory, clock.loss)

    def _run(self, number: int) -> Run:
        case, options = self.case, self.options
        new_tokens = f"max_new_tokens = {options.new_tokens}" if case.use == "grpo" else ""
        path = self.folder / "recipe.toml"
        path.write_text(f"""
            name = "bench"
            [data.texts.source]
            use = "jsonl"
            path = "rows.jsonl"
            [data.texts.split]
            test = 0.0
            [[train]]
            name = "bench"
            use = "{case.use}"
            data = "texts"
            model = {{ scratch = "{case.scratch}", size = "{options.size}" }}
            epochs = 1
            batch_size = {max(1, options.sequences // case.of_row)}
            learning_rate = 5e-5
            device = "{options.device}"
            precision = "{options.precision}"
            arguments = {{ max_steps = {options.warmup + options.steps}, save_strategy = "no" }}
            {case.options}
            {new_tokens}
            [[train.technique]]
            use = "watched"
            round = {number}
            """)
        return run(load(path, self.registry)[0], Runs(self.folder / "runs"))


def _registry() -> Registry:
    """What is installed, and the technique that watches."""
    found = installed()
    watched = Offer("watched", "technique", Plugin(About("ladle", "1")), Watched)
    return Registry(found.plugins, [*found.offers, watched])


@functools.cache
def rows_of(count: int) -> list[dict[str, Any]]:
    """At most so many texts, each of several reviews, with all that the trainers learn from them."""
    with REVIEWS.open(newline="") as file:
        reviews = [(float(rating), text) for _, rating, text in csv.reader(file, "excel-tab", quoting=csv.QUOTE_NONE)]
    rows = []
    for first in range(len(reviews) // JOINED)[:count]:
        ratings, texts = zip(*reviews[first :: len(reviews) // JOINED], strict=True)  # those beside it are much like it
        words = " ".join(texts).split()
        half = len(words) // 2
        rating = statistics.mean(ratings)
        rows.append(
            {
                "text": " ".join(words),
                "rating": rating,
                "sentiment": "positive" if rating > 0 else "negative",
                "tokens": words,
                "tags": ["capital" if word[0].isupper() else "small" for word in words],
                "question": "Which word is the longest?",
                "context": " ".join(words),
                "word": max(words, key=len),
                "prompt": " ".join(words[:half]),
                "answer": " ".join(words[half:]),
            }
        )
    for row, other in zip(rows, rows[1:] + rows[:1], strict=True):
        row["rejected"] = other["answer"]
    return rows


def measure(case: Case, options: argparse.Namespace) -> str:
    """A row of the table: medians over all rounds, in which the one and the other side begins in turn."""
    found: dict[str, list[Reading]] = {"ladle": [], "bare": []}
    sides = list(found) if case.bare else ["ladle"]
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), case, options)
        for number in range(1, options.rounds + 1):
            for side in sides if number % 2 else sides[::-1]:
                found[side].append(bench.ladle(number) if side == "ladle" else bench.bare())
                gc.collect()  # what one side has left would count for the other
                torch.cuda.empty_cache()
            told = [f"{side} {found[side][-1].steps:.2f} steps/s, loss {found[side][-1].loss:.4f}" for side in sides]
            print(f"{case.use}, round {number}: {'; '.join(told)}", file=sys.stderr, flush=True)
    ours, theirs = found.values()
    ratios = [one.steps / other.steps for one, other in zip(ours, theirs, strict=False)]
    cells = [
        f"`{case.use}`, {case.scratch}",
        f"{bench.parameters / 1e6:.1f} M",
        f"{_median(ours, 'steps'):.2f} steps/s",
        f"{_median(ours, 'tokens'):,.0f} tokens/s",
        f"{_median(theirs, 'steps'):.2f} steps/s" if theirs else "-",
        f"{statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]" if ratios else "-",
        _gibibytes(ours),
        _gibibytes(theirs),
    ]
    return f"| {' | '.join(cells)} |"


def _median(readings: list[Reading], of: str) -> float:
    return statistics.median(getattr(reading, of) for reading in readings)


def _gibibytes(readings: list[Reading]) -> str:
    most = max((reading.memory for reading in readings), default=0)
    return f"{most / 2**30:.2f} GiB" if most else "-"


def main() -> None:
    options = _options()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    print(
        f"{', '.join([platform.processor() or platform.machine(), f'{os.cpu_count()} processors', *gpus])}; Python "
        f"{platform.python_version()}, torch {torch.__version__}, transformers {transformers.__version__}. On "
        f"{options.device}, precision {options.precision}: `{options.size}` models, {options.sequences} sequences in a "
        f"batch. Rounds: {options.rounds}, of {options.steps} steps after {options.warmup} to warm up; medians.\n"
    )
    print(HEADER, flush=True)
    for case in CASES:
        if options.only is None or case.use in options.only:
            print(measure(case, options), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--only", nargs="+", choices=[case.use for case in CASES], help="these trainers")
    parser.add_argument("--device", choices=list(USUAL), default=device)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], help="bfloat16 on a GPU if left out")
    parser.add_argument("--size", choices=["tiny", "mini", "small", "medium", "base"], help="of the models")
    parser.add_argument("--texts", type=int, help="how many texts to train on")
    parser.add_argument("--sequences", type=int, help="how many the model reads in a batch")
    parser.add_argument("--new-tokens", type=int, help="of an answer that GRPO draws")
    parser.add_argument("--warmup", type=int, help="steps that are not counted")
    parser.add_argument("--steps", type=int, help="steps that are")
    parser.add_argument("--rounds", type=int)
    options = parser.parse_args()
    options.precision = options.precision or ("bfloat16" if options.device == "cuda" else "float32")
    for name, usual in USUAL[options.device]._asdict().items():
        if getattr(options, name) is None:
            setattr(options, name, usual)
    if min(options.warmup, options.steps, options.rounds) < 1:
        parser.error("--warmup, --steps and --rounds are 1 at least")
    return options


if __name__ == "__main__":
    main()
