"""What all three trainers share: prompts that are texts or conversations, rows made ready once, and TRL's classes."""

from __future__ import annotations

import collections
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, PrivateAttr, field_validator

from ladle import Columns, ModelChoice, OptionError, Trainer

if TYPE_CHECKING:
    import pyarrow as pa
    import torch
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from ladle import Technique
    from ladle.training import Terms

    from .conversations import Renderer

PREDICT = "predict"  # the split of rows to predict
MESSAGES = ("text", "list", "record")  # column types that may hold prompts; large lists of Arrow are told as records

_OTHERWISE = {  # than TRL has it by itself
    "gradient_checkpointing": False,  # a fifth slower; who lacks memory asks for it
    "disable_dropout": True,  # or what a model says of an answer would differ from one time to the next
}


class Conversing(Trainer):
    """A trainer that learns from prompts and answers, with a class of TRL's."""

    offers = frozenset({"embeddings", "layers"})

    said_by_options: ClassVar[dict[str, str]] = {}
    """Arguments of TRL's that an option says, by name."""
    fixed: ClassVar[frozenset[str]] = frozenset()
    """Arguments of TRL's that are decided here."""

    start: ModelChoice = Field(alias="model", description="The model to start from.")
    system_text: str | None = Field(
        default=None, description="What a system message says that goes before every conversation without its own."
    )
    chat: bool | None = Field(
        default=None,
        description="Whether prompts are put into the model's chat template, a text as what a user says; if left out, "
        "where the model has one. Otherwise an answer goes on from the text of its prompt.",
    )

    arguments: dict[str, Any] = Field(
        default={}, description="Further arguments of TRL's class, passed on as they are."
    )

    _loop: Any = PrivateAttr(default=None)

    @field_validator("arguments")
    @classmethod
    def _not_said_twice(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        for name in arguments:
            if (option := cls.said_by_options.get(name)) is not None:
                raise OptionError(
                    f"`{name}` is an option of this trainer: `{option}`",
                    option="arguments",
                    help=f"write `{option} = …` in the train stage, outside `arguments`",
                )
            if name in cls.fixed:
                raise OptionError(f"`{name}` is decided by this trainer", option="arguments", help="leave it out")
        return arguments

    def check_with(self, technique: Technique) -> None:
        if "tokens" in technique.takes():
            raise OptionError(
                "it keeps what layers say of the tokens of each row, and here a row is several texts, or one that is "
                "yet to be written",
                help="let it keep nothing (`transfer` does so with reuse = false), or leave it out",
            )

    def need(self, given: Columns, option: str, *types: Any) -> None:
        """Look for a column that is read in training alone: rows to predict need not have it."""
        given.fresh().need(getattr(self, option), *types, option=option)

    def own_arguments(self) -> dict[str, Any]:
        return _OTHERWISE

    def trainer_options(self) -> dict[str, Any]:
        return {"processing_class": self.tokenizer, "begun": self._begun}

    def _begun(self, loop: Any) -> None:
        self._loop = loop

    @functools.cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The model's own."""
        from ladle.training import tokenizer_from

        return tokenizer_from(self.setting.start)

    @functools.cached_property
    def renderer(self) -> Renderer:
        from .conversations import Renderer

        return Renderer(self.tokenizer, self.chat, self.system_text)

    def loaded(self) -> tuple[PreTrainedModel, list[str]]:
        """The model in the folder to start from, each time the same, and the names of weights that it lacks there."""
        raise NotImplementedError

    def model(self) -> torch.nn.Module:
        assert self.renderer  # says what is wrong before anything is loaded
        model, new = self.loaded()
        if new:
            self.setting.notes["new weights, which the model to start from lacks"] = ", ".join(new)
        return model

    @functools.cached_property
    def start_model(self) -> torch.nn.Module:
        """The model that the stage starts from, which nothing changes."""
        return self.loaded()[0].to(self.setting.device).requires_grad_(False).eval()

    def prepared(
        self, split: str, parts: dict[str, Any], schema: pa.Schema, make: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> Dataset:
        """The rows of a split as `make` makes them of a row, in this schema; kept in the store.

        Rows for which it raises UnusableError are left out, and the notes say how many. Raises OptionError if no row is
        left.
        """
        from datasets import Dataset

        template = self.tokenizer.chat_template if self.renderer.is_chat else None
        parts = {**parts, "split": split, "template": template, "system": self.system_text}
        write = functools.partial(self._write, split=split, schema=schema, make=make)
        folder = self.setting.keep("prompts and answers", parts, write)
        self.setting.notes |= json.loads((folder / "notes.json").read_text())
        return Dataset.from_file(str(folder / "rows.arrow"))

    def _write(
        self, folder: Path, split: str, schema: pa.Schema, make: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> None:
        import pyarrow as pa

        from .conversations import UnusableError

        left_out: collections.Counter[str] = collections.Counter()
        written = 0
        with (
            pa.ipc.new_stream(folder / "rows.arrow", schema) as out,
            self.setting.progress(f"tokenising ({split})", self.setting.splits[split]) as done,
        ):
            for batch in self.setting.data.of_split(split).batches("arrow"):
                found = []
                for row in batch.to_pylist():
                    try:
                        found.append({"_id": row["_id"], **make(row)})
                    except UnusableError as error:
                        left_out[str(error)] += 1
                out.write_batch(pa.RecordBatch.from_pylist(found, schema))
                written += len(found)
                done(batch.num_rows)
        if not written:
            reasons = "; ".join(f"{count} {why}" for why, count in left_out.most_common(3))
            raise OptionError(
                f"no row of the {split} split can be used: {reasons}",
                option="data",
                help="look at the split, and at how the columns are filled",
            )
        notes = {f"{split} rows left out, {why}": count for why, count in left_out.items()}
        (folder / "notes.json").write_text(json.dumps(notes))

    def loss(self, model: torch.nn.Module, batch: dict[str, Any]) -> Terms:
        """The loss that TRL's class works out for a batch."""
        raise NotImplementedError

    def save(self, model: torch.nn.Module, folder: Path) -> None:
        model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
