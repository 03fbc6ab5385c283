"""A model in a GGUF file as a folder in Hugging Face layout, from which training can start."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import OptionError
from .pretrained import loading

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

# The names that such files have for ways to cut texts before merging: as GPT-2 does, and so after setting digits apart
_LIKE_GPT2 = {"gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "exaone4", "roberta-bpe", "granite-docling"}
_DIGITS_APART = {"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"}


def convert(file: Path, folder: Path) -> None:
    """Write the model and the tokeniser of a GGUF `file` to `folder`: config.json, model.safetensors, tokenizer.json, …

    Weights are unpacked to float32 (4 bytes each), as coarse as they were made when the file was. The chat template,
    the special tokens and whether texts begin or end with one are as the file says.

    Raises OptionError if the package `gguf` is missing or transformers cannot read the file, and if it would leave out
    what makes the model another one: weights, the scaling of positions, the way in which texts are cut.
    """
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig
    from transformers.utils import is_gguf_available

    if not is_gguf_available():
        raise OptionError(
            f"reading {file.name} needs the package gguf, which is not installed",
            option="model",
            help="pip install gguf",
        )
    source: dict[str, Any] = {"gguf_file": file.name, "local_files_only": True}
    with loading(file), redirect_stderr(io.StringIO()):  # progress bars that nothing else can turn off
        header = _header(file)
        tokenizer = _tokenizer(file, header.cut, source)
        model, found = AutoModelForCausalLM.from_pretrained(
            file.parent,
            quantization_config=GgufConfig(dequantize=True),  # or it could not be saved
            dtype=torch.float32,
            output_loading_info=True,
            **source,
        )
    if found["missing_keys"]:
        raise _incomplete(file, f"the weights {min(found['missing_keys'])} are not in it")
    if header.scales_positions and not _scales_positions(model.config):
        raise _incomplete(file, "transformers cannot read how it scales positions")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


class _Header(NamedTuple):
    """What a file says of itself that transformers may pass over."""

    cut: str | None
    """The name of the way in which its tokeniser cuts texts."""
    scales_positions: bool


def _header(file: Path) -> _Header:
    from gguf import GGUFReader

    reader = GGUFReader(file)

    def said(key: str) -> Any:
        field = reader.get_field(key)
        return None if field is None else field.contents()

    scaling = said(f"{said('general.architecture')}.rope.scaling.type")
    has_factors = any(tensor.name == "rope_freqs.weight" for tensor in reader.tensors)
    return _Header(said("tokenizer.ggml.pre"), has_factors or scaling not in (None, "none"))


def _tokenizer(file: Path, cut: str | None, source: dict[str, Any]) -> PreTrainedTokenizerBase:
    """The file's tokeniser. Raises OptionError if it would cut texts in another way than the file says."""
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(file.parent, **source)
    backend = tokenizer.backend_tokenizer
    like_gpt2 = backend.pre_tokenizer  # which transformers also takes for ways that it does not know
    if isinstance(like_gpt2, pre_tokenizers.ByteLevel) and like_gpt2.use_regex:
        if cut in _DIGITS_APART:
            digits = pre_tokenizers.Digits(individual_digits=True)
            backend.pre_tokenizer = pre_tokenizers.Sequence([digits, like_gpt2])
        elif cut is not None and cut not in _LIKE_GPT2:
            raise _incomplete(file, f"transformers cannot cut texts as its tokeniser does (`{cut}`)")
    return tokenizer


def _scales_positions(config: PreTrainedConfig) -> bool:
    parameters = getattr(config, "rope_parameters", None) or {}
    tables = [parameters, *(table for table in parameters.values() if isinstance(table, dict))]  # or one for each layer
    return any(table.get("rope_type", "default") != "default" for table in tables)


def _incomplete(file: Path, why: str) -> OptionError:
    return OptionError(
        f"the model in {file} would become another one: {why}",
        option="model",
        help="name the model in Hugging Face layout instead (config.json, model.safetensors, tokenizer.json)",
    )
