"""From a recipe to a labelling that can begin: its labeler, the rows before it, in which order they come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ladle import Rows
from ladle.errors import Problem, RecipeError, did_you_mean
from ladle.graph import Stage, stages_of
from ladle.recipe import Recipe, load
from ladle.runner import is_done, run
from ladle.runs import Runs

from . import ordering
from .by_hand import ByHand
from .entered import Entered
from .ordering import Order
from .session import Session
from .table import RowTable

_CLUSTERS = range(20, 201)
"""How many clusters there are at least, and at most, where `enough` labels say how many."""


class Task:
    """The labelling that a stage of a recipe asks for. Raises LadleError if none does, or an earlier stage fails.

    With `is_ordered` false rows are not to be labelled one after another, and it does not matter which come first.
    """

    def __init__(
        self,
        path: Path,
        runs: Runs,
        settings: Sequence[str] = (),
        stage: str | None = None,
        annotator: str = "annotator",
        is_ordered: bool = True,
        tell: Callable[[str], None] = lambda line: None,
        listener: Callable[[dict[str, Any]], None] = lambda event: None,
    ) -> None:
        self.path = path
        self.runs = Runs(runs.root.absolute())
        self.annotator = annotator
        self._settings = settings
        self._wanted_stage = stage
        self._is_ordered = is_ordered
        self._tell = tell
        self._listener = listener
        self._opening = threading.Lock()
        self._open()

    @property
    def run_command(self) -> str:
        """What a person types to go on with the recipe."""
        return f"ladle run {self.path}"

    def _open(self) -> None:
        recipe, _ = load(self.path, settings=self._settings)
        stage = chosen_stage(stages_of(recipe, self.runs.store), self._wanted_stage)
        assert isinstance(stage.component, ByHand)
        self.recipe_name, self.stage_name, self.labeler = recipe.name, stage.name, stage.component
        self.entry = entry_of(recipe, stage.name.partition(".")[0])
        table = RowTable(brought(stage, recipe, self.runs, self._listener))
        self.session = Session(self.labeler, table, self._order(table, recipe))
        if self.session.found_again:
            self._tell(f"{self.session.found_again:,} labels are of rows that have changed, and were found again")
        if self._is_ordered and self.labeler.order in ("auto", "margin"):
            threading.Thread(target=self._ask_model, args=(recipe, self.session), daemon=True).start()

    def _order(self, table: RowTable, recipe: Recipe) -> Order:
        labeler = self.labeler
        if labeler.order == "given" or not self._is_ordered:
            return ordering.as_given(table)
        column = labeler.vectors or next(iter(table.types.of_type("vector")), None)
        if column is not None and labeler.order in ("auto", "centres"):
            count = min(max(labeler.enough, _CLUSTERS.start), _CLUSTERS.stop - 1)
            found = ordering.by_centres(table, column, count, recipe.seed)
            if found is not None:
                return found
        return ordering.drawn(table, recipe.seed)

    def _ask_model(self, recipe: Recipe, session: Session) -> None:
        """Let a model say which rows it is least sure of: that takes a while, and labelling does not wait for it."""
        from .models import model_for

        try:
            model = model_for(self.labeler.into, recipe, self.runs, session.table)
            found = model and ordering.by_margin(session.table, model.probabilities, recipe.seed, model.name)
        except Exception as error:  # whatever a model's code raises: rows then come as they did
            self._tell(f"no model could say which rows it is least sure of: {type(error).__name__}: {error}")
            return
        if found:
            session.order = found
            self._tell(f"rows come in this order: {found.how}")

    def enter(self, values: dict[str, Any], who: str) -> None:
        """Enter a row into the file of the data set's source. Raises EntryError."""
        if self.entry is None:
            raise ValueError("the data set has no source `entered`")
        self.entry.add(values, who)

    def refresh(self) -> None:
        """Bring in the rows that were entered: the stages before the labeler are worked out again."""
        with self._opening:
            before = self.session
            self._open()
            before.close()


def chosen_stage(stages: Sequence[Stage], name: str | None) -> Stage:
    """The stage of this name, or the only one, that asks for labels by hand. Raises RecipeError."""
    found = {stage.name: stage for stage in stages if isinstance(stage.component, ByHand)}
    names = ", ".join(found)
    if not found:
        help = 'add one: [[data.NAME.label]] with use = "by-hand"'
        raise RecipeError(Problem("no-stage", "no labeler of the recipe asks for labels by hand", help))
    if name is None and len(found) > 1:
        help = f"name one of them with --stage: {names}"
        raise RecipeError(Problem("no-stage", f"{len(found)} labelers of the recipe ask for labels by hand", help))
    if name is not None and name not in found:
        help = did_you_mean(name, list(found), "they are")
        raise RecipeError(Problem("no-stage", f"`{name}` is no labeler that asks for labels by hand", help))
    return found[name or next(iter(found))]


def entry_of(recipe: Recipe, data: str) -> Entered | None:
    """The source of a data set whose rows people enter, if it has one."""
    return next((used.component for used in recipe.data[data].sources if isinstance(used.component, Entered)), None)


def brought(stage: Stage, recipe: Recipe, runs: Runs, listener: Callable[[dict[str, Any]], None]) -> Rows:
    """The rows that a stage reads: the stages before it are worked out, if they are not."""
    for before in stage.rows:
        if not is_done(before, runs.store):
            run(recipe, runs, listener, until=before.name)
    return Rows.of_stages(runs.store.folder(before.key) for before in stage.rows)
