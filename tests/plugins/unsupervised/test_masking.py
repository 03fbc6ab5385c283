"""What is hidden, how much of it, and when it is the same."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ladle_unsupervised.masking import Masking

MASK = 4
SPECIAL = [0, 1, 2, 3, MASK]
VOCABULARY = 100


def masking(share: float = 0.15, kept: float = 0.1, changed: float = 0.1) -> Masking:
    return Masking(share, kept, changed, MASK, SPECIAL, VOCABULARY)


def tokens_of(count: int, lowest: int = 0) -> torch.Tensor:
    return torch.randint(lowest, VOCABULARY, (count,), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("share", "kept", "changed"), [(0.15, 0.1, 0.1), (0.4, 0, 0), (0.3, 0.5, 0.2), (0.2, 0, 1)])
def test_shares_are_as_they_were_asked_for(share, kept, changed):
    torch.manual_seed(0)
    tokens = tokens_of(200_000, lowest=5)
    hidden, labels = masking(share, kept, changed)(tokens)
    chosen = labels != -100
    assert torch.equal(labels[chosen], tokens[chosen])
    assert torch.equal(hidden[~chosen], tokens[~chosen])
    assert chosen.float().mean().item() == pytest.approx(share, abs=0.005)
    masks, same = hidden[chosen] == MASK, hidden[chosen] == tokens[chosen]
    others = 1 - 1 / (VOCABULARY - len(SPECIAL))  # of the tokens drawn, how many are others than before
    assert masks.float().mean().item() == pytest.approx(1 - kept - changed, abs=0.01)
    assert same.float().mean().item() == pytest.approx(kept + changed * (1 - others), abs=0.01)
    drawn = hidden[chosen][~masks & ~same]
    if changed:
        assert set(drawn.tolist()) == set(range(5, VOCABULARY))


def test_special_tokens_are_never_hidden_nor_drawn():
    torch.manual_seed(0)
    tokens = tokens_of(5000)
    hidden, labels = masking(share=1.0, kept=0, changed=0.5)(tokens)
    special = tokens < 5
    assert torch.equal(labels == -100, special)
    assert torch.equal(hidden[special], tokens[special])
    assert set(hidden[~special].tolist()) == {MASK, *range(5, VOCABULARY)}


@given(st.lists(st.integers(1, 5), min_size=1, max_size=40), st.integers(0, 2**31), st.floats(0.01, 1))
def test_words_are_hidden_whole_or_not_at_all(sizes, seed, share):
    torch.manual_seed(seed)
    words = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    _, labels = masking(share)(torch.full((len(words),), 7), words)
    chosen = labels != -100
    for word in range(len(sizes)):
        assert chosen[words == word].all() == chosen[words == word].any()


def test_as_many_words_as_tokens_are_hidden():
    torch.manual_seed(0)
    words = torch.arange(30_000) // 3
    _, labels = masking(0.15)(torch.full((30_000,), 7), words)
    assert (labels != -100).float().mean().item() == pytest.approx(0.15, abs=0.01)


@given(st.lists(st.integers(5, VOCABULARY - 1), min_size=1, max_size=30), st.integers(0, 2**31))
def test_what_is_fixed_depends_on_the_tokens_alone_and_hides_one_at_least(tokens, seed):
    first = masking().fixed(tokens)
    torch.manual_seed(seed)
    state = torch.random.get_rng_state()
    assert masking().fixed(tokens) == first
    assert torch.equal(torch.random.get_rng_state(), state)
    assert any(label != -100 for label in first["labels"])
    assert masking().fixed(tokens, [0] * len(tokens))["labels"] == tokens  # one word


def test_other_tokens_have_other_places_hidden():
    rows = [[5 + number, *range(20, 50)] for number in range(20)]
    assert len({tuple(label == -100 for label in masking().fixed(row)["labels"]) for row in rows}) > 10
