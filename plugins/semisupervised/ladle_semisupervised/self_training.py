"""Labels by a classifier that learns from its own surest answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ladle import Usual

from .pseudo_labels import Learnt, PseudoLabeler

if TYPE_CHECKING:
    import numpy as np

    from .linear import Linear


class SelfTraining(PseudoLabeler):
    """Fill gaps in labels by a linear classifier that learns in rounds from its own surest answers.

    Self-training (Scudder 1965; Yarowsky 1995): in each round a logistic regression learns from all labels there are,
    and the rows that it is surest of get theirs, for good. Its confidence is a probability: the same is done beside it
    five times without a fifth of the known labels, and on those it is found, round by round, how far to trust it. Only
    rows of the train split teach or are counted. Takes 8 bytes of memory for each number of each row of the train
    split, a few times over.
    """

    origin_of_new = "self-training"

    rounds: Annotated[int, Usual(1, 100)] = Field(
        default=5, gt=0, description="How many times rows get labels, unless a round finds none that are sure enough."
    )
    max_share: float = Field(
        default=0.1, gt=0, le=1, description="Largest share of the rows without a label that gets one in a round."
    )
    balance: Literal["given", "equal", "none"] = Field(
        default="given",
        description="How many of the rows of a round each class can get, and how much it weighs in learning: its share "
        "of the known labels, as many as any other, or whatever comes.",
    )

    def learn(self, matrix: np.ndarray, numbers: np.ndarray, classes: Sequence[Any]) -> Learnt:
        import numpy as np

        from .calibration import UNLABELLED, fifths, without

        unseen = [np.zeros(0, int), *fifths(numbers, classes)]
        trainings = [without(numbers, places) for places in unseen]  # the first one is what counts
        shares = self._shares(numbers, len(classes))
        free = numbers == UNLABELLED
        most = max(1, int(self.max_share * free.sum()))
        confidence, rounds = np.zeros(len(numbers)), np.zeros(len(numbers), int)
        models = _models(matrix, numbers, trainings, unseen, shares)
        for number in range(1, self.rounds + 1):
            for model, labels in zip(models, trainings, strict=True):
                places = np.flatnonzero(free & (labels == UNLABELLED))
                found = model.shares(matrix[places])
                chosen = surest(found, self.threshold, most, shares)
                labels[places[chosen]] = found[chosen].argmax(1)
                if labels is trainings[0]:
                    confidence[places[chosen]], rounds[places[chosen]] = found[chosen].max(1), number
            if not (rounds == number).any():
                break
            models = _models(matrix, numbers, trainings, unseen, shares)
        return Learnt(trainings[0], confidence, rounds, models[0].as_json())

    def _shares(self, numbers: np.ndarray, classes: int) -> np.ndarray | None:
        """The share that each class is to have, [classes]; None if that is left open."""
        import numpy as np

        if self.balance == "none":
            return None
        counts = np.bincount(numbers[numbers >= 0]) if self.balance == "given" else np.ones(classes)
        return counts / counts.sum()

    def judge(self, model: Any) -> Callable[[np.ndarray], np.ndarray]:
        from .linear import Linear

        return Linear.from_json(model).shares


def _models(
    matrix: np.ndarray,
    numbers: np.ndarray,
    trainings: list[np.ndarray],
    unseen: list[np.ndarray],
    shares: np.ndarray | None,
) -> list[Linear]:
    """A classifier for each of the trainings, which have labels [n] of their own, with corrected confidence.

    The correction is what suits best where each is asked about the rows of known class that are `unseen` in its
    training.
    """
    import numpy as np

    from .calibration import UNLABELLED, best_factor
    from .linear import Linear

    models = []
    for labels in trainings:
        known = labels != UNLABELLED
        models.append(Linear.fitted(matrix[known], labels[known], shares))
    logits = [model.logits(matrix[places]) for model, places in zip(models, unseen, strict=True)]
    factor = best_factor(np.concatenate(logits), numbers[np.concatenate(unseen)])
    return [model.times(factor) for model in models]


def surest(found: np.ndarray, threshold: float, most: int, shares: np.ndarray | None) -> np.ndarray:
    """The rows, in order, that a round labels: at most `most` of those sure enough, the surest first.

    `found` [rows, classes] are probabilities; with `shares` [classes], no class gets more than its share of `most`.
    """
    import numpy as np

    numbers, confidence = found.argmax(1), found.max(1)
    order = np.argsort(-confidence, kind="stable")
    order = order[confidence[order] >= threshold]
    if shares is not None:
        rank = np.zeros(len(order), int)  # of each row among those of its class
        for number in range(found.shape[1]):
            own = numbers[order] == number
            rank[own] = np.arange(own.sum())
        order = order[rank < np.ceil(shares * most)[numbers[order]]]
    return np.sort(order[:most])
