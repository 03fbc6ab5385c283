"""A plugin of tiny components, one or more of every kind: installed beside the real ones while core is tested."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import click
from pydantic import BaseModel, ConfigDict, Field

from ladle import (
    Changes,
    Cleaner,
    DataSource,
    FeatureExtractor,
    InputPath,
    Labeler,
    Makes,
    NotInKey,
    OptionError,
    OutputPath,
    Reads,
    Technique,
    Trainer,
    Writer,
    hookimpl,
)
from ladle.components import Component, RowWork
from ladle.hookspecs import hookspec
from ladle.options import DataName, ModelChoice, Uses


class Lines(DataSource):
    """Rows of a file of JSON lines."""

    path: InputPath = Field(description="The file to read.")
    peeks: bool = True
    threads: Annotated[int, NotInKey()] = Field(default=1, ge=1, le=8)

    def peek(self):
        if not self.peeks:
            return None
        first = json.loads(self.path.read_text().partition("\n")[0] or "{}")
        names = {str: "text", int: "integer", float: "number", bool: "boolean"}
        return {name: names.get(type(value), "any") for name, value in first.items()}

    def read(self):
        from ladle import Reject

        for number, line in enumerate(self.path.read_text().splitlines(), 1):
            try:
                yield json.loads(line)
            except ValueError:
                yield Reject("json", "this is no JSON", str(self.path), number, 0, line.encode())


class Folder(DataSource):
    """One row for each file of a folder."""

    path: InputPath

    def read(self):
        yield from ({"text": file.read_text()} for file in sorted(self.path.iterdir()))


class Shout(Cleaner):
    """Write a text column in capitals."""

    column: Annotated[str, Changes("text")] = "text"

    def clean_row(self, row):
        return row | {self.column: row[self.column].upper()}


class Drop(Cleaner):
    """Drop the rows with a word."""

    column: Annotated[str, Changes("text")] = "text"
    word: str

    def clean_row(self, row):
        from ladle import Reject

        return Reject("word", f"holds `{self.word}`", stays="another") if self.word in row[self.column] else row


class Centre(Cleaner):
    """Take the mean of the train split from a number."""

    column: str

    def columns_after(self, given):
        given.need(self.column, "number", option="column")
        return given.having(self.column, "number")

    def fit(self, train):
        values = [row[self.column] for row in train]
        return {"mean": sum(values) / len(values), "rows": len(values)}

    def clean_row(self, row):
        return row | {self.column: row[self.column] - self.state["mean"]}


class Bad(Cleaner):
    """Break a promise."""

    how: Literal[
        "lose", "invent", "fewer batches", "more batches", "text for number", "arrow types", "made", "left out",
        "far reject", "fraction", "crash", "option",
    ]  # fmt: skip

    def columns_after(self, given):
        given.need("text", option="how")
        return given.having("n", "number") if self.how in ("text for number", "arrow types") else given

    def clean_data(self, data):
        from ladle import Cleaned, Reject

        form = "arrow" if self.how == "arrow types" else "python"
        batches = list(data.batches(form))
        one = batches[0]
        if self.how == "crash":
            raise ZeroDivisionError("by zero")
        if self.how == "option":
            raise OptionError("the rows do not like it", option="how", help="say something else")
        if self.how == "fewer batches":
            return []
        if self.how == "more batches":
            return [*batches, one]
        if self.how == "arrow types":
            return [one.set_column(one.schema.get_field_index("n"), "n", one["text"])]
        if self.how == "far reject":
            return [Cleaned(one, {len(one["text"]): Reject("far", "away")})]
        changes = {
            "lose": {name: values[:-1] for name, values in one.items()},
            "invent": {name: [*values, values[-1]] for name, values in one.items()},
            "text for number": one | {"n": ["one"] * len(one["n"])},
            "fraction": one | {"n": [0.5] * len(one["n"])},
            "made": one | {"new": one["n"]},
            "left out": {name: values for name, values in one.items() if name != "n"},
        }
        return [changes[self.how]]


class Slow(Cleaner):
    """Say that it is at work, then sleep."""

    flag: OutputPath

    def clean_batch(self, batch):
        self.flag.write_text("at work")
        time.sleep(30)
        return batch


class Length(FeatureExtractor):
    """Count the characters of a text."""

    column: Annotated[str, Reads("text")] = "text"
    into: Annotated[str, Makes("integer")] = "length"

    def extract_row(self, row):
        return row | {self.into: len(row[self.column])}


class Band(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    label: str
    below: float


class Bands(Labeler):
    """Label a number by the first band that it is below."""

    column: Annotated[str, Reads("number")] = "n"
    into: Annotated[str, Makes("text")] = "label"
    bands: list[Band] = Field(min_length=1, description="What to call numbers below a limit.")

    def label_row(self, row):
        label = next((band.label for band in self.bands if row[self.column] < band.below), None)
        return row | {self.into: label}


class Wise(Labeler):
    """Label with a model."""

    start: ModelChoice = Field(alias="model")

    def columns_after(self, given):
        return given


class Asking(Labeler):
    """Label with what a trained model says."""

    asks = "model"

    start: ModelChoice = Field(alias="model")
    into: Annotated[str, Makes("number")] = "said"

    def label_data(self, data):
        from ladle import TrainedModel

        said = TrainedModel(self.start.fetch())(data)
        for batch in data.batches():
            yield batch | {self.into: [said[row]["twice"] if row in said else None for row in batch["_id"]]}


class Json(Writer):
    """Write JSON lines."""

    def write(self, data, path: Path):
        path.write_text("".join(json.dumps(row) + "\n" for row in data))


class Guess(Trainer):
    """A model of one number, which adds itself to a column."""

    offers = frozenset({"items", "labels"})

    target: Annotated[str | None, Reads("text")] = None
    column: Annotated[str, Reads("number")] = "n"
    epochs: float = Field(default=0, ge=0)

    def model(self):
        import torch

        self.setting.state["rows"] = self.setting.state.get("rows") or self.setting.splits["train"]
        return torch.nn.Linear(1, 1, bias=False)

    def dataset(self, split):
        return self.setting.rows(split)

    def batch(self, rows):
        import torch

        return {"x": torch.tensor([[float(row[self.column])] for row in rows]), "counts": {"rows": len(rows)}}

    def outputs(self, model, batch):
        return {"twice": batch["x"].squeeze(-1) * 2}

    def measure(self, outputs, dataset):
        from ladle.training.measured import Measured

        return Measured({"loss": float(outputs["twice"].mean()), "rows": len(dataset)})

    def baseline(self, train, test):
        return {"loss": 0.0}

    def present(self, outputs):
        return [{"twice": float(value), "seen": self.setting.state["rows"]} for value in outputs["twice"]]

    def save(self, model, folder):
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(b"")


class Topping(Component):
    """Something on top of a guess."""

    kind = "topping"

    column: Annotated[str, Reads("number")] = "n"
    times: float = Field(default=1.0, gt=0)


class Spice(Topping):
    """A topping from a file."""

    path: InputPath
    stirs: Annotated[int, NotInKey()] = 1


class Served(Guess):
    """A guess with toppings, the first of which multiplies it."""

    base: Annotated[Any, Uses("topping", default={"use": "sauce", "times": 3.0})] = None
    tops: Annotated[list[Any], Uses("topping", "list")] = []

    def present(self, outputs):
        return [{"served": float(value) * self.base.times, "tops": len(self.tops)} for value in outputs["twice"]]


class Teller(Guess):
    """A guess in words."""

    def present(self, outputs):
        return [{"text": f"about {value:.0f}", "parts": [{"of": 2}]} for value in outputs["twice"]]


class Meal(Guess):
    """Several guesses, with one column unless they say another."""

    data: DataName | None = None
    courses: Annotated[dict[str, Any], Uses("trainer", "names", given=("data", "column"))]


class Sort(Technique):
    """Decide the order of rows."""

    claims = frozenset({"order"})


class Mix(Technique):
    """Decide the order of rows, too."""

    claims = frozenset({"order"})


class Push(Technique):
    """Needs the embeddings of a model."""

    needs = frozenset({"embeddings"})


class Weigh(Technique):
    """Needs single items."""

    needs = frozenset({"items"})


class Pack(Technique):
    """Takes the single items away."""

    def takes(self):
        return frozenset({"items"})


class Rude(Cleaner):
    """Fails as soon as it is asked about its columns."""

    def columns_after(self, given):
        raise ZeroDivisionError("by zero")


class NoCleaner(RowWork):
    """Is offered as what it is not."""

    kind = "label"


@click.command()
@click.argument("name")
def greet(name):
    """Greet somebody."""
    click.echo(f"hello {name}")


@hookimpl
def ladle_data_sources():
    return {"lines": Lines, "folder": Folder}


@hookimpl
def ladle_cleaners():
    return {
        "shout": Shout,
        "drop": "ladle_toys:Drop",
        "centre": Centre,
        "bad": Bad,
        "slow": Slow,
        "rude": Rude,
        "liar": NoCleaner,
        "gone": "ladle_gone:Gone",
    }


@hookimpl
def ladle_feature_extractors():
    return {"count-characters": Length}


@hookimpl
def ladle_labelers():
    return {"bands": Bands, "wise": Wise, "asking": Asking}


@hookimpl
def ladle_writers():
    return {"toy-json": Json}


@hookimpl
def ladle_trainers():
    return {"guess": Guess, "served": Served, "meal": Meal, "teller": Teller}


@hookimpl
def ladle_techniques():
    return {"sort": Sort, "mix": Mix, "push": Push, "weigh": Weigh, "pack": Pack}


@hookspec
def ladle_toppings():
    """What goes on top."""


@hookimpl
def ladle_kinds():
    return {"topping": "ladle_toys:ladle_toppings"}


# marked as a plugin of another package would, by the name of the hook
@hookimpl(specname="ladle_toppings")
def toppings():
    return {"sauce": Topping, "spice": "ladle_toys:Spice"}


@hookimpl
def ladle_commands():
    return {"greet": greet, "lost": "ladle_gone:command"}
