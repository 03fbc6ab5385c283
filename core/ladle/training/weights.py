"""Models with the weights that a folder has: which of them are new, and which must not be."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..errors import OptionError
from .forward import forward
from .pretrained import LOCAL, config_from, loading
from .randomness import drawn_from

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_PLACES = 8  # of a text that a model is tried on
_NOISE = 1e-4  # of the largest logit: what arithmetic may change, and a token that is seen changes more


def model_from(
    auto_class: Any, folder: Path, seed: int | None = None, **changes: Any
) -> tuple[PreTrainedModel, list[str]]:
    """The model in `folder` as `auto_class` loads it, from safetensors in float32, and the names of new weights.

    A layer that pools may always be new. With a `seed`, from which new weights are drawn, those of the head may be new
    too: they are if the folder lacks them, or if `changes` of the configuration give them another shape. Raises
    OptionError if any other weights are missing or of another shape.
    """
    with loading(folder), nullcontext() if seed is None else drawn_from(seed, "new weights"):
        model, found = auto_class.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are looked for below
            **LOCAL,
            **changes,
        )
    missing = set(found["missing_keys"])
    misfits = {name for name, *_ in found["mismatched_keys"]}
    body = f"{model.base_model_prefix}."
    head = {name for name in missing | misfits if seed is not None and not name.startswith(body)}
    lacking = sorted(name for name in missing - head if "pooler" not in name)
    unfit = sorted(misfits - head if changes else misfits)
    if lacking or unfit:
        raise OptionError(
            f"the weights in {folder} do not belong to its config.json: {len(lacking)} are missing and {len(unfit)} "
            f"have another shape, such as {(unfit or lacking)[0]}",
            option="model",
            help="name a model whose weights belong to the architecture in its config.json",
        )
    return model, sorted(missing | misfits)


def causal_model_from(
    folder: Path, seed: int | None = None, help: str = "name a decoder, such as Llama, Qwen or GPT-2"
) -> tuple[PreTrainedModel, list[str]]:
    """The causal language model in `folder`, and the names of new weights, as `model_from` has it.

    Raises OptionError, with this `help`, if the architecture has none, or one that sees what comes after a token.
    """
    from transformers import AutoModelForCausalLM

    config = config_from(folder)
    is_known = type(config) in AutoModelForCausalLM._model_mapping and not config.is_encoder_decoder
    model, new = model_from(AutoModelForCausalLM, folder, seed) if is_known else (None, [])
    if model is None or _sees_what_comes(model):
        message = f"a `{config.model_type}` model is no decoder: it cannot learn to continue texts"
        raise OptionError(message, option="model", help=help)
    return model, new


def _sees_what_comes(model: PreTrainedModel) -> bool:
    """Whether the logits of a token depend on those after it: then the next token would only be copied."""
    vocabulary = model.get_input_embeddings().num_embeddings
    tokens = torch.from_numpy(np.random.default_rng(0).integers(vocabulary, size=(1, _PLACES)))
    others = tokens.clone()
    others[0, -1] = (others[0, -1] + 1) % vocabulary
    with torch.no_grad():
        one, other = (forward(model, {"input_ids": ids}).logits[:, :-1] for ids in (tokens, others))
    return bool((one - other).abs().max() > _NOISE * one.abs().max())
