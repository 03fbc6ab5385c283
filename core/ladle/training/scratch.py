"""A model that has learnt nothing yet, with a tokeniser trained on the recipe's own texts, in Hugging Face layout."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OptionError
from .randomness import drawn_from
from .tokenizer import train_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from ..components import Trainer
    from ..options import ModelChoice
    from ..rows import Rows
    from .setting import Setting

_SIZES = {"tiny": (64, 2, 2), "mini": (128, 4, 4), "small": (256, 4, 4), "medium": (512, 8, 8), "base": (768, 12, 12)}
"""Width, layers and heads."""
_WIDER = 4  # times the width: the layer inside each layer
_INSIDE = ("intermediate_size", "hidden_dim", "d_ff", "encoder_ffn_dim", "decoder_ffn_dim", "ffn_dim")
_OF_DECODER = {"num_decoder_layers": 1, "decoder_layers": 1, "decoder_attention_heads": 2}  # the place in _SIZES
_WITH_SINES = ("marian", "pegasus")
"""Architectures whose positions are sines. Beside these no token is heard, as `transformers` makes them: they begin as
Vaswani et al. (2017) say."""
_BEHIND_PADDING = 2  # places that some models leave out before the first token: a few too many cost nothing


def make_scratch(choice: ModelChoice, trainer: Trainer, setting: Setting) -> Path:
    """The folder of a model from scratch, kept in the store: the same recipe begins with the same weights."""
    columns = trainer.text_columns()
    if not columns:
        raise OptionError(
            "this trainer names no texts to train a tokeniser on", option=("model", "scratch"), help="start elsewhere"
        )
    parts = {"choice": choice.model_dump(mode="json"), "columns": columns, "seed": setting.seed}
    return setting.keep("a model from scratch", parts, lambda folder: _make(folder, choice, columns, setting))


def _make(folder: Path, choice: ModelChoice, columns: list[tuple[str, str]], setting: Setting) -> None:
    from transformers import AutoModel

    config = config_of(choice)
    with setting.progress("training a tokeniser", None) as done:
        texts = (text for data, column in columns for text in _texts(setting.data_sets[data], column, done))
        tokenizer = train_tokenizer(texts, choice.tokenizer, choice.vocabulary, choice.length, config)
    config.vocab_size = len(tokenizer)
    for name in ("pad", "bos", "eos", "cls", "sep"):
        setattr(config, f"{name}_token_id", getattr(tokenizer, f"{name}_token_id"))
    if config.is_encoder_decoder:
        config.decoder_start_token_id = tokenizer.pad_token_id
        if hasattr(config, "forced_eos_token_id"):
            config.forced_eos_token_id = tokenizer.eos_token_id
    with drawn_from(setting.seed, "scratch"), _of_architecture(choice):
        model = AutoModel.from_config(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _texts(rows: Rows, column: str, done: Callable[[int], None]) -> Iterator[str]:
    for batch in rows.of_split("train").select([column]).batches("python"):
        yield from filter(None, map(_text_of, batch[column]))
        done(len(batch[column]))


def _text_of(value: Any) -> str:
    """All texts in a value: words in a list make a sentence, messages of a conversation stand one below the other."""
    if isinstance(value, dict):
        return "\n".join(map(_text_of, value.values()))
    if isinstance(value, list):
        return (" " if all(isinstance(item, str) for item in value) else "\n").join(map(_text_of, value))
    return value if isinstance(value, str) else ""


@contextmanager
def _of_architecture(choice: ModelChoice) -> Iterator[None]:
    """Whatever an architecture refuses becomes an OptionError."""
    try:
        yield
    except Exception as error:  # transformers has no type of its own for any of what can go wrong
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        option = ("model", "config") if choice.config else ("model", "scratch")
        raise OptionError(f"`{choice.scratch}` cannot be made: {first}", option=option) from error


def config_of(choice: ModelChoice) -> PreTrainedConfig:
    """The configuration of a model from scratch, its vocabulary left open."""
    from transformers import AutoConfig

    assert choice.scratch is not None
    with _of_architecture(choice):
        usual = AutoConfig.for_model(choice.scratch)
        known = {field.name for field in dataclasses.fields(usual)} | set(usual.attribute_map)
        width, layers, heads = _SIZES[choice.size]
        wanted = {
            "hidden_size": width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "tie_word_embeddings": True,  # a vocabulary is most of a small model
            "num_key_value_heads": heads,
            "head_dim": width // heads,
            **({"scale_embedding": True, "init_std": width**-0.5} if choice.scratch in _WITH_SINES else {}),
            "max_position_embeddings": choice.length + _BEHIND_PADDING,
            **dict.fromkeys(_INSIDE, _WIDER * width),
            **{name: _SIZES[choice.size][place] for name, place in _OF_DECODER.items()},
        }
        own = {name: value for name, value in wanted.items() if name in known}
        return AutoConfig.for_model(choice.scratch, **(own | choice.config))
