"""A first recipe for a trainer: what it needs is read off its options, and where there are data, guessed from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..columns import Reads
from ..components import Component, DataSource
from ..errors import Problem, RecipeError
from ..options import DataReference, ModelChoice, marked
from ..recipe.model import Split
from ..registry import Offer, PluginError, Registry, UnknownUseError
from ..schema import option_schema, spellings
from .example import example, header, option, prose
from .look import LONG, Look, file_option, file_sources

_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
_TARGETS = ("label", "target", "class", "category", "outcome", "y")  # what a target is called most often


def fitting(task: str, registry: Registry) -> list[Offer]:
    """The trainers that a word means: the one of this name, or all that have the word in theirs. Raises RecipeError."""
    try:
        return [registry.find("trainer", task)]
    except UnknownUseError as error:
        if found := [offer for offer in registry.of_kind("trainer") if task in offer.use]:
            return found
        raise RecipeError(Problem("unknown-use", str(error), error.help)) from None


def settled(offers: list[Offer], look: Look, target: str | None) -> list[Offer]:
    """Of several trainers those for such data: with a column of long texts the ones that read texts.

    Those whose target would have a type that no column has are none of them.
    """
    has_texts = any(name != target and look.length(name) > LONG for name in look.columns.of_type("text"))
    readers = [(offer, _readers(_load(offer))) for offer in offers]
    return [
        offer
        for offer, reads in readers
        if _reads_texts(reads) == has_texts and ("target" not in reads or look.fitting(*reads["target"].types))
    ]


def draft(trainer: Offer, path: Path, registry: Registry, look: Look | None = None, target: str | None = None) -> str:
    """The text of a recipe at `path` that trains on the data of `look`, or on data that are still to come.

    Raises RecipeError if the data lack what the trainer needs, or there is no such `target`.
    """
    return _Draft(trainer, path, registry, look, target).text()


class _Draft:
    def __init__(self, offer: Offer, path: Path, registry: Registry, look: Look | None, target: str | None) -> None:
        self.offer = offer
        self.path = path
        self.registry = registry
        self.look = look
        self.trainer = _load(offer)
        self.readers = _readers(self.trainer)
        self.data = _data_name(look.path.stem) if look else "rows"
        self.counters = self._removable(target)
        self.values: dict[str, Any] = {}
        self.notes: dict[str, str] = {}
        self.target = self._choose_target(target)
        self._choose_columns()
        self._choose_models()

    def text(self) -> str:
        work = [*self._cleaners(), *self._extractors()]
        tables = [self._top(), self._source(), self._split(), *(table for table in work if table), self._train()]
        return "\n".join(tables)

    def _removable(self, target: str | None) -> list[str]:
        """Columns that number the rows, and so make no two of them equal: to remove, if a cleaner can do that."""
        found = [name for name in self.look.counters if name != target] if self.look else []
        return found if found and self._part("clean", "select", {"drop": found}) else []

    def _choose_target(self, wished: str | None) -> str | None:
        mark = self.readers.pop("target", None)
        if mark is None:
            if wished is not None:
                raise RecipeError(Problem("usage", f"`{self.offer.use}` has no target", "leave out --target"))
            return None
        about = self.trainer.model_fields["target"]
        found: Any
        if self.look is None:
            found = wished or about.default
        elif wished is not None:
            if error := self.look.unfit(wished, *mark.types):
                raise RecipeError(Problem(error.code, f"--target: {error}", error.help))
            found = wished
        elif found := self._guess_target(self.look, mark):
            self.notes["target"] = f"{about.description or ''} A guess: is it this one?".lstrip()
        elif about.default is not None:
            problem = f"no column of {self.look.path.name} looks like something to predict with `{self.offer.use}`"
            raise RecipeError(Problem("missing-column", problem, f"name it with --target; the columns are {self.look}"))
        if not isinstance(found, str):
            return None
        self.values["target"] = found
        return found

    def _guess_target(self, look: Look, mark: Reads) -> str | None:
        fits = [name for name in look.fitting(*mark.types) if name not in self.counters]
        for known in _TARGETS:
            for name in fits:
                if name.lower() == known:
                    return name
        likely = [n for n in fits if look.length(n) <= LONG and ("number" in mark.types or look.is_repeated(n))]
        return likely[-1] if likely else None  # in most tables the target comes last

    def _choose_columns(self) -> None:
        """For every other option that names a column, or has to, one that fits."""
        schema = option_schema(self.trainer)
        for name, mark in self.readers.items() if self.look else ():
            assert self.look is not None
            about = schema["properties"][name]
            default = about.get("default")
            if not isinstance(default, str) and name not in schema.get("required", ()):
                continue
            fits = [n for n in self.look.fitting(*mark.types) if n != self.target]
            fits = [n for n in fits if n not in self.counters] or fits
            if not fits:
                types = " or ".join(mark.types) or "any type"
                problem = f"`{self.offer.use}` needs a column of {types}, and {self.look.path.name} has none"
                raise RecipeError(Problem("missing-column", problem, f"its columns are {self.look}"))
            best = default if default in fits else max(fits, key=self.look.length)
            chosen = fits if about.get("type") == "array" else [best]
            self.counters = [n for n in self.counters if n not in chosen]
            self.values[name] = chosen if about.get("type") == "array" else best

    def _choose_models(self) -> None:
        for name, field in self.trainer.model_fields.items():
            if field.annotation is ModelChoice and field.is_required() and not field.examples:
                self.values[field.alias or name] = {"pretrained": _MODEL}
                self.notes[field.alias or name] = (
                    f"{field.description or ''} This one is small and knows English; it may also be a folder, or an "
                    "installed package."
                ).lstrip()

    def _top(self) -> str:
        what = f"Learns `{self.target}` with `{self.offer.use}`" if self.target else f"Trains `{self.offer.use}`"
        file = self.path.name
        lines = [
            *prose(f"{what}{f', from {self.look.path.name}' if self.look else ''}."),
            *prose(f"Look for mistakes with `ladle check {file}`, then train with `ladle run {file}`."),
            "#",
            *prose(
                "A line that begins with # and no space is an option with its default: take the # off to change it. "
                "`ladle plugins show NAME` tells more of what goes after `use`."
            ),
            *prose(
                "To have options completed in an editor, call `ladle schema --output ladle.schema.json` and begin this "
                "file with the line `#:schema ./ladle.schema.json`."
            ),
            "",
            *option("seed", 1, "Decides all that is left to chance."),
        ]
        return "\n".join(lines) + "\n"

    def _source(self) -> str:
        if self.look:
            columns = prose(f"The columns of {self.look.path.name} are {self.look}.")
            return "\n".join([*columns, self._table(self.look.offer, self.look.options)])
        offer, source = _first_source(self.registry)
        if not source.suffixes:
            return self._table(offer, {})
        file = file_option(source)
        note = "There is no such file yet: put your data there, or write here where they are."
        return self._table(offer, {file: f"rows{source.suffixes[0]}"}, {file: note})

    def _split(self) -> str:
        about = {name: field.description or "" for name, field in Split.model_fields.items()}
        lines = [
            header("split", self.data),
            *option("test", 0.2, about["test"]),
            *option("validation", 0.1, about["validation"], is_set=False),
            *option("by", self._texts, about["by"], is_set=bool(self._texts)),
        ]
        return "\n".join(lines) + "\n"

    def _cleaners(self) -> list[str | None]:
        return [
            self._part("clean", "select", {"drop": self.counters}) if self.counters else None,
            self._part("clean", "deduplicate", {"columns": self._texts} if self._texts else {}),
            self._part("clean", "fill-missing", {"strategy": "median", "columns": self._numbers})
            if self._numbers
            else None,
        ]

    def _extractors(self) -> list[str | None]:
        """Numbers and categories made ready for a trainer that learns from numbers."""
        return [
            self._part("extract", "scale", {"columns": self._numbers}) if self._numbers else None,
            self._part("extract", "one-hot", {"columns": self._categories}) if self._categories else None,
        ]

    @property
    def _texts(self) -> list[str]:
        """The columns that are read as texts."""
        return [
            self.values[name] for name, mark in self.readers.items() if "text" in mark.types and name in self.values
        ]

    @property
    def _numbers(self) -> list[str]:
        found = self.look.columns.of_type("integer", "number") if self.look and self._learns_numbers else []
        return [name for name in found if name != self.target and name not in self.counters]

    @property
    def _categories(self) -> list[str]:
        if not self.look or not self._learns_numbers:
            return []
        return [n for n in self.look.columns.of_type("text") if n != self.target and self.look.is_repeated(n)]

    @property
    def _learns_numbers(self) -> bool:
        return not _reads_texts(self.readers) and any("number" in mark.types for mark in self.readers.values())

    def _part(self, kind: str, use: str, values: Mapping[str, Any]) -> str | None:
        """The table of a component, if one of this name is installed that has these options."""
        try:
            offer = self.registry.find(kind, use)
            offer.load().model_validate(dict(values))
        except (UnknownUseError, PluginError, ValueError):
            return None
        return self._table(offer, values)

    def _train(self) -> str:
        return self._table(self.offer, self.values, self.notes)

    def _table(self, offer: Offer, values: Mapping[str, Any], notes: Mapping[str, str] | None = None) -> str:
        use = spellings(offer, self.registry)[0]
        return example(_load(offer), use, self.data, values, notes, is_short=True)


def _load(offer: Offer) -> type[Any]:
    try:
        return offer.load()
    except PluginError as error:
        raise RecipeError(Problem("plugin", str(error), "see `ladle plugins`")) from None


def _first_source(registry: Registry) -> tuple[Offer, type[DataSource]]:
    """A source to begin with: of files, or else whichever does not start from another data set."""
    for offer, source in file_sources(registry):
        return offer, source
    for offer in registry.of_kind("source"):
        source = _load(offer)
        if not any(marked(field.metadata, DataReference) for field in source.model_fields.values()):
            return offer, source
    raise RecipeError(Problem("no-source", "no data source is installed", "install a plugin that offers one"))


def _readers(component: type[Component]) -> dict[str, Reads]:
    """What each option reads that names columns."""
    return {
        field.alias or name: mark
        for name, field in component.model_fields.items()
        for mark in marked(field.metadata, Reads)
    }


def _reads_texts(readers: Mapping[str, Reads]) -> bool:
    return any("text" in mark.types for name, mark in readers.items() if name != "target")


def _data_name(stem: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-") or "rows"
