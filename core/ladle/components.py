"""What a recipe can name with `use`: a component is its options, plus one or two methods that do the work.

Nothing here imports torch, transformers, datasets or pyarrow: a component does so inside the methods that
need them, so that checking a recipe stays fast.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator

from .arguments import DEFAULT_ARGUMENTS, check_arguments
from .columns import Changes, Columns, ColumnType, Makes, Reads
from .options import DataName, DataReference, Input, ModelChoice, NotInKey, OutputPath, Usual, marked

if TYPE_CHECKING:
    import pyarrow as pa
    import torch
    import transformers
    from datasets import Dataset
    from torch.utils.data import Sampler

    from .errors import OptionError
    from .rejects import Batch, Cleaned, Reject
    from .rows import Row, Rows
    from .sample import Sample
    from .training.measured import Measured
    from .training.setting import Setting
    from .training.terms import Terms


class Component(BaseModel):
    """The options of one thing that a recipe can use.

    A recipe's table validates straight into an instance: unknown keys are refused, nothing is converted,
    and the instance cannot change. The docstring and the fields' descriptions are the documentation.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True, allow_inf_nan=False)

    kind: ClassVar[str]

    @classmethod
    def summary(cls) -> str:
        """The first line of the docstring."""
        return (cls.__doc__ or "").strip().partition("\n")[0]

    def files(self) -> list[Path]:
        """The files whose content this component reads: a change in one means working again."""
        return [
            path
            for name, field in type(self).model_fields.items()
            if marked(field.metadata, Input) and (path := getattr(self, name)) is not None
        ]

    def version_of_data(self) -> Any:
        """A JSON value that is another one whenever what is read, beside `files`, has changed; None if nothing tells.

        It is part of the key, and asked when a run begins: without it rows are read once for the same options.
        """
        return None

    def data_names(self) -> list[tuple[str, str]]:
        """The data sets that options name, one or a list each, as (option, name)."""
        named = [
            (name, getattr(self, name))
            for name, field in type(self).model_fields.items()
            if marked(field.metadata, DataReference) and getattr(self, name) is not None
        ]
        return [(name, one) for name, value in named for one in ([value] if isinstance(value, str) else value)]

    def model_choices(self) -> list[tuple[str, ModelChoice]]:
        """The models that options name, as (key, choice)."""
        return [
            (field.alias or name, choice)
            for name, field in type(self).model_fields.items()
            if isinstance(choice := getattr(self, name), ModelChoice)
        ]

    def columns_after(self, given: Columns) -> Columns:
        """The columns after this component, given those before.

        Raises OptionError (through `given.need`) for a column that is missing or of the wrong type.
        """
        after = given
        for name, field in type(self).model_fields.items():
            for mark in marked(field.metadata, Reads, Makes):
                value = getattr(self, name)
                for column in [value] if isinstance(value, str) else value or ():
                    if isinstance(mark, Makes):
                        after = after.having(column, mark.type)
                        continue
                    found = given.need(column, *mark.types, option=field.alias or name)
                    if isinstance(mark, Changes):
                        after = after.having(column, found)
        return after

    def doubts(self, sample: Sample) -> Iterator[OptionError]:
        """Likely mistakes of the recipe, each as the OptionError that it would be if it were sure; told as warnings.

        `sample` are the first rows that this component is given (a technique: those of its trainer), as far as they are
        known when a recipe is checked; there may be none. Only what takes milliseconds has a place here.
        """
        return iter(())


class DataSource(Component):
    """Where rows come from."""

    kind = "source"

    suffixes: ClassVar[tuple[str, ...]] = ()
    """How the names of files end that this source is for, in lower case, the most usual first; () if it reads none."""

    _keeper: Callable[[str, Collection[str]], Path] | None = PrivateAttr(default=None)

    def keep(self, name: str, besides: Collection[str] = ()) -> Path | None:
        """A folder in the store for what is dear to get again, one for these options but those in `besides`.

        While `read` is under way it holds what an attempt has left that was stopped; once every row has been read it is
        whole, and changes no more. Another version of the plugin finds it too: `name` shall tell how things are kept.
        Outside of a run there is None.
        """
        return self._keeper and self._keeper(name, besides)

    def keeping(self, keeper: Callable[[str, Collection[str]], Path]) -> Self:
        """A copy that gets what it keeps from `keeper`."""
        copy = self.model_copy()
        copy._keeper = keeper
        return copy

    def identified_by(self) -> Sequence[str]:
        """The columns whose values make the id of a row; none where all that the row says does."""
        return ()

    def read(self) -> Iterator[Row | pa.RecordBatch | Reject]:
        """Yield rows (dicts), or record batches for speed, and a Reject for whatever cannot be read.

        A batch may carry a column `_origin` (see `ladle.origins`) that tells file, line and byte offset of each row.
        """
        raise NotImplementedError

    def peek(self) -> Mapping[str, ColumnType] | None:
        """The columns and their types, found without reading everything; None where that is impossible."""
        return None

    # Of a source that options of the type DataName make read other data sets of the recipe

    def reading(self, data: Mapping[str, Rows]) -> DataSource:
        """A copy that reads the data sets, by name, which its options name.

        Its batches may have `_id` and `_split`, which then stay what they are.
        """
        raise NotImplementedError

    def columns_of(self, data: Mapping[str, Columns]) -> Columns:
        """The columns that it makes of those of the data sets; it raises OptionError for one that is missing."""
        raise NotImplementedError

    def first_rows(self, count: int) -> Sample | None:
        """The first `count` rows, typed as `read` gives them; None where that would take more than milliseconds.

        It is asked right after `peek`, so that what `peek` has read need not be read again.
        """
        return None


class RowWork(Component):
    """What cleaners, feature extractors and labelers share: rows in, the same rows out.

    Row-local work is a method that gets one row or one batch. Work on the whole data set overrides the
    data method. What is learnt from data is what `fit` returns; it is there as `self.state` when rows are
    worked on, in training and at prediction alike.
    """

    form: ClassVar[Literal["python", "arrow"]] = "python"
    """What a batch is: a dict of lists, or a pyarrow.RecordBatch."""
    asks: ClassVar[str | None] = None
    """The option with a model that it asks for predictions, if any: rows need the columns that this one reads."""
    is_secret: ClassVar[bool] = False
    """Whether nobody shall read what rows were before: changes tell what values became, and rejects keep no row."""

    _state: Any = PrivateAttr(default=None)
    _beside: Any = PrivateAttr(default=None)

    def fit(self, train: Rows) -> Any:
        """Learn from the rows of the train split; return what `self.state` shall be (any JSON value)."""
        return None

    @property
    def learns(self) -> bool:
        """Whether this component has a `fit` of its own."""
        return type(self).fit is not RowWork.fit

    @property
    def is_light(self) -> bool:
        """Whether the method for one row is quick, imports nothing heavy and touches nothing but the row.

        Then the check tries it on the first rows. A component that works on batches for speed, or in another form, may
        have that method as well, for this alone.
        """
        return False

    @property
    def state(self) -> Any:
        return self._state

    def with_state(self, state: Any) -> RowWork:
        """A copy that has learnt `state`."""
        copy = self.model_copy()
        copy._state = state
        return copy

    # Of work for which options of the type DataName name other data sets of the recipe

    def check_beside(self, data: Mapping[str, Columns]) -> None:
        """Raises OptionError if those data sets, by name, have not the columns that are read there."""

    @property
    def beside(self) -> Mapping[str, Rows]:
        """Those data sets, by name, each whole; none where a trained model is used, for they are of its training."""
        return self._beside or {}

    def with_beside(self, data: Mapping[str, Rows]) -> RowWork:
        """A copy beside which there are these data sets."""
        copy = self.model_copy()
        copy._beside = data
        return copy

    def work(self, data: Rows) -> Iterable[Batch | Cleaned]:
        """What the core calls: for each batch of `data` the batch that takes its place."""
        raise NotImplementedError


class Cleaner(RowWork):
    """Mends rows, or drops them with a reason."""

    kind = "clean"

    def clean_row(self, row: Row) -> Row | Reject:
        """The row as it shall be, or the Reject that says why it goes."""
        raise NotImplementedError

    def clean_batch(self, batch: Batch) -> Batch | Cleaned:
        """A batch of the same length; rows to drop are named beside it in a Cleaned."""
        from .rows import each_row

        return each_row(self.clean_row, batch)

    def clean_data(self, data: Rows) -> Iterable[Batch | Cleaned]:
        """For each batch of `data`, in order, what `clean_batch` would return."""
        return map(self.clean_batch, data.batches(self.form))

    def work(self, data: Rows) -> Iterable[Batch | Cleaned]:
        return self.clean_data(data)


class FeatureExtractor(RowWork):
    """Adds features that rows carry."""

    kind = "extract"

    def extract_row(self, row: Row) -> Row:
        """The row with its features."""
        raise NotImplementedError

    def extract_batch(self, batch: Batch) -> Batch:
        """The batch with its features."""
        from .rows import each_row

        return each_row(self.extract_row, batch).batch

    def extract_data(self, data: Rows) -> Iterable[Batch]:
        """For each batch of `data`, in order, what `extract_batch` would return."""
        return map(self.extract_batch, data.batches(self.form))

    def work(self, data: Rows) -> Iterable[Batch | Cleaned]:
        return self.extract_data(data)


class Labeler(RowWork):
    """Gives rows labels; a row it abstains from has none (null)."""

    kind = "label"

    def label_row(self, row: Row) -> Row:
        """The row with its label."""
        raise NotImplementedError

    def label_batch(self, batch: Batch) -> Batch:
        """The batch with its labels."""
        from .rows import each_row

        return each_row(self.label_row, batch).batch

    def label_data(self, data: Rows) -> Iterable[Batch]:
        """For each batch of `data`, in order, what `label_batch` would return."""
        return map(self.label_batch, data.batches(self.form))

    def work(self, data: Rows) -> Iterable[Batch | Cleaned]:
        return self.label_data(data)


class Writer(Component):
    """Keeps rows in a file."""

    kind = "write"

    path: OutputPath = Field(description="The file to write; it appears when it is whole.")

    def write(self, data: Rows, path: Path) -> None:
        """Write all rows to `path`, a temporary name that the core moves to `self.path` afterwards."""
        raise NotImplementedError


class Training(Component):
    """What trainers and techniques share: the setting they find themselves in while a model is trained."""

    _setting: Any = PrivateAttr(default=None)

    @property
    def setting(self) -> Setting:
        """Data, seed, device, model and store of the training under way."""
        return self._setting

    def within(self, setting: Setting) -> Any:
        """A copy at work in `setting`."""
        copy = self.model_copy()
        copy._setting = setting
        return copy

    def callbacks(self) -> list[transformers.TrainerCallback]:
        """What has to happen over time; a callback that is an ExportableState keeps its state in checkpoints."""
        return []


class Technique(Training):
    """Wraps a trainer's answers: each method gets the answer inside (`inner`) and what that one gets.

    A technique overrides the questions it has something to say to; `questions()` tells which.
    """

    kind = "technique"

    needs: ClassVar[frozenset[str]] = frozenset()
    """What it cannot do without, of what a trainer `offers`."""
    claims: ClassVar[frozenset[str]] = frozenset()
    """What only one technique of a stage may decide, such as `order`."""

    def takes(self) -> frozenset[str]:
        """What other techniques of the stage can no longer have, given its options."""
        return frozenset()

    def check_with(self, trainer: Trainer) -> None:
        """Raises OptionError if it cannot work with this trainer, as both are set. Imports nothing heavy."""

    def model(self, inner: Any) -> torch.nn.Module:
        """The module to train, changed inside but not wrapped."""
        return inner()

    def dataset(self, inner: Any, split: str) -> Dataset:
        """The rows of a split, as they go into batches."""
        return inner(split)

    def sampler(self, inner: Any, dataset: Dataset) -> Sampler[list[int]]:
        """The order of rows, cut into batches."""
        return inner(dataset)

    def batch(self, inner: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Rows into tensors, and their `counts`."""
        return inner(rows)

    def loss(self, inner: Any, model: torch.nn.Module, batch: dict[str, Any]) -> Terms:
        """The loss of one batch, in named terms."""
        return inner(model, batch)

    def step(self, inner: Any, model: torch.nn.Module, batch: dict[str, Any]) -> torch.Tensor:
        """Forward, backward: adds to every trainable parameter's gradient, returns the loss (no gradient)."""
        return inner(model, batch)

    def parameters(self, inner: Any, model: torch.nn.Module) -> list[dict[str, Any]]:
        """Optimiser groups: every trainable parameter in exactly one."""
        return inner(model)

    def take_off(self, model: torch.nn.Module) -> None:
        """Leave of the trained `model` what is the trainer's own: adapters are merged, for example.

        Called once after the training, before anything is measured or saved; the last technique comes first. Hooks
        that a loss needs are put on and taken off within the loss.
        """

    def measure(self, inner: Any, split: str) -> Measured:
        """What the trained model is worth on the rows of a held-out split, in the end: never to choose by."""
        return inner(split)


class Trainer(Training):
    """Makes a model from a data set: names a `transformers.Trainer` class and answers seven questions for it.

    A question that a trainer does not override is left to the Trainer class that it names.
    """

    kind = "trainer"

    trainer_class: ClassVar[str] = "transformers:Trainer"
    """Where the class is whose loop runs the training."""
    arguments_class: ClassVar[str] = DEFAULT_ARGUMENTS
    """Where the class is of the arguments that `trainer_class` takes."""
    offers: ClassVar[frozenset[str]] = frozenset()
    """What techniques may build on:

    `items` (a loss term holds one value per item, not one per batch), `labels` (each row has a class, [rows] under
    `labels`), `embeddings` (the model embeds `input_ids` by its `get_input_embeddings()`), `tokens` (rows have
    `input_ids`, which may be changed), `texts` (these come from the text in `column`, by `encode`), `layers` (the lower
    layers can be found, and fixed).
    """

    claims: ClassVar[frozenset[str]] = frozenset()
    """What it decides itself and no technique may, such as `order`."""

    data: DataName = Field(description="The data set to train on.")
    start: ModelChoice | None = Field(default=None, alias="model", description="Where the model starts.")
    epochs: Annotated[float, Usual(0.05, 100)] = Field(
        default=3, ge=0, description="Passes over the train split; 0 measures the model as it is."
    )
    batch_size: Annotated[int, Usual(1, 2048, why_high="memory is likely to run out")] = Field(
        default=32, gt=0, description="Rows in a batch, on each device."
    )
    accumulate: Annotated[int, Usual(1, 64)] = Field(
        default=1, gt=0, description="Batches whose gradients make one step."
    )
    auto_batch: bool = Field(
        default=False,
        description="Where memory is too small for a batch, halve it and raise `accumulate`, so that a step has as "
        "many rows as before.",
    )
    learning_rate: Annotated[
        float, Usual(5e-7, 1e-3, "a model hardly learns at such a rate", "training is likely to diverge")
    ] = Field(default=2e-5, gt=0, description="Highest learning rate of the schedule.")
    schedule: Literal["linear", "cosine", "constant"] = Field(
        default="linear", description="How the learning rate goes on after the warm-up."
    )
    warmup: Annotated[float, Usual(0, 0.5, why_high="the rate still rises when most of the training is over")] = Field(
        default=0.1, ge=0, lt=1, description="Share of the steps in which the rate rises from 0."
    )
    weight_decay: Annotated[float, Usual(0, 0.5, why_high="weights are likely to shrink to nothing")] = Field(
        default=0.01, ge=0, description="Decoupled weight decay (AdamW)."
    )
    clip: Annotated[float, Usual(0.05, 50)] = Field(
        default=1.0, ge=0, description="Largest norm of a step's gradient; 0 leaves it alone."
    )
    early_stopping: Annotated[int | None, Usual(1, 50)] = Field(
        default=None, gt=0, description="Epochs without a better `choose_by` on the validation split before stopping."
    )
    choose_by: str = Field(
        default="loss", description="Validation metric that chooses the best epoch, whose model is kept."
    )
    on_divergence: Annotated[Literal["stop", "go-on"], NotInKey()] = Field(
        default="stop", description="What to do when the loss is no number any more, or grows beyond bounds."
    )
    device: Annotated[Literal["auto", "cuda", "mps", "cpu"], NotInKey()] = Field(
        default="auto", description="Where to train; `auto` takes the best there is."
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="Number format of the forward pass; `auto` is bfloat16 on CUDA where it can."
    )
    arguments: dict[str, Any] = Field(
        default={}, description="Further `transformers.TrainingArguments`, passed on as they are."
    )

    @field_validator("arguments")
    @classmethod
    def _known_arguments(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        check_arguments(arguments, cls.arguments_class)
        return arguments

    def text_columns(self) -> list[tuple[str, str]]:
        """On what the tokeniser of a model from scratch is trained, as (data set, column); texts may stand in lists."""
        column = getattr(self, "column", None)
        return [(self.data, column)] if isinstance(column, str) else []

    def check_with(self, technique: Technique) -> None:
        """Raises OptionError, about the technique, if it cannot go with this trainer. Imports nothing heavy."""

    def own_arguments(self) -> dict[str, Any]:
        """Further arguments of `arguments_class` that follow from the options; a recipe's own go before them."""
        return {}

    def trainer_options(self) -> dict[str, Any]:
        """Further keyword arguments for `trainer_class`, such as a `processing_class`."""
        return {}

    # The seven questions

    def model(self) -> torch.nn.Module:
        """The module to train, from `self.setting.start`; at prediction, the module that `save` has written there."""
        raise NotImplementedError

    def dataset(self, split: str) -> Dataset:
        """The rows of a split, as they go into batches; a column `length` lets batches hold rows of like length.

        At prediction the rows have no target column, and their split is called `predict`.
        """
        return self.setting.rows(split)

    def sampler(self, dataset: Dataset) -> Sampler[list[int]]:
        """The order of rows, cut into batches (`ladle.training.shuffled` is a good answer)."""
        raise NotImplementedError

    def batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Rows into tensors, and under `counts` the numbers that loss terms are averaged over."""
        raise NotImplementedError

    def encode(self, texts: list[str]) -> list[list[int]]:
        """The `input_ids` that rows with these texts would have: for techniques that change texts."""
        raise NotImplementedError

    def loss(self, model: torch.nn.Module, batch: dict[str, Any]) -> Terms:
        """The loss of one batch in named terms, one value per item (the Trainer class gives one term per batch)."""
        raise NotImplementedError

    def step(self, model: torch.nn.Module, batch: dict[str, Any]) -> torch.Tensor:
        """Forward and backward of one batch."""
        raise NotImplementedError

    def parameters(self, model: torch.nn.Module) -> list[dict[str, Any]]:
        """Optimiser groups (`ladle.training.decay_groups` makes those that all have where none are answered)."""
        raise NotImplementedError

    # Measuring and using the model

    def evaluate(self, model: torch.nn.Module, dataset: Dataset) -> Measured:
        """Metrics of a model on the rows that `dataset()` gave; usually `measure` of the `outputs`."""
        from .training.evaluate import outputs

        return self.measure(outputs(self, model, dataset), dataset)

    def predict(self, model: torch.nn.Module, dataset: Dataset) -> list[dict[str, Any]]:
        """What a model says of the rows that `dataset()` gave, one dict a row; usually `present` of the `outputs`."""
        from .training.evaluate import outputs

        return self.present(outputs(self, model, dataset))

    def outputs(self, model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """What the model says of each row of a batch: tensors whose first dimension is the rows.

        Further dimensions may differ between batches: at their ends, rows are padded with NaN, or with -100 where
        these are whole numbers.
        """
        raise NotImplementedError

    def measure(self, outputs: dict[str, Any], dataset: Dataset) -> Measured:
        """Metrics of the rows of `dataset` (its columns are those that `dataset()` gave), from numpy `outputs`."""
        raise NotImplementedError

    def baseline(self, train: Dataset, test: Dataset) -> dict[str, float]:
        """The metrics that a model would have that learnt nothing but the commonest answer of `train`."""
        raise NotImplementedError

    def present(self, outputs: dict[str, Any]) -> list[dict[str, Any]]:
        """Predictions as a person reads them, one dict a row."""
        raise NotImplementedError

    def save(self, model: torch.nn.Module, folder: Path) -> None:
        """Write the model in Hugging Face layout, with whatever else is needed to use it."""
        raise NotImplementedError

    def answers(self, question: str) -> bool:
        """Whether this trainer answers a question itself."""
        return getattr(type(self), question) is not getattr(Trainer, question)

    @property
    def measures(self) -> bool:
        """Whether this trainer measures models itself, rather than the Trainer class that it names."""
        return self.answers("measure") or self.answers("evaluate")

    @property
    def predicts(self) -> bool:
        """Whether this trainer can say what its model has to say of new rows."""
        return self.answers("present") or self.answers("predict")
