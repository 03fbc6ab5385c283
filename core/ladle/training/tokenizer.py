"""Tokenisers trained on a recipe's own texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerFast


class _Special(NamedTuple):
    """The tokens of one family that stand for no text, in the order of their numbers, and where they go."""

    tokens: dict[str, str]
    one: str
    """How a text is laid out between them; $A is the text."""
    two: str | None = None


_ENCODER = _Special(
    {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"},
    "[CLS] $A [SEP]",
    "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
)
_ROBERTA = _Special(
    {"bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "<unk>", "mask": "<mask>", "cls": "<s>", "sep": "</s>"},
    "<s> $A </s>",
    "<s>:0 $A:0 </s>:0 </s>:0 $B:0 </s>:0",
)
_DECODER = _Special({"pad": "<pad>", "bos": "<s>", "eos": "</s>", "unk": "<unk>"}, "<s> $A")
_SEQUENCES = _Special({"pad": "<pad>", "eos": "</s>", "unk": "<unk>", "bos": "<s>"}, "$A </s>")


def train_tokenizer(
    texts: Iterator[str], kind: str, vocabulary: int, length: int, config: PreTrainedConfig
) -> PreTrainedTokenizerFast:
    """A tokeniser of a kind (`auto`: as the architecture of `config` usually has it) for texts like these.

    It has at most `vocabulary` tokens, and cuts texts after `length`.
    """
    from transformers import PreTrainedTokenizerFast

    special = _special_of(config)
    if kind == "auto":
        kind = _usual_kind(config)
    tokenizer, trainer = _untrained(kind, vocabulary, list(dict.fromkeys(special.tokens.values())), special)
    tokenizer.train_from_iterator(texts, trainer)
    ids = [(token, tokenizer.token_to_id(token)) for token in dict.fromkeys(special.tokens.values())]
    tokenizer.post_processor = processors.Sequence(
        [
            *([processors.ByteLevel(trim_offsets=False)] if kind in ("bpe", "bytes") else []),
            processors.TemplateProcessing(single=special.one, pair=special.two, special_tokens=ids),
        ]
    )
    named = {f"{name}_token": token for name, token in special.tokens.items()}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=length, **named)


def is_encoder(config: PreTrainedConfig) -> bool:
    """Whether models of this architecture read texts in both directions."""
    from transformers import MODEL_FOR_MASKED_LM_MAPPING

    return type(config) in MODEL_FOR_MASKED_LM_MAPPING and not config.is_encoder_decoder


def _special_of(config: PreTrainedConfig) -> _Special:
    if config.is_encoder_decoder:
        return _SEQUENCES
    if not is_encoder(config):
        return _DECODER
    return _ROBERTA if _has_bos(config) else _ENCODER


def _usual_kind(config: PreTrainedConfig) -> str:
    if _has_bos(config) or not (config.is_encoder_decoder or is_encoder(config)):
        return "bpe"
    return "unigram" if config.is_encoder_decoder else "wordpiece"


def _has_bos(config: PreTrainedConfig) -> bool:
    """Whether texts begin with a token of their own, as they do where BPE came into use."""
    return getattr(config, "bos_token_id", None) is not None


def _untrained(kind: str, vocabulary: int, tokens: list[str], special: _Special) -> tuple[Tokenizer, trainers.Trainer]:
    unknown = special.tokens["unk"]
    options: dict[str, Any] = {"special_tokens": tokens, "show_progress": False}
    if kind == "wordpiece":
        tokenizer = Tokenizer(models.WordPiece(unk_token=unknown))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.WordPiece()
        return tokenizer, trainers.WordPieceTrainer(vocab_size=vocabulary, **options)
    if kind == "unigram":
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.normalizer = normalizers.NFKC()
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
        return tokenizer, trainers.UnigramTrainer(vocab_size=vocabulary, unk_token=unknown, **options)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    size = len(alphabet) + len(tokens) if kind == "bytes" else vocabulary
    return tokenizer, trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, **options)
