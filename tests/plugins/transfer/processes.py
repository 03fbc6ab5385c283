"""Four steps over the same eight rows, layers joining in, in as many processes as torchrun starts; tells the norms."""

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
from ladle_transfer.layer_rates import LayerRates
from ladle_transfer.lora import Lora
from ladle_transfer.unfreeze import Unfreeze
from ladle_unsupervised.causal import CausalLanguageModel


class InOrder(CausalLanguageModel):
    """Rows as they come, and the norm of each step's gradient."""

    def sampler(self, dataset: Any) -> Any:
        return torch.utils.data.BatchSampler(range(len(dataset)), self.batch_size, drop_last=False)

    def callbacks(self) -> list[transformers.TrainerCallback]:
        return [Look()]


class Look(transformers.TrainerCallback):
    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        squares = [(p.grad**2).sum() for p in model.parameters() if p.grad is not None]
        if state.is_world_process_zero:
            print("norm", len(squares), torch.stack(squares).sum().sqrt().item(), flush=True)


def main(start: Path, folder: Path, batch_size: int, accumulate: int, arguments: dict[str, Any]) -> None:
    options = {"data": "rows", "model": {"pretrained": str(start)}, "epochs": 4, "clip": 0.0, "packing": "off"}
    options |= {"learning_rate": 1e-2, "schedule": "constant", "warmup": 0.0, "arguments": arguments}
    trainer = InOrder.model_validate(options | {"batch_size": batch_size, "accumulate": accumulate})
    setting = SimpleNamespace(device="cpu", precision="float32", seed=0, notes={}, told=dict, start=start)
    trainer = trainer.within(setting)
    techniques = [Lora.model_validate({}), Unfreeze.model_validate({"every": 0.25}), LayerRates.model_validate({})]
    setting.plan = plan = Plan(trainer, [technique.within(setting) for technique in techniques])
    torch.manual_seed(0)
    setting.model = plan.ask("model")()
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randint(5, 200, (length,), generator=generator).tolist() for length in (3, 12, 5, 9, 2, 11, 7, 4)]
    loop = follow(transformers.Trainer)(
        model=setting.model,
        args=training_arguments(trainer, folder, len(rows), has_validation=False),
        train_dataset=Dataset.from_list([{"input_ids": row, "length": len(row), "context": 1} for row in rows]),
        data_collator=trainer.batch,
        callbacks=[callback for part in (trainer, *plan.techniques) for callback in part.callbacks()],
        plan=plan,
        aside=folder,
    )
    loop.train()
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        os._exit(0)  # gloo may abort where its threads outlive the interpreter


if __name__ == "__main__":
    torch.set_num_threads(1)
    wanted = dict.fromkeys(sys.argv[5:], True)
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), {"save_strategy": "no"} | wanted)
