"""Models of several tasks that have one body."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import PreTrainedModel

from ladle import OptionError
from ladle.training import forward

from .resting import with_zero_gradients
from .tasks import about


class MultiTaskModel(torch.nn.Module):
    """The models of several tasks around the body that they share.

    Its forward method goes to the model of a `task`, or to the body if none is named, and takes by name what any of
    them takes. Each parameter has one name, and one place in a state. While it is trained, parameters that have no part
    in what it gives for a task have a gradient of zeros: so every process has one for each, whichever task is its own.
    """

    def __init__(self, models: dict[str, PreTrainedModel], own: dict[str, set[str]], learns_weights: bool) -> None:
        super().__init__()
        self.body = next(iter(models.values())).base_model  # the first: what is shared is named after it
        for name, model in models.items():
            self.add_module(f"task_{name}", model)
        self.names = list(models)
        self.log_variances = torch.nn.ParameterList(torch.zeros(()) for _ in self.names if learns_weights)
        """log σ² of each task, where weights are learnt from uncertainty."""
        self._idle: dict[str, list[torch.nn.Parameter]] = {}
        self._own = own  # of each task the names of the body's parameters that its model came with
        self.register_state_dict_post_hook(_without_repetitions)
        self.register_load_state_dict_post_hook(_without_missing_repetitions)

    def of(self, task: str) -> Any:
        """The whole model of a task."""
        return getattr(self, f"task_{task}")

    def log_variance(self, task: str) -> torch.nn.Parameter:
        return self.log_variances[self.names.index(task)]

    def used_by(self, task: str) -> list[torch.nn.Parameter]:
        """The parameters that a task's loss depends on: not parts of the body that are there for other tasks."""
        foreign = {self.body.get_parameter(name) for name in self._foreign(task)}
        weights = [self.log_variance(task)] if len(self.log_variances) else []
        return [parameter for parameter in self.of(task).parameters() if parameter not in foreign] + weights

    def unused_by(self, task: str) -> list[torch.nn.Parameter]:
        """The parameters that a task's loss does not depend on."""
        used = set(self.used_by(task))
        return [parameter for parameter in self.parameters() if parameter not in used]

    def shared(self) -> list[torch.nn.Parameter]:
        """The parameters that the losses of two tasks or more depend on."""
        used = [set(self.used_by(task)) for task in self.names]
        return [p for p in self.parameters() if sum(p in of_task for of_task in used) > 1]

    def begin(self) -> None:
        """Give idle parameters gradients from now on; techniques have put into the model what is theirs."""
        self._idle = {task: [*self.unused_by(task), *self.log_variances] for task in self.names}

    def end(self) -> None:
        self._idle = {}

    def idle(self, task: str) -> list[torch.nn.Parameter]:
        """The trainable parameters that a loss of this task may leave without a gradient, while training goes on."""
        return [parameter for parameter in self._idle.get(task, ()) if parameter.requires_grad]

    def _given(self, task: str, output: Any) -> Any:
        """What the model of a task gives: with it all parameters have a part in the forward pass, as processes want."""
        if idle := self.idle(task) if torch.is_grad_enabled() else []:
            for name, value in output.items():
                if isinstance(value, torch.Tensor) and value.requires_grad:
                    output[name] = with_zero_gradients(value, idle)
        return output

    def _foreign(self, task: str) -> list[str]:
        """The parameters of the body that came with models of other tasks only: a pooler's."""
        came = set.union(*self._own.values())
        return [name for name, _ in self.body.named_parameters() if name in came - self._own[task]]

    @contextmanager
    def as_alone(self, task: str) -> Iterator[Any]:
        """The model of a task, without parts of the body that are there for other tasks."""
        parts = {name: getattr(self.body, name) for name in {n.partition(".")[0] for n in self._foreign(task)}}
        try:
            for name in parts:
                setattr(self.body, name, None)
            yield self.of(task)
        finally:
            for name, part in parts.items():
                setattr(self.body, name, part)

    # What techniques and loops ask of a model

    @property
    def config(self) -> Any:
        return self.body.config

    @property
    def base_model(self) -> PreTrainedModel:
        return self.body

    def get_input_embeddings(self) -> torch.nn.Module:
        return self.body.get_input_embeddings()

    def get_output_embeddings(self) -> torch.nn.Module | None:
        """The table that makes logits over a vocabulary, if a task has one."""
        return next(filter(None, (self.of(name).get_output_embeddings() for name in self.names)), None)

    def gradient_checkpointing_enable(self, **options: Any) -> None:
        self.body.gradient_checkpointing_enable(**options)


class OneTask:
    """What the trainer of a task is given as its model: calls go through the whole, which may be wrapped."""

    def __init__(self, whole: torch.nn.Module, module: torch.nn.Module, task: str) -> None:
        self.whole = whole
        self.module = module
        self.task = task

    def __call__(self, **inputs: Any) -> Any:
        return self.whole(task=self.task, **inputs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)


def joined(models: Iterable[tuple[str, Any]], learns_weights: bool) -> MultiTaskModel:
    """The models, by tasks, with one body in the place of theirs: the fullest, since some lack a pooler.

    Raises OptionError if a model is none of transformers', or has a body of another kind than those before.
    """
    found: dict[str, PreTrainedModel] = {}
    own: dict[str, set[str]] = {}
    body: PreTrainedModel | None = None
    for name, model in models:
        with about(name):
            there = _body_of(model)
            if body is not None:
                _check_alike(there, body)
        found[name], own[name] = model, {n for n, _ in there.named_parameters()}
        if body is None or own[name] > {n for n, _ in body.named_parameters()}:
            body = there
        found = {task: _around(body, other) for task, other in found.items()}  # at once, for the memory of the others
    return _class_for([*found.values(), body])(found, own, learns_weights)


def _body_of(model: torch.nn.Module) -> PreTrainedModel:
    """A model without its head; the whole of one that keeps its head and its body in one place, as T5 does."""
    if isinstance(model, PreTrainedModel):
        return model.base_model
    raise OptionError(
        f"{type(model).__name__} has no body apart from its head that other tasks could share",
        option="use",
        help="train the task in a stage of its own",
    )


def _around(body: PreTrainedModel, model: PreTrainedModel) -> PreTrainedModel:
    """A model with this body in the place of its own."""
    if model.base_model is model:
        return body
    setattr(model, model.base_model_prefix, body)
    model.tie_weights()
    return model


def _check_alike(body: PreTrainedModel, other: PreTrainedModel) -> None:
    """Raises OptionError unless all that one body has, beside a pooler, is in the other in the same shape."""
    shapes, others = ({n: p.shape for n, p in one.named_parameters()} for one in (body, other))
    kinds = {type(body).__name__, type(other).__name__}
    differing = [name for name in shapes.keys() & others.keys() if shapes[name] != others[name]]
    if len(kinds) == 1 and not differing and (shapes.keys() <= others.keys() or shapes.keys() >= others.keys()):
        return
    what = f"{differing[0]} has another shape" if differing else f"it is a {type(body).__name__} with other parts"
    raise OptionError(
        f"the body of this task's model is another than that of the tasks before it: {what}",
        option="use",
        help="train the task in a stage of its own",
    )


def _class_for(models: list[PreTrainedModel]) -> type[MultiTaskModel]:
    """A class whose forward method names what the models take: `ladle.training.forward` goes by that."""
    names = dict.fromkeys(name for model in models for name in inspect.signature(type(model).forward).parameters)
    kinds = inspect.Parameter

    def go(self: MultiTaskModel, task: str | None = None, **inputs: Any) -> Any:
        return forward(self.body, inputs) if task is None else self._given(task, forward(self.of(task), inputs))

    taken = [kinds(name, kinds.KEYWORD_ONLY, default=None) for name in names if name not in ("self", "task")]
    first = [kinds("self", kinds.POSITIONAL_OR_KEYWORD), kinds("task", kinds.POSITIONAL_OR_KEYWORD, default=None)]
    go.__signature__ = inspect.Signature([*first, *taken])  # type: ignore[attr-defined]
    return type("MultiTaskModel", (MultiTaskModel,), {"forward": go})


def _repetitions(model: torch.nn.Module) -> set[str]:
    """The further names of parameters and buffers that have several."""
    every = {n for n, _ in model.named_parameters(remove_duplicate=False)}
    every |= {n for n, _ in model.named_buffers(remove_duplicate=False)}
    return every - {n for n, _ in model.named_parameters()} - {n for n, _ in model.named_buffers()}


def _without_repetitions(model: torch.nn.Module, state: dict[str, Any], prefix: str, _metadata: Any) -> None:
    for name in _repetitions(model):
        state.pop(prefix + name, None)


def _without_missing_repetitions(model: torch.nn.Module, found: Any) -> None:
    repeated = _repetitions(model)
    found.missing_keys[:] = [name for name in found.missing_keys if name not in repeated]
