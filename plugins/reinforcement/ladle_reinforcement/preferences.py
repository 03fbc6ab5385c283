"""Pairs of answers, of which one is preferred: as rows, as batches, and how much a model prefers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F  # noqa: N812

from ladle.training import Measured, forward

from .conversations import Renderer, UnusableError, answer_text, divided, read_cell, without_prompt
from .measures import Interval, mean_of, measured, share_of
from .reward import Prompt, asked

SHOWN = 30  # pairs of a held-out split
_ROOM = 1 << 27  # logits that are worked out at once
_SHOWN_AS = ("prompt", "chosen", "rejected")


class Pair:
    """A row's prompt (None if it has none of its own) and its two answers, as they are read from its cells."""

    def __init__(self, row: Mapping[str, Any], prompt: str, chosen: str, rejected: str) -> None:
        self.chosen, self.rejected = (read_cell(row[name], name) for name in (chosen, rejected))
        if prompt:
            self.prompt: Prompt = read_cell(row[prompt], prompt)
            self.chosen, self.rejected = (without_prompt(self.prompt, said) for said in (self.chosen, self.rejected))
        else:
            self.prompt, self.chosen, self.rejected = divided(self.chosen, self.rejected)
        if self.chosen == self.rejected:
            raise UnusableError("whose two answers are the same")

    def shown(self) -> dict[str, str]:
        """As a person reads it."""
        return dict(zip(_SHOWN_AS, (asked(self.prompt), *map(answer_text, (self.chosen, self.rejected))), strict=True))


def pair_schema(*tokens: str) -> pa.Schema:
    """Rows of pairs: lists of `tokens` by these names, and what is shown of them."""
    columns = [(name, pa.list_(pa.int32())) for name in tokens]
    return pa.schema([("_id", pa.string()), *columns, *((name, pa.string()) for name in _SHOWN_AS)])


def padded(rows: Sequence[Sequence[int]], filler: int) -> dict[str, torch.Tensor]:
    """`input_ids` [rows, longest], filled up at the end, and their `attention_mask`."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[filler] * (longest - len(row))] for row in rows])
    mask = (torch.arange(longest) < torch.tensor([[len(row)] for row in rows])).long()
    return {"input_ids": ids, "attention_mask": mask}


def log_probabilities(model: torch.nn.Module, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The sum over the tokens of each answer, [rows], of the logarithms of their probabilities.

    `batch` has `input_ids`, `attention_mask` and `completion_mask` [rows, length], 1 at the tokens of answers.
    """
    rows, length = batch["input_ids"].shape
    vocabulary = getattr(model, "module", model).config.get_text_config().vocab_size
    at_once = max(1, _ROOM // (length * vocabulary))
    found = []
    for start in range(0, rows, at_once):
        part = {name: batch[name][start : start + at_once] for name in ("input_ids", "attention_mask")}
        wanted = batch["completion_mask"][start : start + at_once, 1:].bool()
        logits = forward(model, part).logits[:, :-1].float()
        nats = F.cross_entropy(logits.transpose(1, 2), part["input_ids"][:, 1:], reduction="none")
        found.append(-(nats * wanted).sum(1))
    return torch.cat(found)


def measure_pairs(losses: np.ndarray, margins: np.ndarray, further: Mapping[str, np.ndarray], rows: Any) -> Measured:
    """The share of pairs [rows] whose chosen answer the model prefers, by which margin, and the loss.

    The pairs that it is most wrong about are shown.
    """
    found: dict[str, tuple[float, Interval]] = {"accuracy": share_of(margins > 0), "margin": mean_of(margins)}
    found |= {name: mean_of(values) for name, values in further.items()}
    result = measured(found | {"loss": mean_of(losses)}, len(margins))
    worst = np.argsort(margins, kind="stable")[:SHOWN].tolist()
    texts = rows.select(worst).select_columns(list(_SHOWN_AS)).to_list()
    result.tables["pairs that it is least right about"] = [
        {name: text for name, text in shown.items() if text is not None} | {"margin": float(margins[at])}
        for at, shown in zip(worst, texts, strict=True)
    ]
    return result


def tokens_of(renderer: Renderer, pair: Pair, limit: int) -> dict[str, list[int]]:
    """The tokens of a pair: `prompt_ids`, `chosen_ids` and `rejected_ids`. Raises UnusableError for too many."""
    prompt = renderer.prompt(pair.prompt)
    before, chosen = renderer.tokens_of_pair(prompt, pair.chosen)
    _, rejected = renderer.tokens_of_pair(prompt, pair.rejected)
    check_lengths(limit, [*before, *chosen], [*before, *rejected])
    if not before or not chosen or not rejected:
        raise UnusableError("of which the prompt, or an answer, has no token")
    return {"prompt_ids": before, "chosen_ids": chosen, "rejected_ids": rejected}


def check_lengths(limit: int, *texts: Sequence[int]) -> None:
    """Raises UnusableError if a text has more tokens than that."""
    if any(len(tokens) > limit for tokens in texts):
        raise UnusableError(f"with more than {limit} tokens")
