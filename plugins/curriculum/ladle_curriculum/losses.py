"""What a model loses on single rows."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ladle.training import Terms

if TYPE_CHECKING:
    from datasets import Dataset

    from ladle.training import Setting

_UNLABELLED = -100
_PROBED = 8  # rows whose losses are worked out both together and alone


def row_losses(setting: Setting, rows: Dataset, places: np.ndarray) -> np.ndarray:
    """The loss [places] of the rows at `places`: of each term the mean over the row's items, and their sum.

    It is the trainer's own loss (techniques have no part in it) of the model as it is, without dropout; NaN for a row
    that has none, because it has no label. Rows share batches if their losses can be told apart in one.
    """
    from ladle.training import drawn_from

    order = places[np.argsort(_lengths(rows)[places], kind="stable")]
    losses = np.full(len(rows), np.nan)
    model, was_training = setting.model, setting.model.training
    model.eval()
    try:
        with (
            torch.inference_mode(),
            setting.autocast(),
            drawn_from(setting.seed, "losses of rows"),
            setting.progress("losses of rows", len(order)) as done,
        ):
            together = setting.plan.trainer.batch_size if _are_told_apart(setting, rows, order) else 1
            for start in range(0, len(order), together):
                chosen = order[start : start + together]
                losses[chosen] = _of_batch(setting, rows, chosen)
                done(len(chosen))
    finally:
        model.train(was_training)
    return losses[places]


def _lengths(rows: Dataset) -> np.ndarray:
    """By what rows are sorted before they are padded; zeros if that is not known."""
    return rows.with_format("numpy")["length"][:] if "length" in rows.column_names else np.zeros(len(rows))


def _are_told_apart(setting: Setting, rows: Dataset, order: np.ndarray) -> bool:
    """Whether the losses of rows in a batch are those that they have alone: tried on rows of all lengths."""
    probed = order[np.unique(np.linspace(0, len(order) - 1, _PROBED).astype(int))]
    together = _of_batch(setting, rows, probed)
    if together is None:
        return False
    alone = np.concatenate([_of_batch(setting, rows, probed[at : at + 1]) for at in range(len(probed))])
    return np.allclose(together, alone, rtol=0.02, atol=0.002, equal_nan=True)


def _of_batch(setting: Setting, rows: Dataset, chosen: np.ndarray) -> np.ndarray | None:
    """The losses [chosen] of the rows of one batch; None if it does not show which items are whose."""
    trainer = setting.plan.trainer
    batch = trainer.batch(rows.__getitems__(chosen.tolist()))
    on_device = {name: v.to(setting.device) if isinstance(v, torch.Tensor) else v for name, v in batch.items()}
    terms: Terms = trainer.loss(setting.model, on_device)
    whole = np.full(len(chosen), np.nan)
    for term in terms.values():
        owners = _owners(len(term.values), batch, len(chosen))
        if owners is None:
            return None
        items = np.bincount(owners, minlength=len(chosen))
        sums = np.bincount(owners, term.values.float().cpu().numpy(), len(chosen))
        means = np.divide(sums, items, out=np.full(len(chosen), np.nan), where=items > 0)
        whole = np.where(np.isnan(whole), means, whole + np.nan_to_num(means))
    return whole


def _owners(items: int, batch: dict[str, Any], rows: int) -> np.ndarray | None:
    """Which row [items] each item of a term belongs to; None if that cannot be.

    All belong to the only row, one to each row, or one to each label, or each label behind another: of the row that it
    stands in, or that `segments` tell, where several rows share a sequence.
    """
    ways = [np.zeros(items, int) if rows == 1 else np.arange(rows)]
    labels, segments = batch.get("labels"), batch.get("segments")
    if isinstance(labels, torch.Tensor) and not labels.is_floating_point():
        there = (labels != _UNLABELLED).reshape(len(labels), -1).numpy()
        if segments is not None and segments.shape == labels.shape:
            row_of = segments.numpy()
        else:
            row_of = np.broadcast_to(np.arange(len(labels))[:, None], there.shape)
        if len(labels) == rows or segments is not None:
            ways += [row_of[there], row_of[:, 1:][there[:, 1:]]]
    return next((way for way in ways if len(way) == items), None)


def shared_row_losses(setting: Setting, rows: Dataset) -> np.ndarray:
    """The loss [rows] of every row, of which each process works out its share."""
    processes, own = 1, 0
    if torch.distributed.is_initialized():
        processes, own = torch.distributed.get_world_size(), torch.distributed.get_rank()
    places = np.arange(own, len(rows), processes)
    losses = torch.zeros(len(rows), dtype=torch.float64)
    losses[places] = torch.from_numpy(row_losses(setting, rows, places))
    if processes > 1:
        on_device = losses.float().to(setting.device)
        torch.distributed.all_reduce(on_device)
        losses = on_device.double().cpu()
    return losses.numpy()


def digest_of_weights(model: torch.nn.Module) -> str:
    """A key for the weights of a model, as they are."""
    found = hashlib.blake2b(digest_size=20)
    for name, values in model.state_dict().items():
        found.update(name.encode())
        found.update(values.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()
