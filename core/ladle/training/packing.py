"""Several rows in one sequence, none of which sees another, so that hardly any token is padding.

Whether a model keeps rows of one sequence apart, and what it has to be told for that, is tried on the model itself
before it is trained: see `layout_for`.
"""

from __future__ import annotations

import bisect
import collections
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from .forward import forward
from .samplers import Mixed, TokenBudget, mixed

_NOISE = 2e-5  # of the largest logit; rows that see each other, or stand at wrong positions, differ much more
_SHORTEST = 8  # tokens of a sequence, below which packing is not worth a trial

Values = tuple[torch.Tensor, int]
"""One value for each token of all rows, one row's after another's, and the value for padding."""


@dataclass(frozen=True)
class Separation:
    """What a model is told to keep the rows of one sequence apart."""

    by: Literal["positions", "mask", "float-mask"]
    """Positions that begin anew with every row, or with them a mask [sequences, 1, length, length]: of truth values,
    or of numbers that are added to attention scores."""
    is_causal: bool
    """Whether a token sees only those before it."""
    first_position: int
    """Where positions begin."""

    def inputs(self, segments: torch.Tensor, places: torch.Tensor) -> dict[str, torch.Tensor]:
        """The model's inputs beside tokens: `segments` [sequences, length] are the numbers of rows, `places` count in
        each row from 0."""
        told = {"position_ids": places + self.first_position}
        if self.by == "positions":
            return told
        seen = segments.unsqueeze(1) == segments.unsqueeze(2)
        if self.is_causal:
            seen = seen.tril()
        if self.by == "float-mask":
            seen = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)
        return told | {"attention_mask": seen.unsqueeze(1)}


@dataclass(frozen=True)
class Layout:
    """How rows are laid out in sequences: several in one, of at most `capacity` tokens, if the model keeps them apart.

    Without a `separation` each row is a sequence of its own, padded to the longest.
    """

    capacity: int
    is_causal: bool
    separation: Separation | None = None

    def sampler(self, lengths: Sequence[int], sequences: int, seed: int) -> Mixed:
        """Batches that are laid out in at most `sequences` sequences, or in as many padded tokens."""
        if self.separation:
            return Packs(lengths, self.capacity, sequences, seed)
        return TokenBudget(lengths, self.capacity * sequences, seed)

    def __call__(self, lengths: Sequence[int], **values: Values) -> dict[str, Any]:
        """A batch: each of `values` as [sequences, length], and what the model has to be told beside them.

        `segments` [sequences, length] tell the number of the row that a token belongs to, -1 for padding; `counts` how
        many `rows` and `tokens` there are.
        """
        packs = packs_of(lengths, self.capacity) if self.separation else [[row] for row in range(len(lengths))]
        row, place, sequence, start = _places(lengths, packs)
        longest = int((start + place).max()) + 1
        at = sequence * longest + start + place

        def laid(given: torch.Tensor, padding: int) -> torch.Tensor:
            whole = given.new_full((len(packs) * longest,), padding)
            whole[at] = given
            return whole.view(len(packs), longest)

        segments = laid(row, -1)
        batch: dict[str, Any] = {name: laid(*given) for name, given in values.items()} | {"segments": segments}
        if self.separation and len(packs) < len(lengths):
            filled = (segments >= 0).sum(1, keepdim=True)
            places = laid(place, 0)
            places += ((segments < 0) * (torch.arange(longest) - filled)).clamp(min=0)  # padding is a row of its own
            batch |= self.separation.inputs(segments, places)
        elif len(row) < segments.numel():
            batch["attention_mask"] = (segments >= 0).long()
        if self.is_causal:
            batch["use_cache"] = False  # with a cache, positions that begin anew keep nothing apart
        batch["counts"] = {"rows": torch.tensor(len(lengths)), "tokens": torch.tensor(len(row))}
        return batch


def _places(
    lengths: Sequence[int], packs: Sequence[Sequence[int]]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """For each token its row, its place in that, the sequence it stands in, and where its row starts there."""
    sequence, start = torch.zeros(2, len(lengths), dtype=torch.long)
    for number, pack in enumerate(packs):
        at = 0
        for row in pack:
            sequence[row], start[row] = number, at
            at += lengths[row]
    counts = torch.tensor(lengths)
    row_of = torch.repeat_interleave(torch.arange(len(lengths)), counts)
    place = torch.arange(len(row_of)) - (counts.cumsum(0) - counts)[row_of]
    return row_of, place, sequence[row_of], start[row_of]


def layout_for(model: torch.nn.Module, capacity: int, is_causal: bool) -> Layout:
    """The layout for sequences of at most `capacity` tokens that spends least on padding and changes no logit.

    Several rows stand in one sequence only if that was tried on random tokens, on the model as it is: rows together had
    the logits that each has alone, but for the noise of arithmetic. The longest of them is about as long as a sequence,
    so that windows which a mask would disturb are noticed.
    """
    table = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    first = 0 if padding is None else padding + 1  # RoBERTa and its kin count from behind the place of padding
    ways: list[Literal["positions", "mask", "float-mask"]] = ["mask", "float-mask"]
    if is_causal:
        ways.insert(0, "positions")
    for way in ways if capacity >= _SHORTEST else ():
        layout = Layout(capacity, is_causal, Separation(way, is_causal, first))
        if _changes_nothing(model, layout):
            return layout
    return Layout(capacity, is_causal)


def _changes_nothing(model: torch.nn.Module, layout: Layout) -> bool:
    """Whether rows have the logits in one sequence that they have alone."""
    rows = _random_rows(model, layout.capacity)
    device = next(model.parameters()).device
    batch = layout([len(row) for row in rows], input_ids=(torch.cat(rows), int(rows[0][0])))
    batch = {name: value.to(device) if isinstance(value, torch.Tensor) else value for name, value in batch.items()}
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            together = forward(model, batch).logits
            for number, row in enumerate(rows):
                alone = forward(model, {"input_ids": row[None].to(device)}).logits[0]
                difference = (together[batch["segments"] == number] - alone).abs().max()
                if not difference <= _NOISE * alone.abs().max():
                    return False
    except torch.OutOfMemoryError:
        raise
    except Exception:  # a model that does not take such inputs raises whatever it likes
        return False
    finally:
        model.train(was_training)
    return True


def _random_rows(model: Any, capacity: int) -> list[torch.Tensor]:
    """A row nearly as long as a sequence with a short one on either side, and one that leaves room for padding."""
    random = np.random.default_rng(0)
    vocabulary = np.arange(model.get_input_embeddings().num_embeddings)
    special = [value for name, value in vars(model.config).items() if name.endswith("_token_id") and value is not None]
    ordinary = vocabulary[~np.isin(vocabulary, np.hstack([-1, *special]))]
    short = min(3, capacity // 4)
    lengths = (short, capacity - 2 * short, short, capacity // 2)
    return [torch.from_numpy(random.choice(ordinary, length)) for length in lengths]


class Packs(Mixed):
    """Batches of `sequences` packs, each of rows of at most `capacity` tokens together.

    Packs are made once; in each epoch they come in another order, that with most tokens in the first batch.
    """

    def __init__(self, lengths: Sequence[int], capacity: int, sequences: int, seed: int) -> None:
        super().__init__(seed)
        self.lengths = np.asarray(lengths)
        self.sequences = sequences
        order = np.random.default_rng(seed).permutation(len(self.lengths))
        packs = packs_of(self.lengths[order].tolist(), capacity)
        self.packs = [order[pack].tolist() for pack in packs]

    def __len__(self) -> int:
        return math.ceil(len(self.packs) / self.sequences)

    def cut(self, random: np.random.Generator) -> list[list[int]]:
        order = random.permutation(len(self.packs)).tolist()
        batches = [
            [row for pack in order[at : at + self.sequences] for row in self.packs[pack]]
            for at in range(0, len(order), self.sequences)
        ]
        return mixed(batches, lambda batch: self.lengths[batch].sum(), random)


def packs_of(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """The numbers of rows, in packs of at most `capacity` tokens together; a longer row is a pack of its own.

    Best fit decreasing (Johnson 1973): the longest row first, each where the least space is left. The rows of some of
    these packs, packed by themselves, make as many packs again: so a batch can be packed without being told how.
    """
    packs: list[list[int]] = []
    with_space: dict[int, list[list[int]]] = collections.defaultdict(list)
    spaces: list[int] = []  # those that some pack has, ascending
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        at = bisect.bisect_left(spaces, lengths[row])
        if at < len(spaces):
            space = spaces[at]
            pack = with_space[space].pop()
            if not with_space[space]:
                spaces.pop(at)
        else:
            space, pack = capacity, []
            packs.append(pack)
        pack.append(row)
        left = space - lengths[row]
        if left > 0:
            if not with_space[left]:
                bisect.insort(spaces, left)
            with_space[left].append(pack)
    return sorted(sorted(pack) for pack in packs)
