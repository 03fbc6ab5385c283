"""The order of prompts, each as often in a batch as it is answered."""

from __future__ import annotations

import math

import numpy as np

from ladle.training import Mixed


class Prompts(Mixed):
    """Prompts in random order, cut into batches that TRL answers at once: each of `prompts` prompts, `group` times.

    A batch comes `repeats` times, for as many passes over its answers; with several processes, each has its own. What
    is left at the end of an epoch is filled up with prompts from its beginning, so that none is left out.
    """

    def __init__(self, rows: int, prompts: int, group: int, repeats: int, processes: int, seed: int) -> None:
        super().__init__(seed)
        self.rows = rows
        self.prompts = prompts
        self.group = group
        self.repeats = repeats
        self.processes = processes
        self.batch_size = prompts * group

    @property
    def _blocks(self) -> int:
        return math.ceil(self.rows / self.prompts / self.processes)

    def __len__(self) -> int:
        return self._blocks * self.repeats * self.processes

    def cut(self, random: np.random.Generator) -> list[list[int]]:
        order = np.resize(random.permutation(self.rows), (self._blocks, self.processes, self.prompts))
        blocks = [[np.repeat(part, self.group).tolist() for part in block] for block in order]
        return [batch for block in blocks for _ in range(self.repeats) for batch in block]
