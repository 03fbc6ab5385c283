"""What the files of a model's folder say of texts before it is loaded: how long they are, and how long they may be."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import OptionError
from .sample import Sample

_NO_LIMIT = 10**9
_ENOUGH = 20  # texts that say something about the others
_MANY = 0.1
_CHARACTERS = 200_000  # that are tokenised at most
_BEHIND_PADDING = {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "longformer", "mpnet", "data2vec-text"}


def token_doubts(
    sample: Sample, column: str, folder: Path, wanted: int | None, stated: int | None = None
) -> Iterator[OptionError]:
    """What makes one doubt that a model can read the texts of a column, about the options `model` and `max_length`.

    It reads at most `wanted` tokens of a text (the option `max_length`), or `stated`, or what its files say.
    """
    config = _read(folder / "config.json")
    yield from _vocabulary_doubts(config, folder)
    positions = _positions(config)
    if wanted is not None and positions is not None and wanted > positions:
        yield OptionError(
            f"the model reads at most {positions:,} tokens of a text, not {wanted:,}",
            option="max_length",
            help=f"write at most {positions}, or leave the option out",
        )
        return
    limits = (stated, positions, _read(folder / "tokenizer_config.json").get("model_max_length"))
    limit = wanted or min((limit for limit in limits if limit is not None and limit < _NO_LIMIT), default=None)
    if limit:
        yield from _cut_doubts(sample, column, folder, limit, positions)


def _cut_doubts(sample: Sample, column: str, folder: Path, limit: int, positions: int | None) -> Iterator[OptionError]:
    texts = [text for text in sample.values(column) if isinstance(text, str)]
    long = [text for text in texts if len(text.encode(errors="replace")) > limit]  # a token has a byte at least
    tokenizer = folder / "tokenizer.json"
    if len(texts) < _ENOUGH or len(long) <= _MANY * len(texts) or not tokenizer.is_file():
        return
    counts = _count_tokens(long, tokenizer)
    share = sum(count > limit for count in counts) / len(counts) * len(long) / len(texts)
    if share > _MANY:
        yield OptionError(
            f"about {share:.0%} of the texts are longer than {limit:,} tokens and will be cut "
            f"(of {sample} the longest has {max(counts):,})",
            option="max_length",
            help=f"the model can read {positions:,}: set `max_length` higher"
            if positions and positions > limit
            else "keep what matters at the beginning of texts, or name a model that reads longer ones",
            code="cut",
        )


def _count_tokens(texts: list[str], tokenizer: Path) -> list[int]:
    """The tokens of texts, of which those at the end are left out if there is too much of them."""
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(str(tokenizer))
    found.no_truncation()
    found.no_padding()
    counts: list[int] = []
    left = _CHARACTERS
    for text in texts:
        counts.append(len(found.encode(text[:left])))  # one by one: many at once start threads, which no fork survives
        left -= len(text)
        if left <= 0:
            break
    return counts


def _positions(config: dict[str, Any]) -> int | None:
    """How many tokens a model has positions for; None if its configuration does not say."""
    count = config.get("max_position_embeddings")
    if not isinstance(count, int):
        return None
    if config.get("model_type") in _BEHIND_PADDING:
        return count - (config.get("pad_token_id") or 0) - 1
    return count


def _vocabulary_doubts(config: dict[str, Any], folder: Path) -> Iterator[OptionError]:
    size, tokenizer = config.get("vocab_size"), folder / "tokenizer.json"
    if not isinstance(size, int) or not tokenizer.is_file() or not _may_hold(size, tokenizer):
        return
    if (known := _known_tokens(tokenizer)) > size:
        yield OptionError(
            f"the tokeniser knows {known:,} tokens, and the model has a place for {size:,}: it fails at any beyond",
            option="model",
            help="is it another model's tokeniser? tokenizer.json and config.json of a folder belong together",
            code="vocabulary",
        )


def _may_hold(number: int, tokenizer: Path) -> bool:
    """Whether a tokeniser may know a token of this number; quick, where to read its vocabulary takes a while."""
    text = tokenizer.read_bytes()
    return str(number).encode() in text or text.count(b"[") > number  # where numbers are not told, tokens are lists


def _known_tokens(tokenizer: Path) -> int:
    about = _read(tokenizer)
    vocabulary = about.get("model", {}).get("vocab", ())
    of_words = vocabulary.values() if isinstance(vocabulary, dict) else range(len(vocabulary))
    added = (token["id"] for token in about.get("added_tokens") or ())
    return max(itertools.chain(of_words, added), default=-1) + 1


def _read(file: Path) -> dict[str, Any]:
    """The object in a JSON file; {} if there is none."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
