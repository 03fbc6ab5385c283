"""Where a model comes from that is to fill in hidden tokens."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoModelForMaskedLM, PreTrainedModel

from ladle import OptionError
from ladle.training import config_from, model_from


def masked_model_from(folder: Path, seed: int) -> tuple[PreTrainedModel, list[str]]:
    """The model in `folder` with a head for masked tokens, and the names of weights that are new, drawn from `seed`.

    Only the head may be new: raises OptionError if other weights are missing or do not fit, or if the architecture has
    no such head.
    """
    config = config_from(folder)
    if type(config) not in AutoModelForMaskedLM._model_mapping or config.is_encoder_decoder:
        raise OptionError(
            f"a `{config.model_type}` model is no encoder with a head for masked tokens",
            option="model",
            help='name an encoder (BERT, RoBERTa, ModernBERT, …), or write use = "causal-language-model"',
        )
    return model_from(AutoModelForMaskedLM, folder, seed)
