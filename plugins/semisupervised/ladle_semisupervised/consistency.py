"""Rows without labels that teach a classifier not to mind changes that mean nothing."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PrivateAttr, model_validator

from ladle import OptionError, Technique, Usual
from ladle.options import DataReference

if TYPE_CHECKING:
    import numpy as np
    import torch
    from datasets import Dataset

    from ladle import Trainer
    from ladle.training import Terms

    from .augmentation import Augmentation

PLAIN, CHANGED = "unlabelled", "unlabelled_changed"  # parts of a batch
_THRESHOLDS = {"uda": 0.8, "fixmatch": 0.95}
_TEMPERATURE = 0.4
_NO_CLASS = -100


class Consistency(Technique):
    """Let rows without labels teach: a prediction on a changed text shall be what it is on the text itself.

    UDA (Xie et al. 2020) and FixMatch (Sohn et al. 2020). With each labelled row, in whatever order these come, some
    rows without labels are drawn, which depends on the seed, the epoch and the labelled row alone. The model predicts
    each of them as it is, and where it is sure enough, its prediction is what the same text with tokens left out,
    exchanged and hidden is to be predicted as. The term is averaged over all rows drawn, sure or not. A curve
    tells the share of those that were. A step takes about 1 + 4/3 * `ratio` times as long as without them.
    """

    needs = frozenset({"items", "labels", "tokens"})

    method: Literal["uda", "fixmatch"] = Field(
        default="uda",
        description="What the changed text is to be predicted as: with the sharpened probabilities of the text itself "
        "(`uda`), or its likeliest class alone (`fixmatch`).",
    )
    unlabelled: Annotated[str | None, DataReference()] = Field(
        default=None,
        description="The data set whose train split gives the rows without labels (labels it has are not looked at); "
        "those rows of the stage's own train split that have no target, if left out.",
    )
    ratio: Annotated[int, Usual(1, 16)] = Field(
        default=3, gt=0, description="Rows without labels to each labelled one."
    )
    weight: Annotated[float, Usual(0.05, 50)] = Field(
        default=1.0, gt=0, description="Weight of the term beside the loss of the labelled rows."
    )
    ramp_up: float = Field(
        default=0.0, ge=0, le=1, description="Share of the steps in which the weight rises, evenly, from 0."
    )
    threshold: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Probability that a prediction has to reach to teach; if left out, 0.8 with `uda` and 0.95 with "
        "`fixmatch`.",
    )
    temperature: Annotated[float | None, Usual(0.1, 1)] = Field(
        default=None,
        gt=0,
        description="What logits are divided by to sharpen probabilities, below 1 (`uda`); 0.4 if left out.",
    )
    annealing: Literal["none", "linear", "exp", "log"] = Field(
        default="none",
        description="Training signal annealing: a labelled row whose class is already likelier than a threshold "
        "teaches nothing. It rises to 1, evenly, late (`exp`, for few labels) or early (`log`).",
    )
    drop: float = Field(default=0.1, ge=0, lt=1, description="Probability that a token of a changed text is left out.")
    swap: float = Field(
        default=0.1, ge=0, le=1, description="Probability that a token changes places with the next one."
    )
    mask: float = Field(
        default=0.15, ge=0, lt=1, description="Probability that a token is hidden behind the tokeniser's mask token."
    )

    _rows: Any = PrivateAttr(default=None)
    _change: Any = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _sensible(self) -> Consistency:
        if self.method == "fixmatch" and self.temperature is not None:
            raise OptionError(
                "`fixmatch` takes the likeliest class alone, which no temperature changes",
                option="temperature",
                help='leave it out, or write method = "uda"',
            )
        if not (self.drop or self.swap or self.mask):
            raise OptionError(
                "with `drop`, `swap` and `mask` all 0 no text is changed",
                option="mask",
                help="set one of them above 0",
            )
        return self

    def check_with(self, trainer: Trainer) -> None:
        if not isinstance(getattr(trainer, "target", None), str):
            raise OptionError("it works with trainers that name the column of their classes as `target`")

    def dataset(self, inner: Any, split: str) -> Dataset:
        from .unlabelled import Unlabelled, need_columns

        labelled = inner(split)
        target = self.setting.plan.trainer.target
        if self.unlabelled is not None:
            need_columns(self.setting, self.unlabelled, target)
        source = self.setting.data if self.unlabelled is None else self.setting.data_sets[self.unlabelled]
        self._rows = Unlabelled(self.setting, source, target, all_of_them=self.unlabelled is not None)
        if not len(self._rows.rows):
            raise OptionError(
                f"no row of the train split is without `{target}`"
                if self.unlabelled is None
                else f"the train split of `{self.unlabelled}` has no row",
                option="unlabelled",
                help='name a data set with rows to learn from: unlabelled = "…"',
            )
        self.setting.notes["rows without labels to learn from"] = len(self._rows.rows)
        self._change = self._augmentation()
        return labelled

    def _augmentation(self) -> Augmentation:
        from ladle.training import tokenizer_from

        from .augmentation import Augmentation

        tokenizer = tokenizer_from(self.setting.start)
        if self.mask and tokenizer.mask_token_id is None:
            raise OptionError(
                "the model's tokeniser has no token to hide others behind",
                option="mask",
                help="write mask = 0, and raise `drop` or `swap` instead",
            )
        special = frozenset(tokenizer.all_special_ids)
        return Augmentation(self.drop, self.swap, self.mask, special, tokenizer.mask_token_id)

    def batch(self, inner: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """The batch of the labelled rows, with two more in it: the rows without labels, and those changed."""
        import numpy as np
        import torch

        trainer = self.setting.plan.trainer
        batch = inner(rows)
        randoms = [self._random(row["_id"]) for row in rows]
        places = [random.integers(len(self._rows.rows), size=self.ratio) for random in randoms]
        plain = self._rows.rows.__getitems__(np.concatenate(places).tolist())
        changed = [
            row | {"input_ids": self._change(row["input_ids"], randoms[at // self.ratio])}
            for at, row in enumerate(plain)
        ]
        batch["counts"]["unlabelled"] = torch.tensor(len(plain))
        return batch | {PLAIN: trainer.batch(plain), CHANGED: trainer.batch(changed)}

    def _random(self, row: str) -> np.random.Generator:
        """Random numbers that depend on the seed, the epoch and the row alone: not on the batch that it is in."""
        import numpy as np

        told = repr((self.setting.seed, int(self.setting.course.epoch or 0), row)).encode()
        return np.random.default_rng(int.from_bytes(hashlib.blake2b(told, digest_size=16).digest(), "big"))

    def loss(self, inner: Any, model: torch.nn.Module, batch: dict[str, Any]) -> Terms:
        import torch

        from ladle.training import Term, forward

        terms = inner(model, batch) if self.annealing == "none" else self._annealed(inner, model, batch)
        with torch.no_grad():
            plain = forward(model, batch[PLAIN]).logits.float()
        changed = forward(model, batch[CHANGED]).logits.float()
        values, reaches = self._compare(plain, changed)
        self.setting.tell("share of unlabelled rows above the threshold", reaches.float().mean())
        return {**terms, "consistency": Term(values * self._weight, per="unlabelled")}

    def _compare(self, plain: torch.Tensor, changed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        from .objectives import fixmatch, uda

        threshold = _THRESHOLDS[self.method] if self.threshold is None else self.threshold
        if self.method == "fixmatch":
            return fixmatch(plain, changed, threshold)
        return uda(plain, changed, threshold, self.temperature or _TEMPERATURE)

    @property
    def _weight(self) -> float:
        """The term's weight in this step."""
        return self.weight * min(1.0, self._passed / self.ramp_up) if self.ramp_up else self.weight

    @property
    def _passed(self) -> float:
        """The share of all steps that has been made."""
        return self.setting.course.global_step / self.setting.course.max_steps

    def _annealed(self, inner: Any, model: torch.nn.Module, batch: dict[str, Any]) -> Terms:
        """The terms of the labelled rows, 0 for those that the model is too sure of.

        They are averaged over all labelled rows, where UDA averages over those that still teach: how many these are is
        not known before the whole step has been worked out.
        """
        from ladle.training import Term

        from .objectives import annealed_threshold

        found: list[torch.Tensor] = []
        handle = model.register_forward_hook(lambda *passed: found.append(passed[-1].logits.detach().float()))
        try:
            terms = inner(model, batch)
        finally:
            handle.remove()
        labelled = batch["labels"] != _NO_CLASS
        classes = batch["labels"][labelled]
        shares = found[0][labelled].softmax(-1)
        own = shares.gather(1, classes.unsqueeze(1)).squeeze(1)
        teaches = own <= annealed_threshold(self.annealing, self._passed, shares.shape[-1])
        if len(teaches):
            self.setting.tell("share of labelled rows that teach", teaches.float().mean())
        return {
            name: Term(term.values * teaches, term.per) if len(term.values) == len(teaches) else term
            for name, term in terms.items()
        }
