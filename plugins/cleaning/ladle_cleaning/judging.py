"""Judging labels by models that have not seen them. Import this only where it is needed: it needs scikit-learn."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from ladle import OptionError, Rows, columns_of
from ladle.rows import ID

from .arrays import as_text, plain
from .confidence import Verdict, suspects
from .drawing import drawn
from .tabular import by_frequency, numbers_of

_FOLDS = 5
_LEAST = 10  # rows of a class that is judged
_CLASSES = 100
_RUNS = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 4), n_features=1 << 16, alternate_sign=False)
_LOOSENESS = 3  # inverse strength of the pull of weights to 0


def verdicts(data: Rows, label: str, using: Sequence[str], splits: Sequence[str], rows: int) -> dict[str, Verdict]:
    """What the labels that are likely to be wrong should rather be, by the ids of their rows.

    `rows` is how many of the train split are learnt from at most. Raises OptionError if it has too few or too many
    classes.
    """
    train = data.of_split("train").select([label, *using])
    known = drawn(train, rows, lambda batch: batch.filter(pc.is_valid(batch[label])))
    if not known.num_rows and next(train.batches("arrow"), None) is None:
        return {}  # where a trained model is used
    found: dict[str, Verdict] = {}
    with threadpool_limits(1):  # what is reckoned is small: threads would mostly wait for each other
        judge = Judge(known, label, using)
        for split in splits:
            ids, labels, probabilities = judge.told(data.of_split(split).select([label, *using]), split == "train")
            for at in np.flatnonzero(suspects(probabilities, labels)):
                other = int(probabilities[at].argmax())
                own = float(probabilities[at, labels[at]])
                found[ids[at]] = Verdict(judge.classes[other], float(probabilities[at, other]), own)
    return found


class Judge:
    """Models of five folds, each of which has learnt from the other four."""

    def __init__(self, known: pa.RecordBatch, label: str, using: Sequence[str]) -> None:
        """`known` are rows of the train split, all with a label."""
        counts = Counter(known[label].to_pylist())
        self.classes = [one for one in by_frequency(counts.elements()) if counts[one] >= _LEAST]
        if not 2 <= len(self.classes) <= _CLASSES:
            number = f"{len(self.classes):,} classes with {_LEAST} rows or more"
            raise OptionError(
                f"`{label}` has {number} in the train split, and from 2 to {_CLASSES} can be judged", option="label"
            )
        self._label = label
        known = known.filter(pc.is_in(plain(known[label]), value_set=pa.array(self.classes, plain(known[label]).type)))
        self._features = Features(known, using)
        numbers, folds = self._numbers(known), _folds(known[ID].to_pylist())
        told_from = self._features.of(known)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # further steps change next to nothing
            self._models = [
                LogisticRegression(C=_LOOSENESS, tol=1e-3, max_iter=200).fit(
                    told_from[folds != fold], numbers[folds != fold]
                )
                for fold in range(_FOLDS)
            ]

    def _numbers(self, rows: pa.RecordBatch) -> np.ndarray:
        """The class of each row, by its number; -1 for one that is not judged."""
        column = plain(rows[self._label])
        return pc.fill_null(pc.index_in(column, value_set=pa.array(self.classes, column.type)), -1).to_numpy()

    def told(self, data: Rows, is_train: bool) -> tuple[list[str], np.ndarray, np.ndarray]:
        """Of all rows that can be judged, in the order of their ids: these, their classes, and what models tell.

        The classes are numbers [rows], and what is told are probabilities [rows, classes]: of a row to train on by the
        model that has not seen its fold, of another by all of them, on average.
        """
        ids: list[str] = []
        labels, probabilities = [np.zeros(0, int)], [np.zeros((0, len(self.classes)))]
        for batch in data.batches("arrow"):
            numbers = self._numbers(batch)
            judged = batch.filter(pa.array(numbers >= 0))
            if judged.num_rows:
                ids += judged[ID].to_pylist()
                labels.append(numbers[numbers >= 0])
                probabilities.append(self._probabilities(judged, is_train))
        order = np.argsort(ids)
        return [ids[at] for at in order], np.concatenate(labels)[order], np.concatenate(probabilities)[order]

    def _probabilities(self, rows: pa.RecordBatch, is_train: bool) -> np.ndarray:
        told_from = self._features.of(rows)
        by_model = np.zeros((_FOLDS, rows.num_rows, len(self.classes)))
        for fold, model in enumerate(self._models):
            by_model[fold][:, model.classes_] = model.predict_proba(told_from)
        return by_model[_folds(rows[ID].to_pylist()), np.arange(rows.num_rows)] if is_train else by_model.mean(axis=0)


def _folds(ids: Sequence[str]) -> np.ndarray:
    """Which fold each row is in, whatever rows there are beside it."""
    digests = [hashlib.blake2b(id_.encode(), digest_size=4, person=b"fold").digest() for id_ in ids]
    return np.frombuffer(b"".join(digests), np.uint32) % _FOLDS


class Features:
    """What to tell a label from, as numbers: runs of characters of texts, vectors, and numbers of one scale."""

    def __init__(self, known: pa.RecordBatch, using: Sequence[str]) -> None:
        """`known` are rows that tell on what scale numbers and vectors are."""
        types = columns_of(known.schema)
        self._texts = [name for name in using if types[name] == "text"]
        self._vectors = [name for name in using if types[name] == "vector"]
        self._numbers = dict.fromkeys(name for name in using if types[name] in ("number", "integer", "boolean"))
        numbers = np.nan_to_num(numbers_of(known, self._numbers), nan=np.nan, posinf=np.nan, neginf=np.nan)
        there = np.maximum((~np.isnan(numbers)).sum(axis=0), 1)
        self._mean = np.nansum(numbers, axis=0) / there
        self._spread = np.sqrt(np.nansum((numbers - self._mean) ** 2, axis=0) / there)
        self._widths = {name: _width(known[name], name) for name in self._vectors}
        self._lengths = {name: float(_vectors(known[name], self._widths[name], name).std()) for name in self._vectors}

    def of(self, rows: pa.RecordBatch) -> sparse.csr_matrix:
        """[rows, features]; what a row lacks is as usual."""
        blocks = [_RUNS.transform(pc.fill_null(as_text(rows[name]), "").to_pylist()) for name in self._texts]
        for name in self._vectors:
            vectors = _vectors(rows[name], self._widths[name], name)
            blocks.append(sparse.csr_matrix(vectors / (self._lengths[name] or 1)))
        if self._numbers:
            scaled = (numbers_of(rows, self._numbers) - self._mean) / np.where(self._spread > 0, self._spread, 1)
            blocks.append(sparse.csr_matrix(np.nan_to_num(scaled, posinf=0, neginf=0)))
        return sparse.hstack(blocks, format="csr")


def _width(column: pa.Array, name: str) -> int:
    """How many numbers the vectors of a column have. Raises OptionError if none is there."""
    widths = pc.list_value_length(column).drop_null()
    if not len(widths):
        raise OptionError(f"column `{name}` has no vector in the train split", option="using", item=name)
    return widths[0].as_py()


def _vectors(column: pa.Array, width: int, name: str) -> np.ndarray:
    """[rows, width], zeros for a row that has none. Raises OptionError if they are not all as long."""
    found = np.zeros((len(column), width), np.float64)
    there = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
    values = column.drop_null()
    if pc.any(pc.not_equal(pc.list_value_length(values), width)).as_py():
        raise OptionError(f"the vectors of column `{name}` are not all of {width} numbers", option="using", item=name)
    found[there] = values.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
    return found
