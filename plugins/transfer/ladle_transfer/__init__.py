"""Transfer for ladle: going on from a pre-trained model."""

from __future__ import annotations

from ladle import hookimpl

__version__ = "0.1.0"


@hookimpl
def ladle_techniques() -> dict[str, str]:
    return {
        "layer-rates": "ladle_transfer.layer_rates:LayerRates",
        "lora": "ladle_transfer.lora:Lora",
        "transfer": "ladle_transfer.transfer:Transfer",
        "unfreeze": "ladle_transfer.unfreeze:Unfreeze",
    }
