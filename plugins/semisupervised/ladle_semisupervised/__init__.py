"""Learning from few labels and many rows without one."""

from __future__ import annotations

from ladle import hookimpl

__version__ = "0.1.0"


@hookimpl
def ladle_labelers() -> dict[str, str]:
    return {
        "self-training": "ladle_semisupervised.self_training:SelfTraining",
        "model-labels": "ladle_semisupervised.model_labels:ModelLabels",
        "label-propagation": "ladle_semisupervised.propagation:LabelPropagation",
    }


@hookimpl
def ladle_techniques() -> dict[str, str]:
    return {"consistency": "ladle_semisupervised.consistency:Consistency"}
