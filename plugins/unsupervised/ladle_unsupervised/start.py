"""Where a language model comes from: a folder with all weights of its body, and with those of its head or without."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, PreTrainedModel

from ladle import OptionError
from ladle.training import forward, loading

Task = Literal["causal", "masked"]

_CLASSES: dict[Task, Any] = {"causal": AutoModelForCausalLM, "masked": AutoModelForMaskedLM}
_NOISE = 1e-5  # of the largest logit
_LOCAL = {"local_files_only": True, "trust_remote_code": False}


def language_model_from(folder: Path, task: Task) -> tuple[PreTrainedModel, list[str]]:
    """The model in `folder` with a head over its vocabulary, and the names of weights that are new.

    Only the head may be new: raises OptionError if other weights are missing or do not fit, or if the architecture is
    not one for this task.
    """
    auto_class = _CLASSES[task]
    with loading(folder):
        config = AutoConfig.from_pretrained(folder, **_LOCAL)
    if type(config) not in auto_class._model_mapping or config.is_encoder_decoder:
        raise _of_another_kind(config.model_type, task)
    with loading(folder):
        model, found = auto_class.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are looked for below
            **_LOCAL,
        )
    new = sorted(found["missing_keys"])
    missing = [name for name in new if name.startswith(f"{model.base_model_prefix}.")]
    misfits = sorted(name for name, *_ in found["mismatched_keys"])
    if missing or misfits:
        raise OptionError(
            f"the weights in {folder} do not belong to its config.json: {len(missing)} are missing and "
            f"{len(misfits)} have another shape, such as {(misfits or missing)[0]}",
            option="model",
            help="name a model whose weights belong to the architecture in its config.json",
        )
    if task == "causal" and _sees_what_comes(model):
        raise _of_another_kind(config.model_type, task)
    return model, new


def _of_another_kind(architecture: str, task: Task) -> OptionError:
    if task == "causal":
        return OptionError(
            f"a `{architecture}` model is no decoder: it cannot learn to continue texts",
            option="model",
            help='name a decoder (Llama, GPT-2, Qwen, …), or write use = "masked-language-model"',
        )
    return OptionError(
        f"a `{architecture}` model is no encoder with a head for masked tokens",
        option="model",
        help='name an encoder (BERT, RoBERTa, ModernBERT, …), or write use = "causal-language-model"',
    )


def _sees_what_comes(model: PreTrainedModel) -> bool:
    """Whether the logits of a token depend on those after it: then the next token would only be copied."""
    vocabulary = model.get_input_embeddings().num_embeddings
    tokens = torch.from_numpy(np.random.default_rng(0).integers(vocabulary, size=(1, 8)))
    others = tokens.clone()
    others[0, -1] = (others[0, -1] + 1) % vocabulary
    with torch.no_grad():
        one, other = (forward(model, {"input_ids": ids}).logits[:, :-1] for ids in (tokens, others))
    return bool((one - other).abs().max() > _NOISE * one.abs().max())
