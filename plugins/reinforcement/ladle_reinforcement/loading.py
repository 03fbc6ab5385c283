"""Models that give a text a number, or classes, as folders have them."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoModelForSequenceClassification, PreTrainedModel

from ladle import OptionError
from ladle.training import model_from


def scoring_model(folder: Path, seed: int, padding: int) -> tuple[PreTrainedModel, list[str]]:
    """The model in a folder as one that gives a text one number, and the names of weights of its head that are new.

    Raises OptionError if the folder holds none, or weights that do not belong to its configuration.
    """
    model, new = model_from(AutoModelForSequenceClassification, folder, seed, num_labels=1)
    model.config.get_text_config().pad_token_id = padding  # decoders look for the last token before it
    return model, new


def judging_model(folder: Path) -> PreTrainedModel:
    """The classifier of texts, or the reward model, in a folder. Raises OptionError if the folder holds none."""
    model, new = model_from(AutoModelForSequenceClassification, folder, seed=0)
    if new:
        raise OptionError(
            f"the model in {folder} cannot judge texts: it has no weights for {', '.join(new)}",
            option="model",
            help="name a classifier of texts, or the stage of a reward model",
        )
    return model
