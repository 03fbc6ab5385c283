"""A causal language model at work on texts. Import this only where it is needed: it needs torch and transformers."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

from ladle.training import causal_model_from, choose_device, token_limit, tokenizer_from


class Surprise:
    """Tells how surprising texts are to the model of a folder in Hugging Face layout, which is loaded once.

    Raises OptionError if the model cannot be loaded, is no decoder, or reads less than `max_length` tokens.
    """

    def __init__(self, folder: Path, max_length: int | None, batch_size: int, device: str) -> None:
        self.tokenizer = tokenizer_from(folder)
        model, _ = causal_model_from(folder, help="name a decoder that has learnt to continue texts, such as GPT-2")
        self.device = torch.device(choose_device(device))
        self.model = model.to(self.device).eval()
        self.max_length = token_limit(model, self.tokenizer, max_length)
        self.batch_size = batch_size

    @torch.inference_mode()
    def perplexities(self, texts: list[str]) -> list[float | None]:
        """The perplexity of each text, by its tokens but the first; None for a text of less than two."""
        tokens = self._tokens(texts)
        places = sorted((at for at, ids in enumerate(tokens) if len(ids) > 1), key=lambda at: -len(tokens[at]))
        found: list[float | None] = [None] * len(texts)
        for start in range(0, len(places), self.batch_size):
            chosen = places[start : start + self.batch_size]
            for at, perplexity in zip(chosen, self._of([tokens[at] for at in chosen]), strict=True):
                found[at] = perplexity
        return found

    def _tokens(self, texts: list[str]) -> list[list[int]]:
        if not texts:
            return []
        return self.tokenizer(texts, truncation=True, max_length=self.max_length)["input_ids"]

    def _of(self, tokens: list[list[int]]) -> list[float]:
        ids = pad_sequence([torch.tensor(row) for row in tokens], batch_first=True).to(self.device)
        lengths = torch.tensor([len(row) for row in tokens])
        mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long().to(self.device)
        logits = self.model(input_ids=ids, attention_mask=mask).logits
        return [
            float(cross_entropy(row[: size - 1].float(), own[1:size]).exp())  # row by row: logits are large
            for row, own, size in zip(logits, ids, lengths.tolist(), strict=True)
        ]
