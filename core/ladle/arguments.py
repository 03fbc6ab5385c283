"""Further arguments for the Trainer class: which there are, found without importing transformers."""

from __future__ import annotations

from collections.abc import Iterable

from .errors import OptionError, did_you_mean

DEFAULT_ARGUMENTS = "transformers:TrainingArguments"

# What a recipe says with an option of the trainer, or what ladle has to decide itself.
_OPTIONS = {
    "num_train_epochs": "epochs",
    "per_device_train_batch_size": "batch_size",
    "per_device_eval_batch_size": "batch_size",
    "gradient_accumulation_steps": "accumulate",
    "learning_rate": "learning_rate",
    "lr_scheduler_type": "schedule",
    "warmup_steps": "warmup",
    "weight_decay": "weight_decay",
    "max_grad_norm": "clip",
    "metric_for_best_model": "choose_by",
    "use_cpu": "device",
    "bf16": "precision",
    "fp16": "precision",
}
_OURS = {
    "output_dir",
    "seed",
    "remove_unused_columns",
    "resume_from_checkpoint",
    "do_train",
    "do_eval",
    "do_predict",
    "hub_token",  # checkpoints would hold it
}


def check_arguments(names: Iterable[str], arguments_class: str) -> None:
    """Raises OptionError for an argument that the recipe has another option for, or that does not exist."""
    for name in names:
        if name in _OPTIONS:
            raise OptionError(
                f"`{name}` is an option of every trainer: `{_OPTIONS[name]}`",
                option="arguments",
                help=f"write `{_OPTIONS[name]} = …` in the train stage, outside `arguments`",
            )
        if name in _OURS:
            raise OptionError(f"`{name}` is decided by ladle", option="arguments", help="leave it out")
        if arguments_class != DEFAULT_ARGUMENTS:
            continue
        from .source_of_transformers import training_arguments

        if name not in (known := training_arguments()):
            raise OptionError(
                f"TrainingArguments has no `{name}`", option="arguments", help=did_you_mean(name, sorted(known))
            )
