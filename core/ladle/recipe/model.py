"""What a recipe is once it has been read: data sets, train stages, and the components they use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..columns import Columns
from ..components import Component, Trainer
from ..errors import OptionError
from ..options import Usual
from .environment import Secrets
from .problems import Problems
from .spans import Path as TomlPath

if TYPE_CHECKING:
    from ..registry import Offer

_HELD_OUT = Usual(0.001, 0.6, "few rows make a measure that says little", "few rows are left to train on")

STEPS = ("source", "clean", "extract", "label", "write")  # the order in which data flows


class Split(BaseModel):
    """How rows are divided: by a hash of their content, by a column that says it, or by time."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    test: Annotated[float, _HELD_OUT] = Field(
        default=0.0, ge=0, lt=1, description="Share of the rows that measure the model in the end."
    )
    validation: Annotated[float, _HELD_OUT] = Field(
        default=0.0, ge=0, lt=1, description="Share of the rows that guide the training."
    )
    by: list[str] = Field(
        default=[], description="Columns to hash instead of the whole row: rows equal in them stay together."
    )
    column: str | None = Field(default=None, description="A column that holds `train`, `validation` or `test`.")
    time: str | None = Field(
        default=None, description="A column to sort by: the latest rows are the test split, those before validation."
    )
    seed: int = Field(default=0, ge=0, description="Another number gives another division.")

    @model_validator(mode="after")
    def _one_way(self) -> Split:
        ways = [name for name in ("by", "column", "time") if getattr(self, name)]
        if len(ways) > 1:
            raise OptionError(f"`{ways[0]}` and `{ways[1]}` are two ways to split; keep one", option=ways[1])
        if self.column and (self.test or self.validation):
            raise OptionError("the column says which split a row is in; shares have no place here", option="column")
        if self.test + self.validation >= 1:
            raise OptionError(
                "`test` and `validation` together leave nothing to train on", option="test", help="lower one of them"
            )
        return self

    def need_columns(self, given: Columns) -> None:
        """Raises OptionError if a column to split by is missing, or of a wrong type."""
        for name in self.by:
            given.need(name, option="by")
        if self.column:
            given.need(self.column, "text", option="column")
        if self.time:
            given.need(self.time, "time", "number", "text", option="time")

    @property
    def names(self) -> list[str]:
        """The splits that there will be; a column may leave some of them empty."""
        if self.column:
            return ["train", "validation", "test"]
        return ["train", *(name for name in ("validation", "test") if getattr(self, name))]


class Used:
    """One component in its place in the recipe."""

    def __init__(
        self,
        use: str,
        offer: Offer,
        component: Component,
        at: TomlPath,
        written: dict[TomlPath, str] | None = None,
        inner: Sequence[Used] = (),
        given: frozenset[str] = frozenset(),
    ) -> None:
        self.use = use
        self.offer = offer
        self.component = component
        self.at = at
        self.inner = inner
        """The components that its options hold."""
        self.given = given
        """Options that it has from the component that holds it."""
        self.written = written or {}
        """Texts of its table that came from the environment, as the recipe has them, by their places in the table."""
        self.after = Columns({}, known=False)
        """The columns after it, with the log of what it read and wrote."""

    @property
    def name(self) -> str:
        """Its name with its package's, which nothing else can have."""
        return f"{self.offer.plugin.name}:{self.use.rpartition(':')[2]}"

    def all(self) -> Iterator[Used]:
        """Itself, and what is in it."""
        yield self
        for used in self.inner:
            yield from used.all()


class DataSet(NamedTuple):
    """A `[data.NAME]` table."""

    name: str
    steps: dict[str, list[Used]]
    split: Split | None = None

    @property
    def sources(self) -> list[Used]:
        return self.steps["source"]

    @property
    def work(self) -> list[tuple[str, Used]]:
        """Cleaners, feature extractors, labelers and writers with their kinds, in the order of the data."""
        return [(step, used) for step in STEPS[1:] for used in self.steps[step]]

    @property
    def columns(self) -> Columns:
        """The columns of the finished data set."""
        changing = [used for step, used in self.work if step != "write"]
        return (changing or self.sources)[-1].after if self.sources else Columns({}, known=False)


class TrainStage(NamedTuple):
    """A `[[train]]` table."""

    name: str
    trainer: Used
    techniques: list[Used]

    @property
    def trainers(self) -> list[Used]:
        """The trainer, and those that it is made of."""
        return [used for used in self.trainer.all() if used.offer.kind == "trainer"]

    @property
    def uses(self) -> list[Used]:
        """Its trainer and techniques, and what is in them."""
        return [used for outer in (self.trainer, *self.techniques) for used in outer.all()]

    @property
    def data(self) -> list[str]:
        """The names of the data sets that it trains on."""
        named = [used.component.data for used in self.trainers if isinstance(used.component, Trainer)]
        return list(dict.fromkeys(name for name in named if name))  # a trainer made of others may name none itself

    def data_of(self, used: Used) -> str:
        """The data set whose rows a trainer or technique of this stage sees: the first, if it names none itself."""
        own = used.component.data if isinstance(used.component, Trainer) else None
        return own or self.data[0]


class Recipe:
    """A whole recipe, checked."""

    def __init__(
        self, path: Path, text: str, problems: Problems, settings: tuple[str, ...] = (), is_offline: bool = False
    ) -> None:
        self.path = path
        self.text = text
        self.problems = problems
        """Where everything stands in the text, for errors that the run shows."""
        self.settings = settings
        """Values of the command line that took the place of the recipe's own."""
        self.is_offline = is_offline
        """Whether sources were left alone when it was checked."""
        self.name = ""
        self.seed = 0
        self.data: dict[str, DataSet] = {}
        self.train: list[TrainStage] = []
        self.faulty: set[str] = set()
        """The names of train stages whose own tables have mistakes: they are not in `train`."""

    @property
    def secrets(self) -> Secrets:
        """What came from the environment, and is not to be told."""
        return self.problems.secrets

    def uses(self) -> Iterator[Used]:
        for data_set in self.data.values():
            for outer in (*data_set.sources, *(used for _, used in data_set.work)):
                yield from outer.all()
        for stage in self.train:
            yield from stage.uses
