"""An encoder with pooling of our choice and a linear head, in Hugging Face layout."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


class PooledClassifierConfig(PreTrainedConfig):
    """The configuration of a PooledClassifier: its encoder's, how tokens are pooled, and the classes."""

    model_type = "ladle-pooled-classifier"
    sub_configs = {"encoder": AutoConfig}

    def __init__(self, encoder: Any = None, pooling: str = "mean", dropout: float = 0.1, **options: Any) -> None:
        self.encoder = AutoConfig.for_model(**encoder) if isinstance(encoder, dict) else encoder
        self.pooling = pooling
        self.dropout = dropout
        super().__init__(**options)


class PooledClassifier(PreTrainedModel):
    """Classes, or a number, from the mean (or the first) of an encoder's last states, where no padding is."""

    config_class = PooledClassifierConfig
    base_model_prefix = "encoder"
    _supports_sdpa = True
    supports_gradient_checkpointing = True

    def __init__(self, config: PooledClassifierConfig, encoder: PreTrainedModel | None = None) -> None:
        super().__init__(config)
        self.encoder = AutoModel.from_config(config.encoder) if encoder is None else encoder
        self.encoder.pooler = None  # a pre-trained pooler has no part in this, and would stay without gradients
        self.dropout = torch.nn.Dropout(config.dropout)
        self.classifier = torch.nn.Linear(config.encoder.hidden_size, config.num_labels)
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> SequenceClassifierOutput:
        """Logits [rows, classes] of padded tokens [rows, length]; without a mask, no token is padding."""
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask, "inputs_embeds": inputs_embeds}
        if token_type_ids is not None:
            inputs["token_type_ids"] = token_type_ids
        states = self.encoder(**inputs).last_hidden_state
        logits = self.classifier(self.dropout(self._pool(states, attention_mask)))
        loss = None if labels is None else self._loss(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if self.config.num_labels == 1:
            return torch.nn.functional.mse_loss(logits.squeeze(-1), labels.to(logits.dtype))
        return torch.nn.functional.cross_entropy(logits, labels)

    def _pool(self, states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        if self.config.pooling == "first":
            return states[:, 0]
        if mask is None:
            return states.mean(1)
        weights = mask.unsqueeze(-1).to(states.dtype)
        return (states * weights).sum(1) / weights.sum(1).clamp(min=1)


AutoConfig.register(PooledClassifierConfig.model_type, PooledClassifierConfig, exist_ok=True)
AutoModelForSequenceClassification.register(PooledClassifierConfig, PooledClassifier, exist_ok=True)
