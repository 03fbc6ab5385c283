"""The head run on chosen places gives the logits that the whole model gives there."""

from __future__ import annotations

import pytest
import torch
import transformers

from ladle.training import forward
from ladle_unsupervised import heads
from ladle_unsupervised.heads import VocabularyHead
from ladle_unsupervised.losses import nats_and_hits

SIZE = {"vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
MODELS = {
    "BertForMaskedLM": ("Bert", SIZE),
    "RobertaForMaskedLM": ("Roberta", SIZE),
    "DistilBertForMaskedLM": ("DistilBert", {"vocab_size": 40, "dim": 32, "n_layers": 2, "n_heads": 4}),
    "ModernBertForMaskedLM": ("ModernBert", SIZE | {"pad_token_id": 0}),
    "AlbertForMaskedLM": ("Albert", SIZE | {"embedding_size": 16}),
    "ElectraForMaskedLM": ("Electra", SIZE | {"embedding_size": 16}),
    "DebertaV2ForMaskedLM": ("DebertaV2", SIZE),
    "FunnelForMaskedLM": (
        "Funnel",
        {"vocab_size": 40, "d_model": 32, "n_head": 4, "d_head": 8, "d_inner": 64, "block_sizes": [1, 1]},
    ),
    "LlamaForCausalLM": ("Llama", SIZE),
    "GPT2LMHeadModel": ("GPT2", {"vocab_size": 40, "n_embd": 32, "n_layer": 2, "n_head": 4}),
    "OPTForCausalLM": ("OPT", SIZE | {"ffn_dim": 64, "word_embed_proj_dim": 32}),
    "Gemma2ForCausalLM": ("Gemma2", SIZE | {"num_key_value_heads": 2, "head_dim": 8}),  # bends its logits
    "MixtralForCausalLM": ("Mixtral", SIZE | {"num_key_value_heads": 2}),
}


class Blended(torch.nn.Module):
    """A model whose head looks at other places too."""

    def __init__(self) -> None:
        super().__init__()
        self.body = transformers.BertModel(transformers.BertConfig(**SIZE), add_pooling_layer=False)
        self.decoder = torch.nn.Linear(32, 40)

    def get_input_embeddings(self) -> torch.nn.Module:
        return self.body.get_input_embeddings()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> object:
        states = self.body(input_ids, attention_mask=attention_mask).last_hidden_state
        return transformers.modeling_outputs.MaskedLMOutput(logits=self.decoder(states.cumsum(1)))


def model_of(name: str) -> torch.nn.Module:
    torch.manual_seed(1)
    if name == "Blended":
        return Blended()
    config, options = MODELS[name]
    return getattr(transformers, name)(getattr(transformers, f"{config}Config")(**options))


def batch() -> tuple[dict, torch.Tensor]:
    torch.manual_seed(2)
    ids = torch.randint(5, 40, (3, 10))
    mask = torch.ones_like(ids)
    mask[1, 7:] = 0
    return {"input_ids": ids, "attention_mask": mask}, (torch.rand(3, 10) < 0.4) & mask.bool()


@pytest.mark.parametrize("name", [*MODELS, "Blended"])
def test_logits_and_gradients_are_those_of_the_whole_model_in_one_part_and_in_several(name, monkeypatch):
    model = model_of(name).eval()  # without dropout
    head = VocabularyHead(model)
    assert head.is_narrow == (name != "Blended")
    given, places = batch()
    with torch.no_grad():
        torch.testing.assert_close(head.at(model, given, places), forward(model, given).logits[places])
    wanted = given["input_ids"][places]
    seen: list[int] = []

    def work(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        seen.append(len(logits))
        return nats_and_hits(logits, tokens)

    whole = nats_and_hits(forward(model, given).logits[places], wanted)
    whole[:, 0].sum().backward()
    right = {parameter: p.grad.clone() for parameter, p in model.named_parameters() if p.grad is not None}
    for at_once in (2**27, 5 * 40):
        monkeypatch.setattr(heads, "AT_ONCE", at_once)
        model.zero_grad()
        found = head.each(model, given, places, wanted, work)
        torch.testing.assert_close(found, whole)
        found[:, 0].sum().backward()
        for parameter, gradient in right.items():
            found_there = model.get_parameter(parameter).grad
            torch.testing.assert_close(found_there, gradient, rtol=1e-4, atol=1e-6, msg=parameter)
    assert max(seen[1:]) == (5 if head.is_narrow else len(wanted))


def test_the_head_computes_no_more_places_than_are_chosen():
    model = model_of("BertForMaskedLM")
    head = VocabularyHead(model)
    sizes: list[int] = []
    model.cls.register_forward_hook(lambda _, given, output: sizes.append(output.shape[:-1].numel()))
    given, places = batch()
    head.at(model, given, places)
    assert sizes == [int(places.sum())]


@pytest.mark.parametrize("at_once", [2**27, 80])
def test_nothing_is_left_on_the_model(at_once, monkeypatch):
    monkeypatch.setattr(heads, "AT_ONCE", at_once)
    model = model_of("BertForMaskedLM").train()
    head = VocabularyHead(model)
    given, places = batch()
    before = [torch.random.get_rng_state()]
    VocabularyHead(model)
    assert torch.equal(before[0], torch.random.get_rng_state())

    def fails(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("told to fail")

    for work in (nats_and_hits, fails):
        if work is fails:
            with pytest.raises(RuntimeError, match="told to fail"):
                head.each(model, given, places, given["input_ids"][places], work)
        else:
            head.each(model, given, places, given["input_ids"][places], work).sum().backward()
        for module in model.modules():
            assert module.training
            assert not module._forward_hooks
            assert not module._forward_pre_hooks
            assert "forward" not in vars(module)
