"""Telling a value by a random forest (Breiman 2001), as Stekhoven and Bühlmann (2012, "missForest") fill gaps.

Forests are kept as plain numbers: what has learnt reads them without the library that made them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ladle import OptionError

from .tabular import Categories, by_frequency, categories_of, numbers_of

if TYPE_CHECKING:
    from sklearn.tree import BaseDecisionTree

_FOREST = {"n_estimators": 50, "max_leaf_nodes": 256, "min_samples_leaf": 3, "random_state": 0}
_CLASSES = 200  # that a forest tells apart
_DIGITS = 6  # of a share of rows


def learn(known: pa.RecordBatch, name: str, using: Sequence[str]) -> dict[str, Any]:
    """A forest that tells `name` by the columns `using`, learnt from rows that have a value of it: JSON values.

    Raises OptionError if there are too many different texts for a forest to tell.
    """
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    values = known[name].to_pylist()
    classes = by_frequency(values) if isinstance(values[0], str | bool) else None
    if classes is not None and len(classes) > _CLASSES:
        raise OptionError(
            f"column `{name}` has {len(classes):,} different texts in the train split: they are no categories to tell",
            option="columns",
            item=name,
            help='leave it out, or fill it in another way (strategy = "constant")',
        )
    categories = categories_of(known, using)
    numbers = _as_trees_see(numbers_of(known, categories))
    if classes is None:
        forest = RandomForestRegressor(**_FOREST).fit(numbers, values)
    else:
        forest = RandomForestClassifier(**_FOREST).fit(numbers, [classes.index(value) for value in values])
    return {"categories": categories, "classes": classes, "trees": [_kept(tree) for tree in forest.estimators_]}


def _as_trees_see(numbers: np.ndarray) -> np.ndarray:
    limit = np.finfo(np.float32).max
    return np.clip(numbers, -limit, limit).astype(np.float32)


def _kept(tree: BaseDecisionTree) -> dict[str, list[Any]]:
    """A tree as lists with an entry for each node: `at` is the column that it looks at, -1 in a leaf."""
    nodes = tree.tree_
    is_leaf = nodes.children_left < 0
    values = nodes.value[:, 0, :]
    return {
        "at": np.where(is_leaf, -1, nodes.feature).tolist(),
        "least": np.where(is_leaf, 0, nodes.threshold).tolist(),
        "left": nodes.children_left.tolist(),
        "right": nodes.children_right.tolist(),
        "missing_left": nodes.missing_go_to_left.astype(int).tolist(),
        "value": [
            None if inner else value.round(_DIGITS).tolist() if len(value) > 1 else value.tolist()
            for inner, value in zip(~is_leaf, values, strict=True)
        ],
    }


class Forest:
    """A forest that has been learnt."""

    def __init__(self, learnt: dict[str, Any]) -> None:
        """`learnt` is what `learn` gave."""
        self._categories: Categories = learnt["categories"]
        self._classes = learnt["classes"]
        self._trees = [_Tree(tree) for tree in learnt["trees"]]

    def tell(self, batch: pa.RecordBatch) -> list[Any]:
        """For each row the mean of what the trees say, or the class that they find the likeliest."""
        rows = _as_trees_see(numbers_of(batch, self._categories))
        said = sum(tree.tell(rows) for tree in self._trees) / len(self._trees)
        if self._classes is None:
            return said[:, 0].tolist()
        return [self._classes[at] for at in said.argmax(axis=1)]


class _Tree:
    def __init__(self, kept: dict[str, list[Any]]) -> None:
        self._at, self._left, self._right = (np.array(kept[name]) for name in ("at", "left", "right"))
        self._least = np.array(kept["least"], float)
        self._missing_left = np.array(kept["missing_left"], bool)
        width = next(len(value) for value in kept["value"] if value is not None)
        self._value = np.array([[0.0] * width if value is None else value for value in kept["value"]])

    def tell(self, rows: np.ndarray) -> np.ndarray:
        """[rows, classes], or [rows, 1]."""
        node = np.zeros(len(rows), int)
        inner = np.flatnonzero(self._at[node] >= 0)
        while len(inner):
            here = node[inner]
            seen = rows[inner, self._at[here]]
            goes_left = np.where(np.isnan(seen), self._missing_left[here], seen <= self._least[here])
            node[inner] = np.where(goes_left, self._left[here], self._right[here])
            inner = inner[self._at[node[inner]] >= 0]
        return self._value[node]
