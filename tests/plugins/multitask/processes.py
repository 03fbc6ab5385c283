"""Trains two tasks on 32 and 48 rows, in as many processes as torchrun starts; tells the gradient of each step."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import torch
import transformers

from ladle import Technique
from ladle.events import Events
from ladle.rows import ID, ORIGIN, ORIGIN_TYPE, SPLIT, Rows
from ladle.stages.work import RowSink
from ladle.store import Store
from ladle.training import Setting
from ladle.training.arguments import training_arguments
from ladle.training.loop import follow
from ladle.training.plan import Plan
from ladle.training.watch import Watch
from ladle_multitask.multitask import MultiTask
from ladle_multitask.pcgrad import PCGrad
from ladle_supervised.texts.classification import TextClassification
from ladle_supervised.texts.regression import TextRegression


class Look(transformers.TrainerCallback):
    """Prints the norms of the body's gradient, of both heads' and of the weights', and which heads have one."""

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        bare = getattr(model, "module", model)
        norms: dict[str, float] = {}
        for name, parameter in bare.named_parameters():
            part = name.partition(".")[0]
            if parameter.grad is not None:
                norms[part] = norms.get(part, 0.0) + float((parameter.grad**2).sum())
        if state.is_world_process_zero:
            print("norms", json.dumps(norms), flush=True)


class Looking(Technique):
    def callbacks(self) -> list[transformers.TrainerCallback]:
        return [Look()]


def rows_in(folder: Path, count: int, target: str) -> Rows:
    """Short texts with a class, or a number, that a word of them tells."""
    words = ["good", "bad", "fine", "awful"]
    texts = [f"the film is {words[n % 4]} {'of day ' * (n % 5)}".strip() for n in range(count)]
    targets = ["np"[n % 2] for n in range(count)] if target == "sentiment" else [n % 4 / 2 for n in range(count)]
    columns = {
        ID: pa.array([str(n) for n in range(count)]),
        SPLIT: pa.array(["train"] * count),
        ORIGIN: pa.nulls(count, ORIGIN_TYPE),
        "text": pa.array(texts),
        target: pa.array(targets),
    }
    folder.mkdir(parents=True)
    with RowSink(folder) as sink:
        sink.write(pa.RecordBatch.from_pydict(columns))
    return Rows.of_stages([folder])


def main(start: Path, folder: Path, batch_size: int, accumulate: int, options: dict[str, Any]) -> None:
    folder = folder / os.environ.get("RANK", "0")
    model = {"pretrained": str(start)}
    own = {"model": model, "batch_size": batch_size, "head": "own"}
    tasks = {
        "sentiment": TextClassification.model_validate(own | {"data": "of_classes", "target": "sentiment"}),
        "score": TextRegression.model_validate(own | {"data": "of_numbers", "target": "score"}),
    }
    surgery = options.pop("surgery", False)
    usual = {"tasks": tasks, "model": model, "epochs": 1, "clip": 0.0, "learning_rate": 1e-2, "warmup": 0.0}
    usual |= {"batch_size": batch_size, "accumulate": accumulate, "arguments": {"save_strategy": "no"}}
    trainer = MultiTask.model_validate(usual | options)
    data = {"of_classes": rows_in(folder / "c", 32, "sentiment"), "of_numbers": rows_in(folder / "n", 48, "score")}
    setting = Setting(
        name="both",
        data=data["of_classes"],
        data_sets=data,
        start=start,
        seed=3,
        device="cpu",
        precision="float32",
        keys={"data": "c", "start": "s"},
        data_keys=MappingProxyType({"of_classes": "c", "of_numbers": "n"}),
        store=Store(folder / "store"),
        events=Events(),
    )
    trainer = trainer.within(setting)
    techniques = [PCGrad()] if surgery else []
    setting.plan = plan = Plan(trainer, [technique.within(setting) for technique in (*techniques, Looking())])
    torch.manual_seed(0)
    setting.model = plan.ask("model")()
    rows = plan.ask("dataset")("train")
    watch = Watch(setting)
    watch.loop = loop = follow(transformers.Trainer)(
        model=setting.model,
        args=training_arguments(trainer, folder / "checkpoints", len(rows), has_validation=False),
        train_dataset=rows,
        data_collator=trainer.batch,
        callbacks=[watch, *(callback for part in (trainer, *plan.techniques) for callback in part.callbacks())],
        plan=plan,
        aside=folder,
    )
    loop.train()
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        os._exit(0)  # gloo may abort where its threads outlive the interpreter


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), json.loads(sys.argv[5]))
