"""Curriculum learning: rows in an order of difficulty, and how fast it rises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PrivateAttr, model_validator

from ladle import OptionError, Technique, Trainer, Uses, Usual

if TYPE_CHECKING:
    import numpy as np
    import transformers
    from datasets import Dataset

    from .schedules import Schedule

_OPTIONS = {
    "competence": ("difficulty", "reversed", "until", "pace", "start"),
    "buckets": ("difficulty", "reversed", "until", "buckets", "keep_easier"),
    "sorted": ("difficulty", "reversed"),
    "self-paced": ("start", "growth"),
}  # by schedule
_STARTS = {"competence": 0.01, "self-paced": 0.5}


class Curriculum(Technique):
    """Train on easy rows first, by a measure of difficulty and a schedule of how it rises.

    Batches, and the number of steps, stay the trainer's: only which rows stand in them changes. Where a trainer packs
    rows, `sorted` takes some more steps, since rows of like difficulty fill batches less well.
    """

    claims = frozenset({"order"})

    difficulty: Annotated[Any, Uses("difficulty")] = Field(
        default=None, description="What makes a row difficult: a measure's name, or a table with its options."
    )
    schedule: Literal["competence", "buckets", "sorted", "self-paced"] = Field(
        default="competence",
        description="How difficulty rises. `competence`: batches are drawn from a share of the rows that grows "
        "(Platanios et al. 2019). `buckets`: from ever more buckets of rows (baby steps, Spitkovsky et al. 2010). "
        "`sorted`: each epoch goes from the easiest row to the hardest. `self-paced`: after one epoch of all rows, "
        "from those that the model itself loses little on (Kumar et al. 2010).",
    )
    reversed: bool = Field(default=False, description="From hard to easy.")
    until: Annotated[float, Usual(0.05, 1)] = Field(
        default=0.5, gt=0, le=1, description="Share of the training in which difficulty rises; then all rows take part."
    )
    pace: Literal["linear", "root"] = Field(
        default="root", description="How the share of rows grows: evenly, or fast at first."
    )
    start: Annotated[float | None, Usual(0.001, 0.9)] = Field(
        default=None,
        gt=0,
        le=1,
        description="Share of rows, the easiest, to start with (after the first epoch, if self-paced); "
        "0.01 of `competence` and 0.5 of `self-paced` if left out.",
    )
    buckets: Annotated[int | None, Usual(2, 100)] = Field(
        default=None,
        ge=2,
        description="Number of buckets, of as many rows. If left out, one for each difficulty where there are no more "
        "than 10, else 5.",
    )
    keep_easier: bool = Field(
        default=True, description="Whether a bucket is added to the easier ones; `false` puts it in their place."
    )
    growth: Annotated[float, Usual(1.01, 20)] = Field(
        default=1.3, gt=1, description="By what the threshold of the loss is multiplied in each epoch."
    )

    _schedule: Any = PrivateAttr(default=None)
    _weights: str = PrivateAttr(default="")

    @model_validator(mode="after")
    def _fits_the_schedule(self) -> Curriculum:
        for option in sorted(self.model_fields_set - {"schedule", *_OPTIONS[self.schedule]}):
            of = [f'"{name}"' for name, options in _OPTIONS.items() if option in options]
            raise OptionError(
                f'`{option}` has no meaning where schedule = "{self.schedule}"',
                option=option,
                help=f"leave it out, or write schedule = {' or '.join(of)}",
            )
        if self.difficulty is None and "difficulty" in _OPTIONS[self.schedule]:
            raise OptionError(
                "the key `difficulty` is missing: what makes a row difficult?",
                option="difficulty",
                help='for example difficulty = "length"',
                code="missing-key",
            )
        return self

    def check_with(self, trainer: Trainer) -> None:
        if self.difficulty is not None:
            with _about_difficulty():
                self.difficulty.check_with(trainer)
            return
        if "items" not in trainer.offers:
            raise OptionError(
                'schedule = "self-paced" goes by the loss of single rows, which the trainer does not tell',
                option="schedule",
                help="name another schedule, with a difficulty",
            )
        if trainer.epochs <= 1:
            raise OptionError(
                'schedule = "self-paced" chooses rows from the second epoch on, and there is none',
                option="schedule",
                help="train for more epochs, or name another schedule, with a difficulty",
            )

    def dataset(self, inner: Any, split: str) -> Dataset:
        from .losses import digest_of_weights

        if self.difficulty is not None and self.difficulty.is_of_model:
            self._weights = digest_of_weights(self.setting.model)
        return inner(split)

    def sampler(self, inner: Any, dataset: Dataset) -> Schedule:
        from .difficulty import scores_of

        lengths = dataset.with_format("numpy")["length"][:] if "length" in dataset.column_names else None
        if self.difficulty is None:
            self._schedule = self._self_paced(inner, dataset, lengths)
        else:
            with _about_difficulty():
                scores = scores_of(self.difficulty, self.setting, dataset, self._weights)
            self.setting.notes["difficulty of rows"] = _described(scores)
            self._schedule = self._by_difficulty(inner, dataset, scores, lengths)
        return self._schedule

    def _self_paced(self, inner: Any, dataset: Dataset, lengths: np.ndarray | None) -> Schedule:
        from .batches import batches_of
        from .losses import shared_row_losses
        from .schedules import SelfPaced

        setting, batches = self.setting, batches_of(inner, dataset)
        start, growth = self.start or _STARTS["self-paced"], self.growth
        return SelfPaced(batches, setting.seed, lengths, lambda: shared_row_losses(setting, dataset), start, growth)

    def _by_difficulty(self, inner: Any, dataset: Dataset, scores: np.ndarray, lengths: np.ndarray | None) -> Schedule:
        from .batches import batches_of
        from .pace import Buckets, Competence, bucket_ends
        from .schedules import Growing, Sorted

        seed, rank = self.setting.seed, -scores if self.reversed else scores
        batches = batches_of(inner, dataset, rank, only_graded=self.schedule == "sorted")
        of_units = batches.of_units(scores), batches.of_units(rank)
        if self.schedule == "sorted":
            return Sorted(batches, seed, *of_units)
        pace: Any = Competence(len(scores), self.start or _STARTS["competence"], self.pace)
        if self.schedule == "buckets":
            pace = Buckets(bucket_ends(rank, self.buckets), self.keep_easier)
        until = self.until * self._batches_in_all(len(batches))
        return Growing(batches, seed, of_units[0], lengths, of_units[1], pace, until)

    def _batches_in_all(self, in_epoch: int) -> float:
        """How many batches the training has, over all processes."""
        import torch

        trainer = self.setting.plan.trainer
        if (steps := trainer.arguments.get("max_steps", 0)) > 0:
            processes = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
            return steps * trainer.accumulate * processes
        return trainer.epochs * in_epoch

    def callbacks(self) -> list[transformers.TrainerCallback]:
        from .callbacks import Followed, Memory

        followed = Followed(self.setting, lambda: self._schedule)
        return [followed, Memory()] if self.schedule == "self-paced" else [followed]


@contextmanager
def _about_difficulty() -> Iterator[None]:
    """An OptionError that a measure of difficulty raises is shown where the measure stands."""
    try:
        yield
    except OptionError as error:
        within = (error.option,) if isinstance(error.option, str) else error.option or ()
        error.option = ("difficulty", *within)
        raise


def _described(scores: np.ndarray) -> str:
    import numpy as np

    least, middle, most = np.quantile(scores, [0, 0.5, 1])
    return f"{least:.4g} to {most:.4g}, half of them below {middle:.4g}"
