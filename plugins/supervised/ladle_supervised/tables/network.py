"""A small network over numbers, in Hugging Face layout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


class TabularConfig(PreTrainedConfig):
    """The configuration of a TabularNetwork.

    `columns` are those that the inputs come from; `mean` and `deviation` are those of the number to predict, which
    the network gives in units of its deviation.
    """

    model_type = "ladle-tabular"

    def __init__(
        self,
        inputs: int = 1,
        hidden: Sequence[int] = (),
        outputs: int = 1,
        columns: Sequence[str] = (),
        dropout: float = 0.0,
        mean: float = 0.0,
        deviation: float = 1.0,
        **options: Any,
    ) -> None:
        self.inputs = inputs
        self.hidden = list(hidden)
        self.outputs = outputs
        self.columns = list(columns)
        self.dropout = dropout
        self.mean = mean
        self.deviation = deviation
        super().__init__(**options)


class TabularNetwork(PreTrainedModel):
    """Fully connected layers with SiLU between them: features [rows, inputs] to logits [rows, outputs]."""

    config_class = TabularConfig
    base_model_prefix = "body"
    main_input_name = "features"

    def __init__(self, config: TabularConfig) -> None:
        super().__init__(config)
        layers: list[torch.nn.Module] = []
        width = config.inputs
        for size in config.hidden:
            layers += [torch.nn.Linear(width, size), torch.nn.SiLU(), torch.nn.Dropout(config.dropout)]
            width = size
        self.body = torch.nn.Sequential(*layers)
        self.head = torch.nn.Linear(width, config.outputs)
        self.post_init()

    def _init_weights(self, module: torch.nn.Module) -> None:
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
            torch.nn.init.zeros_(module.bias)

    def renew_head(self, outputs: int, **names: Any) -> None:
        """Start anew with the last layer, for other classes."""
        self.config.outputs = outputs
        self.config.update(names)
        self.head = torch.nn.Linear(self.head.in_features, outputs)
        self._init_weights(self.head)

    def set_dropout(self, share: float) -> None:
        """Leave out this share of hidden units in each step."""
        self.config.dropout = share
        for module in self.body:
            if isinstance(module, torch.nn.Dropout):
                module.p = share

    def forward(self, features: torch.Tensor) -> SequenceClassifierOutput:
        return SequenceClassifierOutput(logits=self.head(self.body(features)))


AutoConfig.register(TabularConfig.model_type, TabularConfig, exist_ok=True)
AutoModel.register(TabularConfig, TabularNetwork, exist_ok=True)
