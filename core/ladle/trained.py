"""A trained model at work on new rows."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .components import Component, Trainer
from .errors import OptionError
from .events import Events
from .options import LEARNT, Uses, marked
from .recipe.environment import Secrets, VariableError, escaped, expand_all
from .registry import PluginError, UnknownUseError, installed
from .store import Store, read_json, read_note

if TYPE_CHECKING:
    from .rows import Rows

ABOUT = "ladle.json"
"""The file of a model folder that tells which trainer made it, with which options, and what it has learnt."""
PREDICT = "predict"  # the split of rows to predict


class TrainedModel:
    """The model in a folder that a train stage has written, as a predictor of rows.

    Raises OptionError (about `model`) if the folder has no such model, or its plugin is not there.
    """

    def __init__(self, folder: Path, trainer: Trainer | None = None) -> None:
        self.folder = folder
        self.trainer = trainer or trainer_in(folder)
        self._started: tuple[Any, Any] | None = None

    def __call__(self, rows: Rows) -> dict[str, dict[str, Any]]:
        """What the model says of each row, by the ids of rows that it can read."""
        with tempfile.TemporaryDirectory(prefix="ladle-") as folder:
            trainer = self._at_work(self._to_predict(rows, Path(folder) / "rows"), Path(folder))
            dataset = trainer.dataset(PREDICT)
            said = trainer.predict(trainer.setting.model, dataset)
            return dict(zip(dataset["_id"], said, strict=True))

    def _to_predict(self, rows: Rows, folder: Path) -> Rows:
        """The rows in one split, whatever theirs is, without the target."""
        import pyarrow as pa

        from .rows import SPLIT, Rows
        from .stages.work import RowSink

        target = getattr(self.trainer, "target", None)
        folder.mkdir()
        with RowSink(folder) as sink:
            for batch in rows.whole_batches():
                place = batch.schema.get_field_index(SPLIT)
                predict = pa.array([PREDICT] * batch.num_rows, pa.string())
                batch = batch.set_column(place, SPLIT, predict)
                sink.write(batch.select([name for name in batch.schema.names if name != target]))
        return Rows.of_stages([folder])

    def _at_work(self, rows: Rows, folder: Path) -> Trainer:
        import transformers

        from .training.arguments import choose_device, choose_precision
        from .training.setting import Setting

        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        setting = Setting(
            name=PREDICT,
            data=rows,
            data_sets={},
            start=self.folder,
            seed=0,
            device=(device := choose_device("auto")),
            precision=choose_precision("auto", device),
            keys={},
            store=Store(folder),
            events=Events(),
        )
        trainer: Trainer = self.trainer.within(setting)
        if self._started is None:
            setting.state = read_json(self.folder / ABOUT)["state"]
            self._started = trainer.model().to(device), setting.state
        setting.model, setting.state = self._started
        return trainer


def trainer_in(folder: Path) -> Trainer:
    """The trainer that made the model in a folder. Raises OptionError (about `model`) if that is not to be had."""
    note = read_note(folder / ABOUT) or {}
    if "options" not in note:
        raise OptionError(
            f"the model in {folder} was not trained by ladle: what it says of rows is not known",
            option="model",
            help='name the model of a train stage: model = { stage = "…" }, or a folder of a run\'s models',
        )
    options = note["options"] | {"use": note["use"], "model": {"pretrained": escaped(str(folder.absolute()))}}
    try:
        trainer = made("trainer", expand_all(options, Secrets()), {})
    except (UnknownUseError, PluginError) as error:
        help = f"install the package that it was trained with: {note['use'].partition(':')[0]}"
        raise OptionError(f"the model in {folder} cannot be used: {error}", option="model", help=help) from error
    except (VariableError, ValueError) as error:
        raise OptionError(f"the model in {folder} cannot be used: {error}", option="model") from error
    assert isinstance(trainer, Trainer)
    if not trainer.predicts:
        raise OptionError(f"`{note['use']}` has no way to predict rows", option="model")
    return trainer


def made(kind: str, table: Mapping[str, Any], outer: Mapping[str, Any]) -> Component:
    """A component from its table as a lock keeps it. Raises what finding and validating it raises."""
    component = installed().find(kind, table["use"]).load()
    keys = {name: field.alias or name for name, field in component.model_fields.items()}
    options = {key: value for key, value in {**outer, **table}.items() if key in keys.values()}
    held = {keys[name]: mark for name, field in component.model_fields.items() for mark in marked(field.metadata, Uses)}
    for key, mark in held.items():
        given = {name: options[name] for name in mark.given if name in options}
        if mark.form == "one":
            options[key] = made(mark.kind, options[key], given) if key in options else None
        elif mark.form == "list":
            options[key] = [made(mark.kind, inner, given) for inner in options.get(key, ())]
        else:
            options[key] = {name: made(mark.kind, inner, given) for name, inner in options.get(key, {}).items()}
    context = {LEARNT: True}
    if held:
        return component.model_validate(options, context=context)
    return component.model_validate_json(json.dumps(options), context=context)
