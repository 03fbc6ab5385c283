"""A training on eight rows, in as many processes as torchrun starts; the first prints the norms of gradients.

Of several epochs half are trained a second time, from a checkpoint within one, and printed as well.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
import transformers
from conftest import FastGradient, TinyBert, sentences_half_labelled  # found beside this script
from datasets import Dataset

from ladle.training.arguments import training_arguments
from ladle.training.loop import follow
from ladle.training.plan import Plan


def main(folder: Path, batch_size: int, accumulate: int, epochs: int) -> None:
    train(folder, batch_size, accumulate, epochs)
    if epochs > 1:
        train(folder, batch_size, accumulate, epochs, checkpoint=folder / "checkpoint-3")
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        os._exit(0)  # gloo may abort where its threads outlive the interpreter


def train(folder: Path, batch_size: int, accumulate: int, epochs: int, checkpoint: Path | None = None) -> None:
    transformers.set_seed(0)
    setting = SimpleNamespace(device="cpu", precision="float32", seed=0, notes={}, told=dict)
    trainer = TinyBert.model_validate(
        {
            "data": "rows",
            "task": "sentences",
            "batch_size": batch_size,
            "accumulate": accumulate,
            "clip": 0,
            "epochs": epochs,
            "in_order": epochs == 1,
            "arguments": {"save_strategy": "steps", "save_steps": 3} if epochs > 1 else {},
        }
    ).within(setting)
    plan = Plan(trainer, [FastGradient().within(setting)])
    rows = Dataset.from_list(sentences_half_labelled())
    arguments = training_arguments(trainer, folder, len(rows), has_validation=False)
    setting.model = plan.ask("model")()
    loop = follow(transformers.Trainer)(
        model=setting.model,
        args=arguments,
        train_dataset=rows,
        data_collator=trainer.batch,
        callbacks=trainer.callbacks(),
        plan=plan,
        aside=folder,
    )
    loop.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if os.environ.get("RANK", "0") == "0":
        print("norms", setting.notes["gradient norms"], flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
