"""Measuring how well a classifier withstands attacks on texts."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, PrivateAttr

from ladle import OptionError, Technique, Uses, Usual

if TYPE_CHECKING:
    import torch

    from ladle import Trainer
    from ladle.training import Measured

    from .attack import Attack
    from .search import Found

_EXAMPLES = 5  # of each attack
_Z = 1.959964  # of a normal distribution, for intervals of 95 %


class Robustness(Technique):
    """Measure a text classifier under attack, on rows of the test split; the training stays as it is.

    For each attack the accuracy that is left: of the texts as they are (`clean_accuracy`), of those whose class is
    still right under the attack (`accuracy_under_…`), and under all of them (`robust_accuracy`), each with a 95 %
    interval (Wilson 1927). An attack searches greedily for a variant that is taken for another class.
    """

    attacks: Annotated[list[Any], Uses("attack", "list")] = Field(min_length=1, description="What changes texts.")
    rows: Annotated[int, Usual(20, 10_000)] = Field(
        default=200, gt=0, description="Rows of the test split, chosen at random, that are attacked at most."
    )
    search: bool = Field(
        default=True,
        description="Look for a variant that is taken for another class; `false` takes one random variant of each "
        "text, as hard as the bounds allow.",
    )
    queries: Annotated[int, Usual(5, 5000)] = Field(
        default=100, gt=1, description="Texts that a search may ask the model about, for each row and attack."
    )

    _prepared: Any = PrivateAttr(default=())

    def check_with(self, trainer: Trainer) -> None:
        if "labels" not in trainer.offers:
            raise OptionError(
                "robustness counts the texts whose class is right under attack, and this trainer's rows have no class",
                option="use",
                help="use it with a classifier of texts, such as `text-classification`",
            )
        if "texts" not in trainer.offers:
            raise OptionError(
                "robustness asks the model about changed texts, and this trainer's rows are made of something else",
                option="use",
                help="use it with a classifier of texts, such as `text-classification`",
            )

    def model(self, inner: Any) -> torch.nn.Module:
        model = inner()
        self._prepared = [attack.prepared(model, self.setting.start) for attack in self.attacks]
        return model

    def measure(self, inner: Any, split: str) -> Measured:
        measured = inner(split)
        if split != "test":
            return measured
        from .judge import Judge

        dataset = self.setting.plan.trainer.dataset(split)
        chosen = Random(self.setting.seed).sample(range(len(dataset)), min(self.rows, len(dataset)))
        judge = Judge(self.setting, split, dataset.select(sorted(chosen)))
        table, examples, left = [], [], [True] * len(chosen)
        for name, attack in self._named():
            found = self._attack(name, attack, judge)
            left = [is_left and one.is_right for is_left, one in zip(left, found, strict=True)]
            table.append(self._row(name, found))
            examples += _examples(name, found, judge)
            _add(measured, f"accuracy_under_{name.replace('-', '_')}", [one.is_right for one in found])
        _add(measured, "clean_accuracy", [one.was_right for one in found])
        _add(measured, "robust_accuracy", left)
        measured.tables["under attack"] = table
        measured.tables["attacks that succeeded"] = examples
        return measured

    def _named(self) -> list[tuple[str, Attack]]:
        """The attacks by names of their own."""
        called = [attack.called for attack in self._prepared]
        numbers = [called[:at].count(name) + 1 for at, name in enumerate(called)]
        names = [name if number == 1 else f"{name}-{number}" for name, number in zip(called, numbers, strict=True)]
        return list(zip(names, self._prepared, strict=True))

    def _attack(self, name: str, attack: Attack, judge: Any) -> list[Found]:
        from .search import greedy, one_variant, run

        with self.setting.progress(f"attacking: {name}", len(judge.texts)) as done:
            randoms = [Random(f"{self.setting.seed} {name} {id_}") for id_ in judge.ids]
            searches = [
                greedy(attack, text, random, self.queries) if self.search else one_variant(attack, text, random)
                for text, random in zip(judge.texts, randoms, strict=True)
            ]
            return run(searches, judge.ask, done)

    def _row(self, name: str, found: list[Found]) -> dict[str, Any]:
        attacked = [one for one in found if one.was_right]
        beaten = [one for one in attacked if not one.is_right]
        queries = sum(one.queries for one in found)
        self.setting.notes[f"texts that the model was asked about under {name}"] = queries
        return {
            "attack": name,
            "rows": len(found),
            "right as they are": len(attacked),
            "right under attack": sum(one.is_right for one in found),
            "share of attacks that succeeded": len(beaten) / len(attacked) if attacked else 0.0,
            "share of words touched, where they did": _mean([one.touched for one in beaten]),
            "queries": queries,
            "queries per row": queries / len(found),
        }


def _examples(name: str, found: list[Found], judge: Any) -> list[dict[str, Any]]:
    """Texts that were right and are no longer, those with the fewest words touched first."""
    beaten = [number for number, one in enumerate(found) if one.was_right and not one.is_right]
    beaten.sort(key=lambda number: found[number].touched)
    return [
        {
            "text": judge.texts[number],
            "under attack": found[number].text,
            "attack": name,
            "truth": judge.name_of(judge.truth[number]),
            "predicted": judge.name_of(found[number].predicted),
        }
        for number in beaten[:_EXAMPLES]
    ]


def _add(measured: Measured, name: str, right: list[bool]) -> None:
    measured.metrics[name] = _mean(right)
    measured.intervals[name] = wilson(sum(right), len(right))


def _mean(values: list[Any]) -> float:
    return sum(values) / len(values) if values else 0.0


def wilson(count: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    share, spread = count / of, _Z**2 / of
    middle = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(share * (1 - share) / of + spread / of / 4) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)
