"""Rows in one sequence have the logits that each has alone, or they do not share a sequence."""

from __future__ import annotations

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from ladle.training import forward
from ladle.training.packing import Layout, Packs, layout_for, packs_of
from ladle.training.samplers import TokenBudget

VOCABULARY = 50
CAPACITY = 40
SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
WIDE = {"vocab_size": VOCABULARY, "max_position_embeddings": 64, **SIZE}
GROUPED = {**WIDE, "num_key_value_heads": 2}
WINDOW = {"sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"]}
MODELS = {
    "llama": ("Llama", WIDE, "positions"),
    "qwen2": ("Qwen2", GROUPED, "positions"),
    "qwen3": ("Qwen3", {**GROUPED, "head_dim": 8}, "positions"),
    "mistral": ("Mistral", {**GROUPED, "sliding_window": 4}, "positions"),
    "gemma3": ("Gemma3", {**GROUPED, "head_dim": 8, **WINDOW}, "positions"),
    "gpt2": (
        "GPT2",
        {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
        "positions",
    ),
    "opt": ("OPT", {**WIDE, "ffn_dim": 64, "word_embed_proj_dim": 32}, "mask"),
    "bert": ("Bert", WIDE, "mask"),
    "roberta": ("Roberta", {**WIDE, "pad_token_id": 1}, "mask"),
    "distilbert": (
        "DistilBert",
        {"vocab_size": VOCABULARY, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
        "mask",
    ),
}
ENCODERS = ("bert", "roberta", "distilbert")
NOT_EXACT = {
    "modernbert": ("ModernBert", {**WIDE, "local_attention": 8, "pad_token_id": 0}),  # a mask would undo its windows
    "bloom": ("Bloom", {"vocab_size": VOCABULARY, "hidden_size": 32, "n_layer": 2, "n_head": 4}),  # takes no positions
    "mamba": ("Mamba", {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 4}),
}
DROPOUTS = {"dropout", "hidden_dropout_prob", "attention_dropout", "attention_probs_dropout_prob"}
DROPOUTS |= {"embd_pdrop", "resid_pdrop", "attn_pdrop"}
CLASSES = {"GPT2": "GPT2LMHeadModel"}
CONFIGS = {"Gemma3": "Gemma3TextConfig"}


def model_of(name: str, options: dict, attention: str | None = None, dropout: float = 0.0) -> torch.nn.Module:
    torch.manual_seed(0)
    config = getattr(transformers, CONFIGS.get(name, f"{name}Config"))(**options)
    for option in DROPOUTS & set(vars(config)):
        setattr(config, option, dropout)
    if attention:
        config._attn_implementation = attention
    is_encoder = name in ("Bert", "Roberta", "DistilBert", "ModernBert")
    task = "MaskedLM" if is_encoder else "CausalLM"
    return getattr(transformers, CLASSES.get(name, f"{name}For{task}"))(config)


def made(kind: str, attention: str, dropout: float = 0.0) -> tuple[torch.nn.Module, Layout]:
    name, options, _ = MODELS[kind]
    model = model_of(name, options, attention, dropout)
    return model, layout_for(model, CAPACITY, is_causal=kind not in ENCODERS)


def rows_of(*lengths: int, seed: int = 1) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(5, VOCABULARY, (length,), generator=generator) for length in lengths]


def laid_out(layout: Layout, rows: list[torch.Tensor]) -> dict:
    return layout([len(row) for row in rows], input_ids=(torch.cat(rows), 0))


def logits_of(model: torch.nn.Module, layout: Layout, rows: list[torch.Tensor]) -> list[torch.Tensor]:
    batch = laid_out(layout, rows)
    logits = forward(model, batch).logits
    return [logits[batch["segments"] == number] for number in range(len(rows))]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("kind", MODELS)
def test_packed_rows_have_the_logits_of_each_row_alone(kind, attention, training):
    model, layout = made(kind, attention)
    model.train(training)
    by = MODELS[kind][2]
    assert layout.separation.by == (by if by == "positions" or attention == "sdpa" else "float-mask")
    rows = rows_of(7, 1, 19, 3, 40, 12, 2, 2, 30, 9)
    assert laid_out(layout, rows)["input_ids"].shape == (4, 40)
    with torch.no_grad():
        for row, found in zip(rows, logits_of(model, layout, rows), strict=True):
            alone = model(input_ids=row[None]).logits[0]
            assert (found - alone).abs().max() <= 1e-6 * alone.abs().max()


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("kind", ["llama", "gpt2", "qwen3", "opt", "bert", "roberta", "distilbert"])
def test_with_dropout_other_rows_of_a_sequence_change_not_a_bit_of_logits_and_gradients(kind, attention):
    model, layout = made(kind, attention, dropout=0.3)
    model.train()
    rows, others = rows_of(9, 14, 12), rows_of(9, 14, 12, seed=2)
    assert laid_out(layout, rows)["input_ids"].shape == (1, 35)
    embedded: list[torch.Tensor] = []
    model.get_input_embeddings().register_forward_hook(lambda _, given, output: embedded.append(output))
    found = []
    for beside in (rows, others):
        torch.manual_seed(5)
        _, logits, _ = logits_of(model, layout, [beside[0], rows[1], beside[2]])
        [gradient] = torch.autograd.grad(logits.square().sum(), embedded[-1])
        found.append((logits, gradient))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
    own = laid_out(layout, rows)["segments"] == 1
    assert found[0][1][own].any(-1).all()
    assert not found[0][1][~own].any()


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "roberta"])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_in_half_precision_rows_do_not_see_each_other_either(kind, attention):
    model, layout = made(kind, attention)
    rows, others = rows_of(9, 14, 12), rows_of(9, 14, 12, seed=2)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        _, one, _ = logits_of(model, layout, rows)
        _, same, _ = logits_of(model, layout, [others[0], rows[1], others[2]])
        alone = model(input_ids=rows[1][None]).logits[0]
    assert torch.equal(one, same)
    assert (one - alone).abs().max() < 0.02 * alone.abs().max()


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
def test_the_gradient_of_packed_rows_is_that_of_rows_alone(kind):
    model, layout = made(kind, "sdpa")
    rows = rows_of(7, 1, 19, 12, 30)
    gradients = []
    for form in (layout, Layout(CAPACITY, layout.is_causal)):
        model.zero_grad()
        sum(logits.square().sum() for logits in logits_of(model, form, rows)).backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    for packed, padded in zip(*gradients, strict=True):
        torch.testing.assert_close(packed, padded, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", NOT_EXACT)
def test_a_model_that_cannot_keep_rows_apart_gets_each_in_a_sequence_of_its_own(kind):
    name, options = NOT_EXACT[kind]
    model = model_of(name, options)
    layout = layout_for(model, CAPACITY, is_causal=kind != "modernbert")
    assert layout.separation is None
    assert isinstance(layout.sampler([3, 4], sequences=2, seed=0), TokenBudget)
    rows = rows_of(7, 12, 3)
    assert laid_out(layout, rows)["input_ids"].shape == (3, 12)
    model.eval()
    with torch.no_grad():
        for row, found in zip(rows, logits_of(model, layout, rows), strict=True):
            alone = model(input_ids=row[None]).logits[0]
            assert (found - alone).abs().max() <= 1e-5 * alone.abs().max()


def test_windows_that_no_row_is_longer_than_disturb_nothing():
    model = model_of("ModernBert", {**WIDE, "local_attention": 2 * CAPACITY, "pad_token_id": 0})
    assert layout_for(model, CAPACITY, is_causal=False).separation
    assert not layout_for(model, CAPACITY + 20, is_causal=False).separation


def test_trying_leaves_the_model_and_random_numbers_as_they_were():
    model = model_of("Bert", WIDE, dropout=0.1).train()
    before = [torch.random.get_rng_state(), *(p.clone() for p in model.parameters())]
    layout_for(model, CAPACITY, is_causal=False)
    assert all(map(torch.equal, before, [torch.random.get_rng_state(), *model.parameters()]))
    assert all(module.training for module in model.modules())
    assert all(p.grad is None for p in model.parameters())


def test_rows_are_laid_out_beside_and_after_each_other():
    _, layout = made("llama", "sdpa")
    ids = torch.arange(10, 10 + 22 + 3 + 30 + 5)
    batch = layout([22, 3, 30, 5], input_ids=(ids, 0), labels=(ids, -100))
    assert batch["segments"].tolist() == [[0] * 22 + [-1] * 16, [1] * 3 + [2] * 30 + [3] * 5]
    assert batch["input_ids"].tolist() == [[*range(10, 32)] + [0] * 16, [*range(32, 70)]]
    assert batch["labels"].tolist() == [[*range(10, 32)] + [-100] * 16, [*range(32, 70)]]
    assert batch["position_ids"].tolist() == [[*range(22), *range(16)], [*range(3), *range(30), *range(5)]]
    assert batch["use_cache"] is False
    assert "attention_mask" not in batch
    assert {name: int(count) for name, count in batch["counts"].items()} == {"rows": 4, "tokens": 60}


def test_padding_is_a_row_of_its_own():
    _, layout = made("roberta", "sdpa")
    batch = layout([20, 15, 12], input_ids=(torch.arange(47), 1))
    assert batch["segments"].tolist() == [[0] * 20 + [1] * 15, [2] * 12 + [-1] * 23]
    assert batch["input_ids"][1, 12:].tolist() == [1] * 23
    assert batch["position_ids"].tolist() == [[*range(2, 22), *range(2, 17)], [*range(2, 14), *range(2, 25)]]
    seen = batch["attention_mask"]
    assert seen.shape == (2, 1, 35, 35)
    assert torch.equal(seen[1, 0, 13], batch["segments"][1] == -1)
    assert torch.equal(seen[0, 0, 21], batch["segments"][0] == 1)


@pytest.mark.parametrize("lengths", [[40, 38, 39], [17]])
def test_rows_that_share_no_sequence_need_no_mask_but_for_padding(lengths):
    _, layout = made("bert", "sdpa")
    batch = layout(lengths, input_ids=(torch.ones(sum(lengths), dtype=torch.long), 0))
    assert "position_ids" not in batch
    if len(lengths) == 1:
        assert "attention_mask" not in batch
    else:
        assert batch["attention_mask"].sum(1).tolist() == lengths


rows_and_capacity = st.integers(1, 64).flatmap(
    lambda capacity: st.tuples(st.lists(st.integers(1, capacity), max_size=120), st.just(capacity))
)


@given(rows_and_capacity, st.data())
def test_packs_hold_every_row_once_and_rows_of_some_packs_make_as_many_again(given_rows, data):
    lengths, capacity = given_rows
    packs = packs_of(lengths, capacity)
    assert sorted(row for pack in packs for row in pack) == list(range(len(lengths)))
    totals = [sum(lengths[row] for row in pack) for pack in packs]
    assert all(total <= capacity for total in totals)
    assert sum(2 * total <= capacity for total in totals) <= 1
    chosen = [pack for pack in packs if data.draw(st.booleans())]
    rows = sorted(row for pack in chosen for row in pack)
    assert len(packs_of([lengths[row] for row in rows], capacity)) == len(chosen)


def test_a_row_longer_than_a_sequence_is_a_pack_of_its_own():
    assert packs_of([3, 50, 5, 20], 20) == [[0, 2], [1], [3]]


@given(rows_and_capacity, st.integers(1, 8), st.integers(0, 2**32), st.integers(0, 50))
def test_batches_of_packs_are_laid_out_in_as_many_sequences(given_rows, sequences, seed, epoch):
    lengths, capacity = given_rows
    sampler = Packs(lengths, capacity, sequences, seed)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert all(len(packs_of([lengths[row] for row in batch], capacity)) <= sequences for batch in batches)
    assert list(sampler) == batches


def test_packs_come_in_another_order_in_each_epoch_the_fullest_batch_first():
    lengths = [1 + number * 7 % 30 for number in range(300)]
    sampler = Packs(lengths, 32, 4, seed=0)
    orders = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        batches = list(sampler)
        orders.append(tuple(row for batch in batches for row in batch))
        tokens = [sum(lengths[row] for row in batch) for batch in batches]
        assert tokens[0] == max(tokens)
        assert sum(tokens) / (len(batches) * 4 * 32) > 0.95
    assert len(set(orders)) == 3
