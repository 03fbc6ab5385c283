"""A small network over numbers, in Hugging Face layout."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


class TabularConfig(PreTrainedConfig):
    """The configuration of a TabularNetwork."""

    model_type = "ladle-tabular"

    def __init__(
        self, inputs: int = 1, hidden: Any = (), outputs: int = 1, dropout: float = 0.0, **options: Any
    ) -> None:
        self.inputs = inputs
        self.hidden = list(hidden)
        self.outputs = outputs
        self.dropout = dropout
        super().__init__(**options)


class TabularNetwork(PreTrainedModel):
    """Fully connected layers with SiLU between them: features [rows, inputs] to logits [rows, outputs]."""

    config_class = TabularConfig
    main_input_name = "features"

    def __init__(self, config: TabularConfig) -> None:
        super().__init__(config)
        layers: list[torch.nn.Module] = []
        width = config.inputs
        for size in config.hidden:
            layers += [torch.nn.Linear(width, size), torch.nn.SiLU(), torch.nn.Dropout(config.dropout)]
            width = size
        self.layers = torch.nn.Sequential(*layers, torch.nn.Linear(width, config.outputs))
        self.post_init()

    def _init_weights(self, module: torch.nn.Module) -> None:
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
            torch.nn.init.zeros_(module.bias)

    def forward(self, features: torch.Tensor) -> SequenceClassifierOutput:
        return SequenceClassifierOutput(logits=self.layers(features))


AutoConfig.register(TabularConfig.model_type, TabularConfig, exist_ok=True)
