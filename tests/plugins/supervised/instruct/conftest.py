"""Tiny language models with tokenisers trained here, and recipes that tune them."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CORPUS = [
    "The film is good and the plot is dull.",
    "What is the capital of the country? Say it in one word.",
    "yes no red blue green old new big small\n\n  return x + 1\n",
] * 4
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CHATML_MARKED = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}"
    "{% else %}{{ m['content'] + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@functools.cache
def _byte_level() -> str:
    """As GPT-2 and Llama 3 have it: every text in bytes, spaces in front of words."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    words.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=340, initial_alphabet=alphabet, show_progress=False)
    )
    return words.to_str()


@functools.cache
def _metaspace(scheme: str) -> str:
    """As Llama 2 has it: a mark for each space, and one before a text; what is unknown in bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    words = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    words.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    words.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    words.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=160, show_progress=False))
    about = json.loads(words.to_str())
    first = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    about["model"]["vocab"] = {token: number for number, token in enumerate([*first, *about["model"]["vocab"]])}
    words = Tokenizer.from_str(json.dumps(about))
    words.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
    words.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return words.to_str()


def make_tokenizer(kind: str, template: str | None = None) -> Any:
    """A tokeniser: `bytes` pads with its end token, `chat` knows the markers of chatml, `metaspace` begins with <s>."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    if kind.startswith("metaspace"):
        scheme = "always" if kind.endswith("always") else "first"
        special = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(_metaspace(scheme)), **special)
    else:
        special = {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(_byte_level()), **special)
    if kind == "chat":
        tokenizer.add_tokens(["<|im_start|>", "<|im_end|>"], special_tokens=True)
    if template is not None:
        tokenizer.chat_template = template
    return tokenizer


def make_model(kind: str, vocabulary: int, dropout: float = 0.0) -> Any:
    """A random language model of two layers with 64 positions: llama or gpt2."""
    import torch
    import transformers

    torch.manual_seed(3)
    special = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    if kind == "gpt2":
        dropouts = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), dropout)
        config = transformers.GPT2Config(
            vocab_size=vocabulary, n_embd=32, n_layer=2, n_head=2, n_positions=64, **dropouts, **special
        )
        return transformers.GPT2LMHeadModel(config)
    config = transformers.LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        attention_dropout=dropout,
        **special,
    )
    return transformers.LlamaForCausalLM(config)


@pytest.fixture(scope="session")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The folder of a tiny random language model with a tokeniser, and with a chat template if one is given."""
    folders: dict[tuple[Any, ...], Path] = {}

    def folder_of(
        kind: str = "llama", tokenizer: str = "bytes", template: str | None = None, dropout: float = 0.0
    ) -> Path:
        key = (kind, tokenizer, template, dropout)
        if key not in folders:
            folder = folders[key] = tmp_path_factory.mktemp(kind)
            words = make_tokenizer(tokenizer, template)
            make_model(kind, len(words), dropout).save_pretrained(folder)
            words.save_pretrained(folder)
        return folders[key]

    return folder_of


@pytest.fixture(scope="session")
def tokenizer_of() -> Callable[..., Any]:
    """A tokeniser trained here: bytes, chat, metaspace or metaspace-always."""
    return make_tokenizer


@pytest.fixture(scope="session")
def chatml() -> str:
    """The chatml template as a model may bring it."""
    return CHATML


@pytest.fixture(scope="session")
def chatml_marked() -> str:
    """The same, with marks around what the assistant writes."""
    return CHATML_MARKED


@pytest.fixture
def words() -> list[dict[str, Any]]:
    """Prompts of two words that are answered with the second: 96 to train, 16 to validate and 24 to test on."""
    known = ["red", "blue", "green", "old", "new", "big", "small"]
    rows = []
    for number in range(136):
        first, second = known[number % 7], known[number * 3 // 7 % 7]
        split = "train" if number < 96 else "validation" if number < 112 else "test"
        rows.append({"prompt": f"{first} {second}", "answer": second, "split": split})
    return rows
