"""Using a model: new rows go the way that the rows it was trained on went, as far as the model needs it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from .columns import Columns
from .components import Component, RowWork, Trainer
from .errors import OptionError, Problem, RecipeError, StageError, did_you_mean
from .placing import with_models
from .recipe.environment import Secrets, VariableError, escaped, expand_all
from .registry import PluginError, UnknownUseError
from .runs import Run
from .trained import ABOUT, PREDICT, TrainedModel, made, trainer_in


class Predictor:
    """A train stage's model with the stages before it that make or change a column it reads.

    Of a stage that has trained several models in one, `STAGE/PART` is one of them. Raises RecipeError if the run has no
    such stage, or a plugin that it needs is gone.
    """

    def __init__(self, run: Run, stage: str | None = None) -> None:
        self.run = run
        self.secrets = Secrets()
        self.locked = {locked["name"]: locked for locked in run.lock["stages"]}
        trained = [name for name, locked in self.locked.items() if locked["kind"] == "train"]
        if not trained:
            raise RecipeError(Problem("no-model", f"the run {run.name} has trained no model"))
        name, _, part = (stage or trained[-1]).partition("/")
        if name not in trained:
            help = did_you_mean(name, trained, "it has")
            raise RecipeError(Problem("no-model", f"the run {run.name} has no train stage `{name}`", help))
        self.stage = self.locked[name]
        self.part = part
        self.folder = self._folder()
        self.trainer = self._trainer()
        if not self.trainer.predicts:
            message = f"`{self.stage['use']}` has no way to predict rows"
            help = f"use its model in {self.folder} with another program"
            raise RecipeError(Problem("no-prediction", message, help))
        self.model = TrainedModel(self.folder, self.trainer)
        self.steps, self.raw = self._way()

    def _component(self, locked: dict[str, Any], options: dict[str, Any]) -> Component:
        kind = "trainer" if locked["kind"] == "train" else locked["kind"]
        use = f"{locked['package']}:{locked['use'].rpartition(':')[2]}"
        try:
            return made(kind, expand_all(options, self.secrets) | {"use": use}, {})
        except VariableError as error:
            raise RecipeError(Problem("environment", str(error), error.help)) from None
        except (UnknownUseError, PluginError) as error:
            help = f"install the package that the run was made with: {locked['package']}"
            raise RecipeError(Problem("plugin", f"the run {self.run.name} cannot be used: {error}", help)) from None
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            at = ".".join(map(str, first["loc"])) or "its options"
            message = (
                f"the run {self.run.name} cannot be used: {locked['name']} ({locked['use']}): {at}: {first['msg']}"
            )
            raise RecipeError(Problem("plugin", self.secrets.redact(message), "run its recipe again")) from None

    def _folder(self) -> Path:
        """Where the model is. Raises RecipeError if the stage has no such part."""
        whole = self.run.model(self.stage["name"])
        parts = {about.parent.name: about.parent for about in sorted(whole.glob(f"*/*/{ABOUT}"))}
        if self.part and self.part not in parts:
            help = did_you_mean(self.part, list(parts), "they are") if parts else f"its one model is in {whole}"
            message = f"the train stage `{self.stage['name']}` has no part `{self.part}`"
            raise RecipeError(Problem("no-model", message, help))
        return parts[self.part] if self.part else whole

    def _trainer(self) -> Trainer:
        if self.part:
            try:
                return trainer_in(self.folder)
            except OptionError as error:
                raise RecipeError(Problem("plugin", self.secrets.redact(str(error)), error.help)) from None
        options = self.stage["options"] | {"model": {"pretrained": escaped(str(self.folder.absolute()))}}
        trainer = self._component(self.stage, options)
        assert isinstance(trainer, Trainer)
        return trainer

    def _way(self) -> tuple[list[dict[str, Any]], dict[str, str]]:
        """The stages that rows to predict have to pass, and the columns they come with, by type."""
        way = []
        ends = [name for name in self.stage["inputs"] if self.locked[name]["kind"] != "train"]
        at = next((name for name in ends if name.partition(".")[0] == self.trainer.data), ends[0])
        while at:
            way.append(self.locked[at])
            at = next(iter(self.locked[at]["inputs"]), None)
        target = {getattr(self.trainer, "target", None)}
        needed = self._reads() - target
        steps: list[dict[str, Any]] = []
        for locked in way:
            makes_some = needed & set(locked.get("writes", ()))
            if locked["kind"] in ("clean", "extract", "label") and (makes_some or not locked["reads"]):
                steps.insert(0, locked)
                needed |= set(locked["reads"])
        types: dict[str, str] = next((locked["columns"] for locked in reversed(way) if locked.get("columns")), {})
        needed -= target  # a cleaner may read it in training, and finds it empty here
        self.needed = sorted(needed & set(types)) if types else sorted(needed)
        return steps, types

    def _reads(self) -> set[str]:
        """The columns that the trainer reads."""
        return set(self.trainer.columns_after(Columns({}, known=False)).read if self.part else self.stage["reads"])

    def _models(self) -> dict[str, Path]:
        return {name: self.run.model(name) for name, locked in self.locked.items() if locked["kind"] == "train"}

    def rows_of_texts(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """One row a text. Raises RecipeError if the model reads more than one text."""
        if len(self.needed) != 1:
            columns = ", ".join(self.needed)
            help = f"give rows in a file (--file) with the columns {columns}"
            raise RecipeError(Problem("columns", f"the model reads several columns: {columns}", help))
        return [{self.needed[0]: text} for text in texts]

    def __call__(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """A prediction for each row; for a row that a cleaner rejects, its `error`.

        Raises RecipeError if rows lack a column that the model needs.
        """
        if missing := [name for name in self.needed if not any(name in row for row in rows)]:
            help = f"the model needs the columns {', '.join(self.needed)}"
            raise RecipeError(Problem("missing-column", f"the rows have no column `{missing[0]}`", help))
        with tempfile.TemporaryDirectory(prefix="ladle-") as folder:
            return self._predict(rows, Path(folder))

    def _predict(self, rows: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
        from .rows import Rows, columns_of
        from .stages.transform import restored, worked
        from .stages.work import RowSink

        errors: dict[str, str] = {}
        at = folder / "given"
        _write(rows, self.raw, at)
        for number, locked in enumerate(self.steps):
            work = self._component(locked, locked["options"])
            assert isinstance(work, RowWork)
            work = with_models(restored(work, self.run.learnt(locked["name"])), self._models())
            given, at = Rows.of_stages([at]), folder / str(number)
            at.mkdir()
            try:
                with RowSink(at) as sink:
                    for batch in worked(work, given, work.columns_after(columns_of(given.schema))):
                        errors |= {r.id or "": self.secrets.redact(r.reason) for r in batch.rejects.values()}
                        sink.write(batch.kept()[1])
            except Exception as error:
                told = isinstance(error, (OptionError, PluginError))
                what = str(error) if told else f"{type(error).__name__}: {error}"
                message = self.secrets.redact(f"{locked['name']} ({locked['use']}): {what}")
                raise StageError(Problem("stage", message)) from error
        try:
            found = self.model(Rows.of_stages([at])) if len(errors) < len(rows) else {}
        except OptionError as error:
            message = self.secrets.redact(f"{self.stage['name']} ({self.stage['use']}): {error}")
            raise StageError(Problem("stage", message, error.help)) from error
        left_out = "the model has nothing to say of it: what it reads is not there"
        return [found.get(str(n)) or {"error": errors.get(str(n), left_out)} for n in range(len(rows))]


def _write(rows: list[dict[str, Any]], types: dict[str, str], folder: Path) -> None:
    """Write rows to predict as a source would have: columns that they lack are null."""
    import pyarrow as pa

    from .rows import ID, ORIGIN, ORIGIN_TYPE, SPLIT, arrow_type, build_batch
    from .stages.work import RowSink

    names = dict.fromkeys([*types, *(name for row in rows for name in row)])
    known = {name: arrow_type(type_) for name, type_ in types.items()}
    try:
        batch = build_batch({name: [row.get(name) for row in rows] for name in names}, known)
    except ValueError as error:
        raise RecipeError(Problem("type", str(error))) from None
    system = {
        ID: pa.array([str(number) for number in range(len(rows))]),
        SPLIT: pa.array([PREDICT] * len(rows)),
        ORIGIN: pa.nulls(len(rows), ORIGIN_TYPE),
    }
    folder.mkdir()
    with RowSink(folder) as sink:
        sink.write(pa.RecordBatch.from_arrays([*system.values(), *batch.columns], names=[*system, *batch.schema.names]))
