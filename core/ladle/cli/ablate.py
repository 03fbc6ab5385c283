"""`ladle ablate`"""

from __future__ import annotations

from pathlib import Path

import click

from ..ablation import Ablation, Effect, ablate, estimate, variants_of
from ..recipe import Recipe, load
from ..report import write_ablation
from ..runner import run
from ..runs import Run, Runs
from ..store import write_json
from .console import Console
from .options import as_json, echo_json, problems_as_json, runs_folder, settings


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="How many seeds to run it with.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="Tell only of this metric. Can be repeated.")
@settings
@runs_folder
@as_json
def command(
    recipe: Path, seeds: int, metrics: tuple[str, ...], settings: tuple[str, ...], runs_root: Path, as_json: bool
) -> None:
    """Find out whether the techniques of RECIPE help.

    It is run with all of them, without each, with each alone and with none, with several seeds. What does not change
    between two of these runs is worked out once, so the same command goes on where it was stopped.
    """
    runs = Runs(runs_root)
    with problems_as_json(as_json):
        loaded, problems = load(recipe, settings=settings)
        for warning in problems:
            click.echo(warning.render(), err=True)
        total = len(variants_of(loaded)) * seeds
        click.echo(f"{loaded.name}: {total} runs, {total // seeds} variants with {seeds} seeds each", err=True)
        found = ablate(loaded, seeds, lambda variant: _run(variant, runs))
    page = runs_root / f"{loaded.name}-ablation.html"
    write_ablation(found, page)
    write_json(page.with_suffix(".json"), found.as_json())
    if as_json:
        echo_json(found.as_json())
        return
    for stage, split in found.stages.items():
        click.echo(f"\n{stage}, {split} split, means of {seeds} seeds")
        for metric in found.metrics(stage):
            if not metrics or metric in metrics:
                _echo(found, stage, metric)
    click.echo(f"\nreport: {page}")


def _run(recipe: Recipe, runs: Runs) -> Run:
    with Console() as console:
        return run(recipe, runs, console)


def _echo(found: Ablation, stage: str, metric: str) -> None:
    click.echo(f"\n  {metric}")
    for variant in found.variants:
        click.echo(f"    {variant.name:<36} {estimate(found.values(stage, metric, variant)).mean:>10.4f}")
    for effect in found.effects(stage, metric):
        click.echo(f"    {_said(effect)}")


def _said(effect: Effect) -> str:
    mean, low, high = effect.difference
    interval = f" [{low:+.4f}, {high:+.4f}]" if low is not None else " (one seed)"
    others = f" {effect.others}" if effect.others else ""
    return f"{effect.technique}{others}: {effect.verdict} ({mean:+.4f}{interval})"
