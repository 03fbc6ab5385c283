"""A causal language model at work: taught new tokens, asked for losses of answers, and for answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from ladle.training import forward

from .tokens import UNLEARNT


def grow(model: PreTrainedModel, tokens: Sequence[int], count: int) -> None:
    """Give the model a place for `count` tokens, of which the new `tokens` begin as the mean of those it knew.

    Starting from the mean, a new token moves no probability far from where it was (Hewitt 2021).
    """
    if not tokens:
        return
    before = model.get_input_embeddings().num_embeddings
    if count > before:
        model.resize_token_embeddings(count, mean_resizing=False)
    with torch.no_grad():
        for table in filter(None, (model.get_input_embeddings(), model.get_output_embeddings())):
            is_known = torch.arange(len(table.weight)) < before
            is_known[list(tokens)] = False
            table.weight[~is_known] = table.weight[is_known].mean(0)


def answer_losses(model: torch.nn.Module, batch: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """For each token to learn, in the order of rows and places, its cross-entropy and whether it is the likeliest.

    Both are [tokens]. `batch` has `input_ids` and `labels`, [sequences, length]; a token is told from those before it.
    Logits are worked out only where there is something to tell: over a large vocabulary they are most of what a small
    model keeps in memory.
    """
    places = to_tell(batch["labels"])
    with _head_sees(model, places):
        logits = forward(model, batch).logits
    logits = (logits if logits.ndim == 2 else logits[places]).float()
    wanted = batch["labels"].roll(-1, 1)[places]
    return F.cross_entropy(logits, wanted, reduction="none"), logits.argmax(-1) == wanted


def to_tell(labels: torch.Tensor) -> torch.Tensor:
    """The places [sequences, length] after which a token stands that is to be learnt."""
    return F.pad(labels[:, 1:] != UNLEARNT, (0, 1))


@contextmanager
def _head_sees(model: torch.nn.Module, places: torch.Tensor) -> Iterator[None]:
    """Within it the head gets the states at `places` ([sequences, length]) alone, [places, width]."""
    head = getattr(model, "module", model).get_output_embeddings()
    handle = head and head.register_forward_pre_hook(lambda _, given: (given[0][places], *given[1:]))
    try:
        yield
    finally:
        if handle:
            handle.remove()


def sums_of_answers(model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Of each row the sum of `loss` over the `tokens` of its answers, and how many are `right`: each [rows]."""
    losses, is_right = answer_losses(model, batch)
    row_of = batch["segments"][to_tell(batch["labels"])]
    rows = int(batch["counts"]["rows"])
    return {
        "loss": losses.new_zeros(rows).index_add(0, row_of, losses),
        "right": torch.bincount(row_of[is_right], minlength=rows),
        "tokens": torch.bincount(row_of, minlength=rows),
    }


def ends_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The tokens at which the model stops already: those of its configuration that the tokeniser knows as special."""
    stated = model.generation_config.eos_token_id
    stated = [stated] if isinstance(stated, int) else stated or []
    special = [number for number in stated if number in tokenizer.added_tokens_decoder]
    return sorted({*special, tokenizer.eos_token_id} - {None})


def decoding(
    tokenizer: PreTrainedTokenizerBase, ends: Sequence[int], new_tokens: int, temperature: float
) -> GenerationConfig:
    """How the model answers: up to one of the tokens `ends`, with the likeliest token or drawn by `temperature`."""
    drawn = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {"do_sample": False}
    return GenerationConfig(
        max_new_tokens=new_tokens,
        eos_token_id=list(ends),
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        **drawn,
    )


def answers(model: PreTrainedModel, batch: dict[str, Any], seed: int) -> torch.Tensor:
    """The tokens that the model answers to the `prompts` of the rows that are `asked`, as its generation_config has it.

    [rows, longest answer], with UNLEARNT from the end token of an answer on, and for rows that are not asked. `prompts`
    are [asked, length], padded at the left where `prompt_mask` is 0; there are none if no row is asked.
    """
    rows = int(batch["counts"]["rows"])
    if "prompts" not in batch:
        return batch["labels"].new_zeros(rows, 0)
    prompts = batch["prompts"]
    with torch.random.fork_rng([prompts.device] if prompts.is_cuda else []):  # training draws as if nobody had asked
        torch.manual_seed(seed)
        written = model.generate(prompts, attention_mask=batch["prompt_mask"])[:, prompts.shape[1] :]
    ends = torch.tensor(model.generation_config.eos_token_id, device=written.device)
    written = written.masked_fill(torch.isin(written, ends).cumsum(1) > 0, UNLEARNT)
    whole = written.new_full((rows, written.shape[1]), UNLEARNT)
    whole[batch["asked"]] = written
    return whole
