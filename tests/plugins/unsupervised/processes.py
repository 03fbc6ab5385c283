"""One optimiser step over eight rows, in as many processes as torchrun starts; the first prints the gradient's norm."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import transformers
from datasets import Dataset

from ladle.training.arguments import training_arguments
from ladle.training.loop import follow
from ladle.training.plan import Plan
from ladle_unsupervised import heads
from ladle_unsupervised.causal import CausalLanguageModel


class InOrder(CausalLanguageModel):
    """Rows as they come, and the norm of the step's gradient."""

    def sampler(self, dataset: Any) -> Any:
        return torch.utils.data.BatchSampler(range(len(dataset)), self.batch_size, drop_last=False)

    def callbacks(self) -> list[transformers.TrainerCallback]:
        return [Look()]


class Look(transformers.TrainerCallback):
    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        squares = [(p.grad**2).sum() for p in model.parameters()]
        if state.is_world_process_zero:
            print("norm", torch.stack(squares).sum().sqrt().item(), flush=True)


def main(start: Path, folder: Path, batch_size: int, accumulate: int, at_once: int) -> None:
    heads.AT_ONCE = at_once
    options = {"data": "rows", "model": {"pretrained": str(start)}, "epochs": 1, "clip": 0.0, "max_length": 24}
    trainer = InOrder.model_validate(options | {"batch_size": batch_size, "accumulate": accumulate})
    trainer = trainer.within(
        SimpleNamespace(device="cpu", precision="float32", seed=0, notes={}, told=dict, start=start)
    )
    trainer.setting.plan = Plan(trainer, [])
    trainer.setting.model = trainer.model()
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randint(5, 200, (length,), generator=generator).tolist() for length in (3, 12, 5, 9, 2, 11, 7, 4)]
    loop = follow(transformers.Trainer)(
        model=trainer.setting.model,
        args=training_arguments(trainer, folder, len(rows), has_validation=False),
        train_dataset=Dataset.from_list([{"input_ids": row, "length": len(row), "context": 1} for row in rows]),
        data_collator=trainer.batch,
        callbacks=trainer.callbacks(),
        plan=trainer.setting.plan,
        aside=folder,
    )
    assert trainer.head.is_narrow
    assert trainer.layout.separation
    loop.train()
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        os._exit(0)  # gloo may abort where its threads outlive the interpreter


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))
