"""Whether a technique helps: two or more train stages of one recipe, compared over seeds.

    python benchmarks/helps.py benchmarks/helps/curriculum.toml --seeds 5

The first train stage that is measured is what the others are compared with; stages that only lead up to others are left
out by `--stages`. For each metric that all have: the mean, and the difference in pairs of the same seed, with its 95 %
interval by Student's t. What no seed changes (rows, tokens) is worked out once.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from pathlib import Path

import torch
import transformers

from ladle.ablation import estimate, verdict
from ladle.recipe import load
from ladle.runner import run
from ladle.runs import Runs

_LEFT_OUT = {"rows", "generated_rows"}


def measure(recipe: Path, seeds: int, runs: Runs) -> dict[str, list[dict[str, float]]]:
    """For each train stage its test metrics, seed by seed."""
    found: dict[str, list[dict[str, float]]] = {}
    for seed in range(seeds):
        metrics = run(load(recipe, settings=[f"seed={seed}"])[0], runs).outcome["metrics"]
        for stage, measured in metrics.items():
            found.setdefault(stage, []).append(measured["test"] | {"seconds": measured["training"].get("seconds", 0.0)})
            print(f"  seed {seed}, {stage}: " + _line(found[stage][-1]), flush=True)
    return found


def _line(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items() if name not in _LEFT_OUT)


def compare(found: dict[str, list[dict[str, float]]]) -> None:
    """Print a Markdown table: the first stage's mean of each metric, and what the others differ by."""
    control, *others = found
    shared = [name for name in found[control][0] if all(name in found[other][0] for other in others)]
    print("| metric | stage | mean | difference | |\n|---|---|---|---|---|")
    for metric in (name for name in shared if name not in _LEFT_OUT):
        base = [measured[metric] for measured in found[control]]
        print(f"| {metric} | {control} | {estimate(base).mean:.4f} | | |")
        for other in others:
            values = [measured[metric] for measured in found[other]]
            by = estimate([value - at for value, at in zip(values, base, strict=True)])
            bounds = "" if by.low is None else f" [{by.low:+.4f}, {by.high:+.4f}]"
            told = "" if metric == "seconds" else verdict(metric, by)
            print(f"| {metric} | {other} | {estimate(values).mean:.4f} | {by.mean:+.4f}{bounds} | {told} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--stages", nargs="+", help="the stages to compare, the control first")
    parser.add_argument("--runs", type=Path, help="where to keep the runs; a second call goes on with what is there")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads, transformers {transformers.__version__}",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        found = measure(options.recipe, options.seeds, Runs(options.runs or Path(folder)))
    compare({stage: found[stage] for stage in options.stages or found})


if __name__ == "__main__":
    main()
