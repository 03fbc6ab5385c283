"""Loading what is pre-trained: errors that name the option, configurations, tokenisers, and how long a text may be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OptionError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""How anything is loaded by transformers: what lies on this machine, and no code."""

_NO_LIMIT = 10**9  # tokenisers say "as long as you like" with 10**30
_LONG = 512  # tokens, for a model whose positions have no end and that says nothing of its own


@contextmanager
def loading(folder: Path) -> Iterator[None]:
    """Loads something from a model's folder: whatever goes wrong becomes an OptionError about `model`."""
    try:
        yield
    except OptionError:
        raise
    except Exception as error:  # transformers has no type of its own for any of what can go wrong
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise OptionError(
            f"the model in {folder} cannot be loaded: {first}",
            option="model",
            help="name a folder in Hugging Face layout (config.json, model.safetensors, tokenizer.json)",
        ) from error


def config_from(folder: Path) -> PreTrainedConfig:
    """The configuration of the model in `folder`. Raises OptionError if there is none that transformers knows."""
    from transformers import AutoConfig

    with loading(folder):
        return AutoConfig.from_pretrained(folder, **LOCAL)


def tokenizer_from(folder: Path) -> PreTrainedTokenizerBase:
    """The tokeniser in `folder`, with a token to pad with. Raises OptionError if there is none."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **LOCAL)
    except Exception as error:
        raise _no_tokenizer(folder) from error
    if len(tokenizer) <= len(tokenizer.all_special_tokens) or not tokenizer.is_fast:
        raise _no_tokenizer(folder)  # of a folder without one, AutoTokenizer makes one that knows no word
    if tokenizer.pad_token_id is None:  # decoders seldom have one; the mask hides it
        special = [tokenizer.eos_token, tokenizer.unk_token, *tokenizer.all_special_tokens]
        # an ordinary word would be one that stands for no text, once the tokeniser is saved
        tokenizer.pad_token = next(filter(None, special), None) or tokenizer.convert_ids_to_tokens(0)
    return tokenizer


def _no_tokenizer(folder: Path) -> OptionError:
    return OptionError(
        f"the model in {folder} has no tokeniser that can be read",
        option="model",
        help="name a folder with a tokenizer.json, as `tokenizer.save_pretrained` writes it",
    )


def check_tokenizer(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raises OptionError if the tokeniser knows tokens that the model has no place for."""
    places = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > places:
        raise OptionError(
            f"the tokeniser knows {len(tokenizer):,} tokens, and the model has a place for {places:,}",
            option="model",
            help="tokenizer.json and config.json of a folder belong together",
        )


def token_limit(
    model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, wanted: int | None, stated: int | None = None
) -> int:
    """How many tokens of a text are read: as many as are wanted, or as model, tokeniser and `stated` allow.

    Raises OptionError if more are wanted than the model has positions for.
    """
    positions = _positions(model)
    if wanted is None:
        limits = (stated, positions, tokenizer.model_max_length)
        return min((limit for limit in limits if limit is not None and limit < _NO_LIMIT), default=_LONG)
    if positions is not None and wanted > positions:
        raise OptionError(
            f"the model reads at most {positions} tokens of a text, not {wanted}",
            option="max_length",
            help=f"write at most {positions}, or leave the option out",
        )
    return wanted


def _positions(model: Any) -> int | None:
    """How many tokens the model has positions for; None if there is no end to them."""
    base = model.base_model
    count = getattr(base.config, "max_position_embeddings", None)
    table = getattr(getattr(base, "embeddings", None), "position_embeddings", None)
    if table is None or table.padding_idx is None:
        return count
    return count - table.padding_idx - 1  # RoBERTa and its kin count from behind the place of padding
