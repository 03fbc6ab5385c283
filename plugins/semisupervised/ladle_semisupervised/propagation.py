"""Labels that spread from row to row over a graph of nearest neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ladle import OptionError, Usual

from .pseudo_labels import Learnt, PseudoLabeler

if TYPE_CHECKING:
    import numpy as np


class LabelPropagation(PseudoLabeler):
    """Fill gaps in labels by letting labels spread between rows that are near each other.

    Label propagation (Zhu and Ghahramani 2002) as label spreading (Zhou et al. 2004), over the graph that joins each
    row of the train split with its nearest neighbours. A row gets the label that has come to it most, and none if none
    has. Its confidence is a probability: five times over, a fifth of the known labels is taken away and must be found
    again, and there it is seen how far to trust what comes. A row that is not of the train split gets what its nearest
    neighbours in it have, and teaches nothing.

    Memory for n rows of w numbers with k neighbours is about n * (36 * w + 50 * k) bytes: 720 MB for 50,000 sentence
    embeddings of 384 numbers; what is kept for rows to predict is n * 5.4 * w bytes, here 104 MB.
    """

    origin_of_new = "propagation"

    neighbours: Annotated[int, Usual(2, 500)] = Field(
        default=10, gt=0, description="How many nearest rows each row is joined with."
    )
    reach: float = Field(
        default=0.8,
        gt=0,
        le=0.99,
        description="How much of a row's label comes from its neighbours in each step (alpha); the more, the further "
        "labels reach.",
    )
    max_rows: Annotated[int, Usual(1000, 1_000_000, why_high="memory is likely to run out")] = Field(
        default=50_000, gt=0, description="Rows of the train split beyond which nothing is begun, to save memory."
    )

    def learn(self, matrix: np.ndarray, numbers: np.ndarray, classes: Sequence[Any]) -> Learnt:
        import numpy as np

        from .calibration import UNLABELLED, best_factor, fifths, without
        from .graph import logarithms, neighbour_graph, packed, sharpened, spread

        if len(matrix) > self.max_rows:
            raise OptionError(
                f"the train split has {len(matrix)} rows for the graph, more than max_rows = {self.max_rows}",
                option="max_rows",
                help=f"write max_rows = {len(matrix)} if there is memory for it, or use `self-training`",
                code="memory",
            )
        graph = neighbour_graph(matrix, self.neighbours)
        parts = fifths(numbers, classes)
        found = np.concatenate([spread(graph, without(numbers, part), self.reach)[part] for part in parts])
        factor = best_factor(logarithms(found), numbers[np.concatenate(parts)])
        shares = spread(graph, numbers, self.reach)
        sure = sharpened(shares, factor)
        new = (numbers == UNLABELLED) & shares.any(1) & (sure.max(1) >= self.threshold)
        model = {"rows": packed(matrix), "shares": packed(shares), "factor": factor}
        return Learnt(np.where(new, sure.argmax(1), numbers), sure.max(1), new.astype(int), model)

    def judge(self, model: Any) -> Callable[[np.ndarray], np.ndarray]:
        from .graph import Neighbours, unpacked

        return Neighbours(unpacked(model["rows"]), unpacked(model["shares"]), self.neighbours, model["factor"])
