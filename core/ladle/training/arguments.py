"""A trainer's options as `transformers.TrainingArguments`, and the device that they find."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..errors import OptionError
from ..metrics import is_better_low
from ..registry import load_target

if TYPE_CHECKING:
    import transformers

    from ..components import Trainer

_LOGS = 50  # points on a loss curve
_SCHEDULES = {"constant": "constant_with_warmup"}


def choose_device(wish: str) -> str:
    """The device to train on: the wish, or the best there is. Raises OptionError if it is not there."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wish == "auto":
        return next(name for name, is_there in present.items() if is_there)
    if not present[wish]:
        there = ", ".join(name for name, is_there in present.items() if is_there)
        help = f'write device = "auto", or one that is there: {there}'
        raise OptionError(f"this machine has no {wish}", option="device", help=help, code="device")
    return wish


def choose_precision(wish: str, device: str) -> str:
    """The number format of forward passes: the wish, or bfloat16 on a CUDA device that has it."""
    if wish == "auto":
        return "bfloat16" if device == "cuda" and torch.cuda.is_bf16_supported() else "float32"
    return wish


def training_arguments(
    trainer: Trainer, folder: Path, rows: int, has_validation: bool
) -> transformers.TrainingArguments:
    """The arguments of a training that leaves its checkpoints in `folder`."""
    device, precision = trainer.setting.device, trainer.setting.precision
    steps = math.ceil(rows / trainer.batch_size / trainer.accumulate) * trainer.epochs
    options: dict[str, Any] = {
        "output_dir": str(folder),
        "num_train_epochs": trainer.epochs,
        "per_device_train_batch_size": trainer.batch_size,
        "per_device_eval_batch_size": trainer.batch_size,
        "gradient_accumulation_steps": trainer.accumulate,
        "learning_rate": trainer.learning_rate,
        "lr_scheduler_type": _SCHEDULES.get(trainer.schedule, trainer.schedule),
        "warmup_steps": trainer.warmup,
        "weight_decay": trainer.weight_decay,
        "max_grad_norm": trainer.clip,
        "seed": trainer.setting.seed,
        "use_cpu": device == "cpu",
        "bf16": precision == "bfloat16",
        "fp16": precision == "float16",
        "dataloader_pin_memory": device == "cuda",
        "eval_strategy": "epoch" if has_validation else "no",
        "save_strategy": "epoch" if has_validation or trainer.epochs > 1 else "no",
        "save_total_limit": 2,  # the newest and, if that is another, the best
        "restore_callback_states_from_checkpoint": True,
        "load_best_model_at_end": has_validation,
        "metric_for_best_model": f"eval_{trainer.choose_by}" if has_validation else None,
        "greater_is_better": not is_better_low(trainer.choose_by) if has_validation else None,
        "logging_steps": max(1, int(steps / _LOGS)),
        "logging_nan_inf_filter": False,
        "remove_unused_columns": False,
        "report_to": "none",
        "disable_tqdm": True,
    }
    try:
        arguments = load_target(trainer.arguments_class)(**(options | trainer.own_arguments() | trainer.arguments))
    except (TypeError, ValueError) as error:  # what only the class itself knows of its arguments
        raise OptionError(f"{trainer.arguments_class}: {error}", option="arguments") from error
    if arguments.n_gpu > 1:  # within one process a Trainer would divide each batch; torchrun is for several GPUs
        arguments._n_gpu = 1
    return arguments
