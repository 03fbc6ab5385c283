"""A pre-trained encoder at work. Import this only where it is needed: it needs torch and transformers."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import normalize
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModel

from ladle.training import choose_device, model_from, token_limit, tokenizer_from

from . import sbert


class Encoder:
    """Turns texts into vectors with the model of a folder in Hugging Face layout, which is loaded once.

    Raises OptionError if the model cannot be loaded or does not go with the options.
    """

    def __init__(
        self,
        folder: Path,
        *,
        pooling: str = "auto",
        normalise: bool = True,
        max_length: int | None = None,
        precision: str = "auto",
        batch_size: int = 64,
        device: str = "auto",
    ) -> None:
        self.pooling = sbert.pooling_of(folder) if pooling == "auto" else pooling
        self.device = torch.device(choose_device(device))
        self.tokenizer, self.model = _load(folder)
        self.model.to(self.device).eval()
        self.max_length = token_limit(self.model, self.tokenizer, max_length, sbert.max_length_of(folder))
        self.normalise = normalise
        self.bfloat16 = precision == "bfloat16" or (
            precision == "auto" and self.device.type == "cuda" and torch.cuda.is_bf16_supported()
        )
        self.batch_size = batch_size

    @torch.inference_mode()
    def encode(self, texts: list[str]) -> np.ndarray:
        """The vectors of texts, float32 of shape (texts, hidden size); zeros for a text that has no token.

        The longest texts go first: texts of like length share a batch, so little is padded, and if memory is
        too small, it is so at once.
        """
        tokens = self._tokens(texts)
        order = sorted((place for place, ids in enumerate(tokens) if ids), key=lambda place: -len(tokens[place]))
        vectors = torch.zeros(len(texts), self.model.config.hidden_size, device=self.device)
        pieces = [
            self._vectors([tokens[place] for place in order[start : start + self.batch_size]])
            for start in range(0, len(order), self.batch_size)
        ]
        if pieces:
            vectors[order] = torch.cat(pieces)
        return vectors.cpu().numpy()

    def _tokens(self, texts: list[str]) -> list[list[int]]:
        if not texts:
            return []
        return self.tokenizer(
            texts,
            truncation=True,
            max_length=self.max_length,
            return_attention_mask=False,
            return_token_type_ids=False,
        )["input_ids"]

    def _vectors(self, tokens: list[list[int]]) -> torch.Tensor:
        padding = self.tokenizer.pad_token_id or 0
        ids = pad_sequence([torch.tensor(row) for row in tokens], batch_first=True, padding_value=padding)
        lengths = torch.tensor([len(row) for row in tokens])
        mask = torch.arange(ids.shape[1]) < lengths[:, None]
        ids, mask = ids.to(self.device), mask.to(self.device)
        with self._precision():
            hidden = self.model(input_ids=ids, attention_mask=mask.long()).last_hidden_state.float()
        if self.pooling == "cls":
            vectors = hidden[:, 0]
        else:
            vectors = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return normalize(vectors) if self.normalise else vectors

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)


def _load(folder: Path) -> tuple[Any, Any]:
    tokenizer = tokenizer_from(folder)
    model, _ = model_from(AutoModel, folder)
    return tokenizer, model.get_encoder() if model.config.is_encoder_decoder else model
