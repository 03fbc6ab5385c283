"""Types for options that mean more than their value: files, data sets, models, usual ranges, what no key holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    model_validator,
)

from .errors import OptionError, did_you_mean, nearest
from .models import Location, fetch, locate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .recipe.environment import Secrets


class NotInKey:
    """Marks an option that cannot change a stage's outcome, and so is no part of its key."""


class Input:
    """Marks a path whose content, not whose name, is part of a stage's key."""


class DataReference:
    """Marks an option that names a data set of the recipe."""


class Uses(NamedTuple):
    """Marks an option whose value is components of a `kind`: tables of the recipe, each with its own `use`.

    `form` says whether it is one table (or the name alone, as `difficulty = "length"`), a list of tables, or a table
    of them by names; `default` is what a recipe is taken to say that says nothing. Options of the outer table that are
    in `given` are every inner one's too, where it says nothing else.
    """

    kind: str
    form: Literal["one", "list", "names"] = "one"
    default: Any = None
    given: tuple[str, ...] = ()

    def __get_pydantic_json_schema__(self, _schema: Any, _handler: Any) -> dict[str, Any]:
        uses = {"kind": self.kind, "form": self.form, "given": list(self.given)}
        return {"uses": uses if self.default is None else uses | {"default": self.default}}


class Usual(NamedTuple):
    """Marks a number option with the range in which sensible values lie: a recipe that sets another one is warned.

    What sensible people do should never be warned of, and what is a hundred times off always. 0 means "none" wherever
    an option allows it, and is always usual. `why_low` and `why_high` tell what usually happens beyond the range.
    """

    low: float
    high: float
    why_low: str = ""
    why_high: str = ""


LEARNT = "learnt"
"""In the context of options: whether files may be gone, for what a component has learnt from them is with the model."""


def resolve(path: str, info: ValidationInfo) -> Path:
    """A path as the recipe means it: relative to the recipe's folder."""
    base = (info.context or {}).get("folder")
    expanded = Path(path).expanduser()
    return expanded if expanded.is_absolute() or base is None else Path(base) / expanded


def secrets_of(info: ValidationInfo) -> Secrets | None:
    """The recipe's values from the environment, which a component takes out of what it writes itself."""
    return (info.context or {}).get("secrets")


def _input_path(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, str):
        return value
    path = resolve(value, info)
    if not path.exists() and not (info.context or {}).get(LEARNT):
        raise OptionError(f"no such file or folder: {value}", help=_near_file(path), code="missing-file")
    return str(path) if info.mode == "json" else path  # of JSON, pydantic makes a path itself


def _near_file(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder {folder} either; paths are relative to the recipe"
    near = nearest(path.name, [entry.name for entry in folder.iterdir()])
    return f"did you mean `{folder / near}`?" if near else f"looked in {folder.absolute()}"


def _output_path(value: Any, info: ValidationInfo) -> Any:
    return resolve(value, info).absolute() if isinstance(value, str) else value


InputPath = Annotated[Path, BeforeValidator(_input_path), Input()]
"""A file or folder that must exist; its content decides whether a stage has to run again."""

OutputPath = Annotated[Path, BeforeValidator(_output_path)]
"""Where a file is to be written."""

DataName = Annotated[str, DataReference()]
"""The name of a data set of the recipe: `reviews` for `[data.reviews]`."""


class ModelChoice(BaseModel):
    """Where a model starts: `{ pretrained = "…" }`, `{ stage = "earlier" }` or `{ scratch = "llama", … }`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    pretrained: str | None = Field(
        default=None,
        description="A folder in Hugging Face layout, an installed package that carries one, or a hub id (`org/name`).",
    )
    revision: str | None = Field(default=None, description="Branch, tag or commit of a hub model.")
    stage: str | None = Field(default=None, description="An earlier train stage, whose model this one goes on from.")

    scratch: str | None = Field(
        default=None,
        description="The architecture of a model that has learnt nothing yet, as transformers calls it (`llama`, "
        "`bert`, `t5`), with a tokeniser trained on the recipe's own texts.",
    )
    size: Literal["tiny", "mini", "small", "medium", "base"] = Field(
        default="small",
        description="Of a model from scratch: width and layers, from 64 and 2 (`tiny`) over 256 and 4 (`small`) to 768 "
        "and 12 (`base`).",
    )
    config: dict[str, Any] = Field(
        default={}, description="Of a model from scratch: settings of its architecture that shall be others."
    )
    tokenizer: Literal["auto", "bpe", "wordpiece", "unigram", "bytes"] = Field(
        default="auto",
        description="How the tokeniser of a model from scratch cuts texts: in pieces found by merging (`bpe`), in "
        "those of BERT or T5, or in single bytes; `auto` is as the architecture has it.",
    )
    vocabulary: Annotated[int, Usual(256, 300_000)] = Field(
        default=8000, ge=64, description="Tokens that the tokeniser of a model from scratch knows at most."
    )
    length: Annotated[int, Usual(16, 131_072)] = Field(
        default=512, gt=2, description="Tokens that a model from scratch reads at most."
    )

    _location: Any = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _one_start(self, info: ValidationInfo) -> ModelChoice:
        starts = {"pretrained": self.pretrained, "stage": self.stage, "scratch": self.scratch}
        if sum(start is not None for start in starts.values()) != 1:
            raise OptionError(
                "a model starts from exactly one of `pretrained`, `stage` and `scratch`",
                help='write model = { pretrained = "…" }, { stage = "…" } or { scratch = "…" }',
                code="model-choice",
            )
        if self.revision is not None and self.pretrained is None:
            raise OptionError("`revision` belongs to a hub model", option="revision", code="model-choice")
        if self.scratch is not None:
            self._check_architecture(self.scratch)
        for name, field in type(self).model_fields.items() if self.scratch is None else ():
            if name not in (*starts, "revision") and getattr(self, name) != field.default:
                raise OptionError(f"`{name}` belongs to a model from scratch", option=name, code="model-choice")
        if self.pretrained is not None:
            self._location = locate(self.pretrained, (info.context or {}).get("folder"))
        return self

    def _check_architecture(self, name: str) -> None:
        from .source_of_transformers import architectures, settings_of

        if name not in (known := architectures()):
            near = nearest(name, known)
            help = f"did you mean `{near}`?" if near else "common ones are llama, gpt2, bert, roberta, t5, bart"
            raise OptionError(f"transformers has no architecture `{name}`", option="scratch", help=help)
        for setting in self.config:
            if setting not in (settings := settings_of(name)):
                help = did_you_mean(setting, sorted(settings), "its settings are")
                raise OptionError(f"`{name}` has no setting `{setting}`", option=("config", setting), help=help)

    def at(self, folder: Path) -> ModelChoice:
        """The same choice, its model in a folder: that of a train stage, once it is trained."""
        copy = self.model_copy()
        copy._location = Location(folder)
        return copy

    @property
    def location(self) -> Location | None:
        """Where the model is; None if it is another stage's that is not trained yet, or is still to be made."""
        return self._location

    def fetch(self) -> Path:
        """The folder of the model, which is downloaded if a hub has it."""
        return fetch(self._location, self.revision)


def marked(annotations: Iterable[Any], *markers: type) -> list[Any]:
    """The markers of these types among a field's annotations."""
    return [mark for mark in annotations if isinstance(mark, markers)]
