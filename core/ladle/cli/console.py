"""A run's progress in the terminal: bars where there is one, plain lines where there is not."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

import click
from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_QUIET = 10.0  # seconds between plain lines of one stage


class Console:
    """Listens to a run's events and shows them on standard error."""

    def __init__(self) -> None:
        terminal = RichConsole(stderr=True)
        self.bars = (
            Progress(
                TextColumn("  {task.description:<34}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[done]}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=terminal,
                transient=True,
            )
            if terminal.is_terminal
            else None
        )
        self.tasks: dict[str, Any] = {}
        self.counts: dict[str, int] = {}
        self.notes: dict[str, str] = {}
        self.told = 0.0

    def __enter__(self) -> Console:
        if self.bars:
            self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bars:
            self.bars.stop()

    def __call__(self, event: dict[str, Any]) -> None:
        handler = getattr(self, "_" + event["event"].replace("-", "_"), None)
        if handler:
            handler(event)

    def _say(self, line: str) -> None:
        if self.bars:
            self.bars.console.print(line, highlight=False, markup=False)
        else:
            click.echo(line, err=True)

    def _run_started(self, event: dict[str, Any]) -> None:
        self._say(f"{event['run']}: {event['stages']} stages")

    def _run_resumed(self, event: dict[str, Any]) -> None:
        self._say(f"{event['run']}: goes on; {event['done']} of {event['stages']} stages are done")

    def _training_resumed(self, event: dict[str, Any]) -> None:
        self._say(f"  {event['stage']}: goes on after step {event['step']:,} of {event['steps']:,}")

    def _smaller_batches(self, event: dict[str, Any]) -> None:
        size = f"batch_size = {event['batch_size']}, accumulate = {event['accumulate']}"
        self._say(f"  {event['stage']}: out of memory; begins again with {size}")

    def _interrupting(self, event: dict[str, Any]) -> None:
        self._say(f"  {event['stage']}: asked to stop, keeps a checkpoint first (once more: stop at once)")

    def _training_stopped(self, event: dict[str, Any]) -> None:
        self._say(f"  {event['stage']}: stopped after step {event['step']:,} of {event['steps']:,}")

    def _nothing_to_do(self, event: dict[str, Any]) -> None:
        self._say(f"{event['run']}: nothing to be done, every stage is as it was")

    def _waiting(self, event: dict[str, Any]) -> None:
        self._say(f"  {event['stage']} ({event['use']}): waits for another run that is making it")

    def _stage_started(self, event: dict[str, Any]) -> None:
        self.told = time.monotonic()

    def _progress(self, event: dict[str, Any]) -> None:
        name = f"{event['stage']}: {event['doing']}" if "doing" in event else event["stage"]
        self.counts[name] = self.counts.get(name, 0) + event.get("advance", 0)
        total = event.get("total")
        done = f"{self.counts[name]:,}{f' of {total:,}' if total else ''} {event['unit']}"
        note = self.notes.get(event["stage"], "") if event["unit"] == "steps" else ""
        if self.bars:
            if name not in self.tasks:
                self.tasks[name] = self.bars.add_task(name, total=total, done="", note="")
            note = note or self._speed(name)
            self.bars.update(self.tasks[name], completed=self.counts[name], done=done, note=note)
        elif time.monotonic() - self.told > _QUIET:
            self.told = time.monotonic()
            self._say(f"  {name}: {done} {note}".rstrip())

    def _speed(self, name: str) -> str:
        assert self.bars is not None
        task = next(task for task in self.bars.tasks if task.id == self.tasks[name])
        return f"{task.speed:,.0f}/s" if task.speed else ""

    def _log(self, event: dict[str, Any]) -> None:
        parts = [f"loss {event['loss']:.4f}"] if "loss" in event else []
        parts += [
            f"{event[f'{unit}_per_second']:,.0f} {unit}/s"
            for unit in ("rows", "tokens")
            if f"{unit}_per_second" in event
        ]
        if parts:
            self.notes[event["stage"]] = ", ".join(parts)
        evaluated = {name: value for name, value in event.items() if name.startswith("eval_") and name != "eval_rows"}
        if evaluated:
            told = ", ".join(f"{name.removeprefix('eval_')} {value:.4f}" for name, value in evaluated.items())
            self._say(f"  {event['stage']}: epoch {event['epoch']:.1f}: validation {told}")

    def _stage_ended(self, event: dict[str, Any]) -> None:
        for name in [name for name in self.tasks if name.partition(":")[0] == event["stage"]]:
            assert self.bars is not None
            self.bars.remove_task(self.tasks.pop(name))
        title = f"{event['stage']} ({event['use']})"
        if event["status"] == "reused":
            self._say(f"  {title:<42} {event['rows_out']:>9,} rows   done before")
            return
        rejects = f", {event['rejects']:,} rejected" if event["rejects"] else ""
        self._say(f"  {title:<42} {event['rows_out']:>9,} rows{rejects}   {event['seconds']:.1f} s")
