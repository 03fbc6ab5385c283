"""What a recipe's tables mean to each other: names, columns, and which techniques can meet."""

from __future__ import annotations

from collections.abc import Iterator

from ..columns import Columns
from ..components import DataSource, RowWork, Technique, Trainer
from ..errors import OptionError, did_you_mean
from ..registry import called
from .leaks import check_leaks
from .likely import check_samples
from .model import DataSet, Recipe, TrainStage, Used
from .pairs import check_pairs
from .problems import Problems
from .spans import Path as TomlPath
from .unusual import check_usual


def check(recipe: Recipe, problems: Problems) -> None:
    """Note everything that cannot work, and let the columns flow through the recipe."""
    complete = _check_names(recipe, problems)
    ordered = in_order(recipe.data) if complete else []
    for data_set in ordered:
        _check_models(data_set, recipe, problems)
        _flow(data_set, recipe, problems)
    for index, stage in enumerate(recipe.train):
        _check_start(stage, index, recipe, problems)
        _check_techniques(stage, problems)
        if complete:
            for used in stage.uses:
                _pass(used, recipe.data[stage.data_of(used)].columns.fresh(), problems)
            for used in stage.trainers:
                _check_splits(used, recipe.data[stage.data_of(used)], problems)
    check_usual(recipe, problems)
    if not any(problem.severity == "error" for problem in problems.found):  # from which more would seem to follow
        samples = check_samples(ordered, recipe, problems)
        check_leaks(recipe, samples, problems)
        check_pairs(recipe, problems)


def in_order(data: dict[str, DataSet]) -> list[DataSet]:
    """The data sets, each after those it starts from or reads."""
    ordered: list[DataSet] = []

    def visit(data_set: DataSet) -> None:
        if data_set in ordered:
            return
        for used in (*data_set.sources, *(used for _, used in data_set.work)):
            for _, name in used.component.data_names():
                visit(data[name])
        ordered.append(data_set)

    for data_set in data.values():
        visit(data_set)
    return ordered


def _trainer(stage: TrainStage) -> Trainer:
    assert isinstance(stage.trainer.component, Trainer)
    return stage.trainer.component


def _technique(used: Used) -> Technique:
    assert isinstance(used.component, Technique)
    return used.component


def _check_names(recipe: Recipe, problems: Problems) -> bool:
    """Whether every name of a data set means one, and no data set starts from itself."""
    complete = True
    for used in recipe.uses():
        for option, name in used.component.data_names():
            if name not in recipe.data:
                help = did_you_mean(name, list(recipe.data), "the data sets are")
                problems.add("unknown-data", f"no data set `{name}`", help, (*used.at, option), "value")
                complete = False
    return complete and not _has_cycle(recipe, problems)


def _has_cycle(recipe: Recipe, problems: Problems) -> bool:
    """Whether a data set needs itself, through others or through the models of train stages."""
    uses = {("data", name): [*one.sources, *(used for _, used in one.work)] for name, one in recipe.data.items()}
    uses |= {("train", stage.name): stage.uses for stage in recipe.train}
    whole: set[tuple[str, str]] = set()  # what leads to no cycle

    def needs(node: tuple[str, str]) -> Iterator[tuple[tuple[str, str], TomlPath]]:
        for used in uses.get(node, ()):
            for option, name in used.component.data_names():
                yield ("data", name), (*used.at, option)
            for option, choice in used.component.model_choices():
                if choice.stage:
                    yield ("train", choice.stage), (*used.at, option, "stage")

    def follow(node: tuple[str, str], way: list[tuple[str, str]]) -> bool:
        for start, at in needs(node) if node not in whole else ():
            if start in way:
                circle = [*way[way.index(start) :], start]
                names = " -> ".join(f"`{name}`" for _, name in circle)
                is_data = all(kind == "data" for kind, _ in circle)
                what = "data sets start from each other" if is_data else "these need each other"
                help = "let one of them start from a file" if start[0] == "data" else "use another model"
                problems.add("cycle", f"{what} in a circle: {names}", help, at, "value")
                return True
            if follow(start, [*way, start]):
                return True
        whole.add(node)
        return False

    return any(follow(("data", name), [("data", name)]) for name in recipe.data)


def _flow(data_set: DataSet, recipe: Recipe, problems: Problems) -> None:
    """Let the columns of a data set flow from its sources through its work."""
    found = [_peek(used, recipe, problems) for used in data_set.sources]
    given = _union(found)
    for used in data_set.sources:
        used.after = given
    if data_set.split:
        try:
            data_set.split.need_columns(given.fresh())
        except OptionError as error:
            problems.add_option_error(error, ("data", data_set.name, "split"))
    for position, (_, used) in enumerate(data_set.work):
        hints = _made_later(data_set, position, given)
        _check_asked(used, given.fresh(hints), recipe, problems)
        _check_beside(used, recipe, problems)
        given = _pass(used, given.fresh(hints), problems)


def _check_asked(used: Used, given: Columns, recipe: Recipe, problems: Problems) -> None:
    """Whether the columns are there that a model reads which a component asks for predictions."""
    component = used.component
    if not isinstance(component, RowWork) or component.asks is None:
        return
    for option, choice in component.model_choices():
        for stage in recipe.train if option == component.asks else ():
            if stage.name == choice.stage:
                try:
                    for name in sorted(reads_at_prediction(_trainer(stage))):
                        given.need(name, option=option)
                except OptionError as error:
                    problems.add_option_error(error, used.at)


def _check_beside(used: Used, recipe: Recipe, problems: Problems) -> None:
    """Whether the data sets that a component reads beside its own have the columns that it reads there."""
    component = used.component
    if isinstance(component, RowWork) and (names := [name for _, name in component.data_names()]):
        try:
            component.check_beside({name: recipe.data[name].columns.fresh() for name in names})
        except OptionError as error:
            problems.add_option_error(error, used.at)
        except Exception as error:
            problems.add_plugin_error(error, used.use, used.at)


def reads_at_prediction(trainer: Trainer) -> set[str]:
    """The columns that the model of a trainer is told things from: all that it reads but its target."""
    after = trainer.columns_after(Columns({}, known=False))
    return set(after.read) - {getattr(trainer, "target", None)}


def _peek(used: Used, recipe: Recipe, problems: Problems) -> Columns:
    source = used.component
    assert isinstance(source, DataSource)
    if names := [name for _, name in source.data_names()]:
        try:
            return source.columns_of({name: recipe.data[name].columns.fresh() for name in names})
        except OptionError as error:
            problems.add_option_error(error, used.at)
            return Columns({}, known=False)
    if recipe.is_offline:
        return Columns({}, known=False)
    try:
        types = source.peek()
    except OptionError as error:
        problems.add_option_error(error, used.at)
        types = None
    except OSError as error:
        problems.add("source", f"cannot look into the source: {error}", "", (*used.at, "use"), "value")
        types = None
    except Exception as error:
        problems.add_plugin_error(error, used.use, used.at)
        types = None
    return Columns(types or {}, known=types is not None)


def _union(found: list[Columns]) -> Columns:
    """The columns of sources read one after another; where types differ, any."""
    types = dict(found[0]) if found else {}
    for columns in found[1:]:
        for name, type_ in columns.items():
            types[name] = type_ if types.get(name, type_) == type_ else "any"
    return Columns(types, known=bool(found) and all(columns.known for columns in found))


def _made_later(data_set: DataSet, position: int, given: Columns) -> dict[str, str]:
    """For columns that a later part of the data set makes: the remedy for who wants them now."""
    hints: dict[str, str] = {}
    for step, used in data_set.work[position + 1 :]:
        everything = Columns({}, known=False)
        try:
            made = set(used.component.columns_after(everything)) - set(given)
        except Exception:  # is told when it is its turn
            continue
        hints |= dict.fromkeys(made, f"`{used.use}`, a {called(step)} of `{data_set.name}`, makes it only later")
    return hints


def _pass(used: Used, given: Columns, problems: Problems) -> Columns:
    try:
        used.after = used.component.columns_after(given)
    except OptionError as error:
        problems.add_option_error(error, used.at)
        used.after = _hoped(used, given)
    except Exception as error:
        problems.add_plugin_error(error, used.use, used.at)
        used.after = Columns(given, known=False)
    return used.after


def _hoped(used: Used, given: Columns) -> Columns:
    """The columns after a component that misses some, as if they were there: so that mistakes after it are found."""
    try:
        return Columns(used.component.columns_after(Columns(given, known=False)), known=given.known)
    except Exception:
        return Columns(given, known=False)


def _check_splits(used: Used, data_set: DataSet, problems: Problems) -> None:
    trainer = used.component
    assert isinstance(trainer, Trainer)
    if any(source.component.data_names() for source in data_set.sources):
        return  # splits may come with the rows of the data set that this one starts from
    splits = data_set.split.names if data_set.split else ["train"]
    if trainer.early_stopping and "validation" not in splits:
        problems.add(
            "no-validation",
            f"early stopping needs a validation split, and `{data_set.name}` has none",
            f"add `validation = 0.1` to [data.{data_set.name}.split]",
            (*used.at, "early_stopping"),
        )
    if "test" not in splits:
        problems.add(
            "no-test",
            f"`{data_set.name}` has no test split: the model will be trained but not measured",
            f"add `test = 0.2` to [data.{data_set.name}.split]",
            (*used.at, "data"),
            "value",
            severity="warning",
        )


def _check_models(data_set: DataSet, recipe: Recipe, problems: Problems) -> None:
    """Whether the models that the parts of a data set use are there; none of them can begin with nothing."""
    for used in (*data_set.sources, *(used for _, used in data_set.work)):
        for option, choice in used.component.model_choices():
            if choice.scratch is not None:
                message = "only a train stage can begin with a model that has learnt nothing"
                help = 'name one that has: model = { pretrained = "…" } or { stage = "…" }'
                problems.add("unknown-stage", message, help, (*used.at, option, "scratch"), "value")
            names = [stage.name for stage in recipe.train]
            if choice.stage is not None and choice.stage not in (*names, *recipe.faulty):
                help = did_you_mean(choice.stage, names, "the train stages are")
                message = f"no train stage `{choice.stage}`"
                problems.add("unknown-stage", message, help, (*used.at, option, "stage"), "value")


def _check_start(stage: TrainStage, index: int, recipe: Recipe, problems: Problems) -> None:
    """Whether the model that a stage starts from is made earlier."""
    names = [other.name for other in recipe.train]
    earlier, later = names[:index], names[index + 1 :]
    for used in stage.uses:
        for option, choice in used.component.model_choices():
            if option in used.given:  # told where it stands
                continue
            if choice.stage is not None and choice.stage not in earlier and choice.stage not in recipe.faulty:
                help = did_you_mean(choice.stage, earlier, "the earlier train stages are")
                if choice.stage in later:
                    help = f"`{choice.stage}` comes later: move its [[train]] table up, before this one"
                elif choice.stage == stage.name:
                    help = "a stage cannot start from itself"
                place = (*used.at, option, "stage")
                problems.add("unknown-stage", f"no earlier train stage `{choice.stage}`", help, place, "value")


def _check_techniques(stage: TrainStage, problems: Problems) -> None:
    """Whether the techniques of a stage can meet its trainer and each other."""
    claims = dict.fromkeys(_trainer(stage).claims, stage.trainer)
    for used in stage.techniques:
        technique = _technique(used)
        at = (*used.at, "use")
        try:
            technique.check_with(_trainer(stage))
            _trainer(stage).check_with(technique)
        except OptionError as error:
            problems.add_option_error(error, used.at)
        except Exception as error:
            problems.add_plugin_error(error, used.use, used.at)
        if missing := technique.needs - _trainer(stage).offers:
            problems.add(
                "technique",
                f"`{used.use}` needs {', '.join(sorted(missing))}, which `{stage.trainer.use}` does not offer",
                "leave the technique out, or use another trainer",
                at,
                "value",
            )
        for other in stage.techniques:
            if other is not used and (taken := technique.needs & _technique(other).takes()):
                problems.add(
                    "technique",
                    f"`{used.use}` needs {', '.join(sorted(taken))}, which `{other.use}` takes away as it is set",
                    f"change the options of `{other.use}`, or leave one of the two out",
                    at,
                    "value",
                )
        for claim in technique.claims:
            first = claims.setdefault(claim, used)
            if first is not used:
                line = problems.line_of((*first.at, "use"))
                message = f"`{used.use}` and `{first.use}` ({line}) both decide the {claim}"
                problems.add("technique", message, "keep one of the two", at, "value")
