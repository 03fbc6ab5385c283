"""What every training has to show, and what each technique promises."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .tables import DECAY, EPOCHS, EPSILON, FROZEN, LAYERS, RATIO, TECHNIQUES, TRAINERS

if TYPE_CHECKING:
    from .conftest import Trained

ROUNDING = 1e-4
PACKING = {"causal-language-model", "masked-language-model"}


def check_training(trained: Trained, untrained: Trained) -> None:
    """Everything: a training like any other, by which something is learnt, and whatever its techniques promise."""
    check_losses(trained, untrained)
    check_left_alone(trained)
    if trained.trainer == "multi-task":
        check_mixture(trained)
    for name in trained.techniques:
        PROMISES[TECHNIQUES[name]["use"]](trained)


def check_losses(trained: Trained, untrained: Trained) -> None:
    """All terms of all losses are numbers, and what is learnt by heart costs less than before."""
    assert trained.seen.terms
    assert all(values.isfinite().all() for terms in trained.seen.terms.values() for values in terms.values())
    assert all(math.isfinite(loss) for loss in trained.curve("loss"))
    if TRAINERS[trained.trainer].loss_falls:
        assert trained.metrics["test"]["loss"] < untrained.metrics["test"]["loss"]
    assert moved(trained)


def check_left_alone(trained: Trained) -> None:
    """The trained model has the parameters that the trainer has given it, and no more hooks than then."""
    seen = trained.seen
    assert {name: w.shape for name, w in seen.after.items()} == {name: w.shape for name, w in seen.before.items()}
    assert seen.hooks_after == seen.hooks_before


def check_mixture(trained: Trained) -> None:
    """A batch is of one task, and in each epoch as many are of one task as of the other, which has fewer rows."""
    assert all(len({row["task"] for row in rows}) == 1 for rows in trained.seen.batches)
    for epoch in epochs(trained.seen.batches):
        tasks = [rows[0]["task"] for rows in epoch]
        assert tasks.count("tags") == tasks.count("class")


def keeps_layers(trained: Trained) -> None:
    """The lowest layers are, to the bit, what they were."""
    assert not {depth(name) for name in moved(trained)} & {*range(FROZEN + 1)}
    assert not {depth(name) for names in trained.seen.learning for name in names} & {*range(FROZEN + 1)}


def adapts(trained: Trained) -> None:
    """Less than a twentieth is trained; what has changed of the body are matrices, by one of rank 1."""
    import torch

    seen = trained.seen
    assert sum(seen.sizes[name] for name in seen.rates) < 0.05 * sum(seen.sizes.values())
    within = {name for name in moved(trained) if depth(name) is not None}
    assert within or trained.trainer.startswith("tabular")
    for name in within:
        assert torch.linalg.matrix_rank(seen.after[name] - seen.before[name], rtol=1e-3) == 1, name


def joins_from_the_top(trained: Trained) -> None:
    """In the first epoch the head alone learns, then one layer more in each."""
    for number, steps in enumerate(epochs(trained.seen.learning)):
        learning = {depth(name) for names in steps for name in names} - {None}
        assert learning <= {*range(LAYERS + 1 - number, LAYERS + 1)}
    assert {depth(name) for name in moved(trained)} - {None} <= {*range(LAYERS + 2 - EPOCHS, LAYERS + 1)}


def slows_lower_layers(trained: Trained) -> None:
    """The rate falls from each layer to the one below it, down to the embeddings."""
    usual = trained.seen.rates
    highest = max(usual.values())
    for name, rate in usual.items():
        below = 0 if depth(name) is None else LAYERS - depth(name)
        assert math.isclose(rate, highest / DECAY**below), name


def follows_the_schedule(trained: Trained) -> None:
    if "curriculum, self-paced" in trained.techniques:
        shares = trained.curve("share_of_rows")
        assert shares[0] == 1
        assert min(shares) < 1
    if "curriculum" in trained.techniques:
        rows = trained.rows()
        for epoch in epochs(trained.seen.batches):
            values = [[rows[row["_id"]]["hard"] for row in batch] for batch in epoch]
            if trained.trainer in PACKING:  # packs are put in order, by the mean of their rows
                values = [[sum(batch) / len(batch)] for batch in values]
            ordered = [value for batch in values for value in batch]
            assert ordered == sorted(ordered)


def moves_against_the_loss(trained: Trained) -> None:
    """Embeddings are moved as far as they may be, in the direction in which the loss grows."""
    import torch

    norms, rises = [], []
    for _, passes in itertools.groupby(trained.seen.passes, lambda one: one.batch):
        clean, moved_ = passes
        assert len(clean.embedded) == len(moved_.embedded) > 0
        for before, after in zip(clean.embedded, moved_.embedded, strict=True):
            norms.append((after - before).norm(dim=(1, 2)))
            if clean.mask is not None and clean.mask.shape == before.shape[:2]:
                assert not ((after - before).abs().sum(-1) * (1 - clean.mask)).any()
        rises.append(moved_.loss - clean.loss)
    found = torch.cat(norms)
    assert (found <= EPSILON * (1 + ROUNDING)).all()
    assert (found >= EPSILON * (1 - ROUNDING)).float().mean() > 0.5
    if trained.trainer != "grpo":  # whose loss is the same number wherever embeddings are: only its gradient tells
        assert sum(rise > 0 for rise in rises) >= 0.8 * len(rises)


def changes_texts(trained: Trained) -> None:
    """About half of the rows reach the trainer with other tokens, and with all else as it was."""
    changed = []
    for rows, given in zip(trained.seen.batches, trained.seen.given, strict=True):
        for row, one in zip(rows, given, strict=True):
            assert {name for name in row if row[name] != one[name]} <= {"input_ids", "length"}
            assert sorted(one["input_ids"]) == sorted(row["input_ids"])  # words trade places
            changed.append(row["input_ids"] != one["input_ids"])
    assert 0.25 < sum(changed) / len(changed) < 0.75


def tells_robustness(trained: Trained) -> None:
    """On so few rows what is measured as they are is the accuracy; no row is right under attack that is not so."""
    metrics = trained.metrics["test"]
    assert metrics["clean_accuracy"] == metrics["accuracy"]
    assert 0 <= metrics["robust_accuracy"] == metrics["accuracy_under_word_swaps"] <= metrics["clean_accuracy"]


def teaches_without_labels(trained: Trained) -> None:
    """Each labelled row brings rows without a label, as they are and changed; no batch is of these alone."""
    seen = trained.seen
    assert trained.notes["rows without labels to learn from"] == 4
    for rows, batch, terms in zip(seen.batches, seen.made, seen.terms.values(), strict=True):
        assert all(row["label"] >= 0 for row in rows)
        assert len(batch["unlabelled"]["input_ids"]) == RATIO * len(rows) == batch["counts"]["unlabelled"]
        assert len(terms["consistency"]) == RATIO * len(rows)
        assert (terms["consistency"] > 0).any()
    plain, changed = (
        [ids for batch in seen.made for ids in batch[part]["input_ids"].tolist()]
        for part in ("unlabelled", "unlabelled_changed")
    )
    assert sum(a != b for a, b in zip(plain, changed, strict=True)) > len(plain) / 2


def parts_conflicts(trained: Trained) -> None:
    """A step follows the sum of the tasks' gradients, each without what points against the other (Yu et al. 2020)."""
    conflicts = 0
    for alone, together in zip(trained.seen.alone, trained.seen.together, strict=True):
        wanted = sum(alone.values())
        if len(alone) == 2:
            first, second = alone.values()
            if (product := first @ second) < 0:
                conflicts += 1
                wanted = wanted - product / (first @ first) * first - product / (second @ second) * second
        if wanted.any():  # clipping makes it shorter
            assert (together / together.norm() - wanted / wanted.norm()).norm() < ROUNDING
    assert bool(conflicts) == any(trained.curve("pairs of tasks in conflict"))
    assert conflicts or len(trained.techniques) > 1


PROMISES = {
    "transfer": keeps_layers,
    "lora": adapts,
    "unfreeze": joins_from_the_top,
    "layer-rates": slows_lower_layers,
    "curriculum": follows_the_schedule,
    "adversarial": moves_against_the_loss,
    "perturb": changes_texts,
    "robustness": tells_robustness,
    "consistency": teaches_without_labels,
    "pcgrad": parts_conflicts,
}


def moved(trained: Trained) -> set[str]:
    """The parameters that are not what they were."""
    import torch

    seen = trained.seen
    return {name for name in seen.before if not torch.equal(seen.before[name], seen.after[name])}


def depth(name: str) -> int | None:
    """In which layer a parameter is: 0 for the embeddings, None for what is above all layers."""
    if found := re.search(r"\.layers?\.(\d+)\.", name):
        return int(found[1]) + 1
    return 0 if "embed" in name else None


def epochs(found: list[Any]) -> Iterator[list[Any]]:
    """What was found in each epoch: all have as many batches."""
    size, rest = divmod(len(found), EPOCHS)
    assert not rest
    return (found[at : at + size] for at in range(0, len(found), size))
