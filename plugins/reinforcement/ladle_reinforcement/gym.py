"""Tasks of Reasoning Gym (Stojanovski et al. 2025): made-up problems, each with a scorer of its own."""

from __future__ import annotations

import functools
import importlib.util
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator

from ladle import DataSource, OptionError, Reads
from ladle.errors import did_you_mean

from .reward import Prompt, Reward, Rows

if TYPE_CHECKING:
    from ladle.columns import ColumnType

_INSTALL = 'pip install "ladle-reinforcement[reasoning-gym]"'
_HASHED = {  # tasks that go over sets of texts, whose order Python draws anew each time it starts
    "isomorphic_strings",
    "knight_swap",
    "list_functions",
    "polynomial_multiplication",
    "ransom_note",
    "word_ladder",
}
_TUPLES = {"arc_agi", "rearc"}  # tasks whose scorers compare tuples with what JSON can only keep as lists
_NO_OPTION = re.compile(r"\w+\.__init__\(\) got an unexpected keyword argument")
_TASK = re.compile(r'^DATASET_NAME = "(\w+)"', re.MULTILINE)


class ReasoningGym(DataSource):
    """Made-up problems of a task of Reasoning Gym: rows of a `prompt`, an `answer` and `metadata`, all text.

    The metadata are JSON: what the reward `reasoning-gym` needs to score other answers than this one. It takes the
    package `reasoning-gym`, which is not installed by itself.
    """

    task: str = Field(description="The task, such as `chain_sum` or `sudoku`.")
    size: int = Field(default=500, gt=0, description="How many rows.")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Another number gives other rows.")
    options: dict[str, Any] = Field(default={}, description="Options of the task, passed on as they are.")

    @field_validator("task")
    @classmethod
    def _is_a_task(cls, task: str) -> str:
        if task not in (known := tasks()):
            raise OptionError(
                f"Reasoning Gym has no task `{task}`", help=did_you_mean(task, sorted(known), "there are")
            )
        if task in _HASHED and sys.flags.hash_randomization:
            raise OptionError(
                f"the problems of `{task}` would be others each time: they depend on numbers that Python draws anew "
                "whenever it starts",
                help="set the environment variable PYTHONHASHSEED=0, or name another task",
            )
        return task

    @field_validator("options")
    @classmethod
    def _not_said_twice(cls, options: dict[str, Any]) -> dict[str, Any]:
        for name in ("size", "seed"):
            if name in options:
                raise OptionError(f"`{name}` is an option of the source itself", help="write it outside `options`")
        return options

    def peek(self) -> Mapping[str, ColumnType]:
        return {"prompt": "text", "answer": "text", "metadata": "text"}

    def read(self) -> Iterator[dict[str, str | None]]:
        for entry in islice(self._dataset(), self.size):
            metadata = json.dumps(entry["metadata"], ensure_ascii=False)
            yield {"prompt": entry["question"], "answer": entry["answer"], "metadata": metadata}

    def _dataset(self) -> Any:
        create_dataset = _factory().create_dataset
        try:
            return create_dataset(self.task, size=self.size, seed=self.seed, **self.options)
        except (AssertionError, TypeError, ValueError) as error:  # what its configurations raise
            said = _NO_OPTION.sub("it knows no option", str(error))
            raise OptionError(f"`{self.task}`: {said}", option="options", help="see its documentation") from error


class GymScore(Reward):
    """What the scorer of a Reasoning Gym task gives an answer: from 0, wrong, to 1.

    Its rows come from the source `reasoning-gym`.
    """

    tells_right = True

    prompt: Annotated[str, Reads("text")] = Field(default="prompt", description="The column with the problems.")
    column: Annotated[str, Reads("text")] = Field(default="answer", description="The column with their answers.")
    metadata: Annotated[str, Reads("text")] = Field(
        default="metadata", description="The column with what the task knows of each problem, as JSON."
    )
    take: Literal["whole", "tag"] = Field(
        default="whole",
        description="What of an answer is scored: all of it, or what stands in the last `<answer>` tag.",
    )

    def called(self) -> str:
        return self.name or "reasoning-gym"

    def score(self, prompts: list[Prompt], answers: list[str], rows: Rows) -> list[float]:
        return [self._score(answer, row) for answer, row in zip(answers, rows, strict=True)]

    def _score(self, answer: str, row: dict[str, Any]) -> float:
        metadata = json.loads(row[self.metadata])
        task = metadata["source_dataset"]
        if task in _TUPLES:
            metadata = _as_tuples(metadata)
        entry = {"question": row[self.prompt], "answer": row[self.column], "metadata": metadata}
        if self.take == "tag":
            before, found, _ = answer.rpartition("</answer>")
            answer = before.rpartition("<answer>")[2] if found else ""
        try:
            return float(_scorer(task)(answer.strip(), entry))
        except Exception:  # some scorers fail at answers that are nothing like one
            return 0.0


def tasks() -> set[str]:
    """The names of all tasks, from the package's source, whose import takes seconds.

    Raises OptionError if it is not installed.
    """
    found = importlib.util.find_spec("reasoning_gym")
    if found is None or found.origin is None:
        raise _missing("reasoning_gym")
    files = Path(found.origin).parent.glob("*/**/*.py")
    return {name for file in files for name in _TASK.findall(file.read_text(encoding="utf-8"))}


def _factory() -> Any:
    try:
        from reasoning_gym import factory
    except ImportError as error:
        raise _missing(error.name or "reasoning_gym") from error
    return factory


@functools.cache
def _scorer(task: str) -> Callable[[str, dict[str, Any]], float]:
    return _factory().get_score_answer_fn(task)


def _missing(module: str) -> OptionError:
    return OptionError(
        f"the module `{module}`, which Reasoning Gym needs, is not installed", option="use", help=_INSTALL
    )


def _as_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _as_tuples(inner) for name, inner in value.items()}
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value
