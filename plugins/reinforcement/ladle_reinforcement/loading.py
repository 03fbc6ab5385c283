"""Models as folders have them, from safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedModel

from ladle import OptionError
from ladle.training import loading
from ladle.training.randomness import drawn_from

_LOCAL = {"local_files_only": True, "trust_remote_code": False, "use_safetensors": True, "dtype": torch.float32}


def causal_model(folder: Path, seed: int) -> tuple[PreTrainedModel, list[str]]:
    """The causal language model in a folder, and the names of weights of its head that are new.

    Raises OptionError if the folder holds none, or weights that do not belong to its configuration.
    """
    model, new = _loaded(AutoModelForCausalLM, folder, seed)
    with torch.no_grad():
        one, other = model(input_ids=torch.tensor([[0, 0], [0, 1]])).logits[:, 0]
    if not torch.allclose(one, other, atol=1e-3, equal_nan=True):
        raise OptionError(
            f"a {model.config.model_type} model sees what comes after a token, and so cannot write it",
            option="model",
            help="name a causal language model, such as Llama, Qwen or GPT-2",
        )
    return model, new


def scoring_model(folder: Path, seed: int, padding: int) -> tuple[PreTrainedModel, list[str]]:
    """The model in a folder as one that gives a text one number, and the names of weights of its head that are new.

    Raises OptionError as `causal_model` does.
    """
    model, new = _loaded(AutoModelForSequenceClassification, folder, seed, num_labels=1)
    model.config.get_text_config().pad_token_id = padding  # decoders look for the last token before it
    return model, new


def judging_model(folder: Path) -> PreTrainedModel:
    """The classifier of texts, or the reward model, in a folder. Raises OptionError if the folder holds none."""
    model, new = _loaded(AutoModelForSequenceClassification, folder, 0)
    if new:
        raise OptionError(
            f"the model in {folder} cannot judge texts: it has no weights for {', '.join(new)}",
            option="model",
            help="name a classifier of texts, or the stage of a reward model",
        )
    return model


def _loaded(auto_class: Any, folder: Path, seed: int, **changes: Any) -> tuple[PreTrainedModel, list[str]]:
    with loading(folder), drawn_from(seed, "new weights"):
        model, found = auto_class.from_pretrained(
            folder,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are looked for below
            **_LOCAL,
            **changes,
        )
    new = sorted({*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])})
    of_body = [name for name in new if name.startswith(f"{model.base_model_prefix}.") and "pooler" not in name]
    if of_body:
        raise OptionError(
            f"the weights in {folder} do not belong to its config.json: {len(of_body)} are missing or have another "
            f"shape, such as {of_body[0]}",
            option="model",
            help="name a model whose weights belong to the architecture in its config.json",
        )
    return model, new
