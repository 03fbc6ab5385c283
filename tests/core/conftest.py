"""A plugin of toys, installed as far as Python's metadata goes, recipes that use it, and the `ladle` command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ladle.cli.verbs import call as command_line
from ladle.errors import RecipeError
from ladle.recipe import load
from ladle.registry import Registry, installed
from ladle.runner import run
from ladle.runs import Runs

TOYS = Path(__file__).parent / "plugins" / "ladle_toys.py"


def _distribution(site: Path, package: str, module: str, version: str, editable: bool = False) -> None:
    """What pip would leave in `site` for a package with one plugin module."""
    about = site / f"{package.replace('-', '_')}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    (about / "entry_points.txt").write_text(f"[ladle]\n{package} = {module}\n")
    if editable:
        (about / "direct_url.json").write_text('{"url": "file:///src", "dir_info": {"editable": true}}')


@pytest.fixture(scope="session")
def toys(tmp_path_factory) -> Path:
    """A folder for sys.path in which the package `ladle-toys` is installed."""
    site = tmp_path_factory.mktemp("site")
    shutil.copy(TOYS, site)
    _distribution(site, "ladle-toys", "ladle_toys", "1.0")
    return site


@pytest.fixture(autouse=True)
def _toys_installed(toys, monkeypatch):
    monkeypatch.syspath_prepend(str(toys))
    installed.cache_clear()
    yield
    installed.cache_clear()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install one more plugin, from the source of its module."""
    site = tmp_path / "more-site"

    def write(package: str, source: str, version: str = "0.3", editable: bool = False) -> Path:
        site.mkdir(exist_ok=True)
        module = package.replace("-", "_")
        sys.modules.pop(module, None)
        (site / f"{module}.py").write_text(textwrap.dedent(source))
        _distribution(site, package, module, version, editable)
        monkeypatch.syspath_prepend(str(site))
        installed.cache_clear()
        return site

    return write


@pytest.fixture
def registry() -> Registry:
    """The core's own plugin and the toys, whatever else is installed."""
    everything = installed()
    plugins = [plugin for plugin in everything.plugins if plugin.name in ("ladle", "ladle-toys")]
    return Registry(plugins, [offer for offer in everything.offers if offer.plugin in plugins])


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A working folder with `rows.jsonl`: 40 rows with a text and a number."""
    here = tmp_path / "work"
    here.mkdir()
    monkeypatch.chdir(here)
    rows = [{"text": f"row {number}", "n": number} for number in range(40)]
    (here / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return here


SOURCE = """
[data.r.source]
use = "lines"
path = "rows.jsonl"
"""


@pytest.fixture
def recipe(folder):
    """Write a recipe; with `source`, the data set `r` of `rows.jsonl` comes first."""

    def write(text: str, name: str = "recipe.toml", source: bool = True) -> Path:
        path = folder / name
        path.write_bytes(((SOURCE.lstrip() if source else "") + textwrap.dedent(text)).encode())
        return path.relative_to(folder)

    return write


@pytest.fixture
def problems(recipe, registry):
    """The problems of a wrong recipe."""

    def find(text: str, source: bool = True) -> list[Any]:
        with pytest.raises(RecipeError) as caught:
            load(recipe(text, source=source), registry)
        return caught.value.problems

    return find


@pytest.fixture
def message(problems):
    """The whole message that the user of a wrong recipe sees, with a line end before it for the eye."""

    def render(text: str, source: bool = False) -> str:
        return "\n" + "\n".join(problem.render() for problem in problems(text, source)) + "\n"

    return render


class Done(NamedTuple):
    """A finished run and what was told of it."""

    run: Any
    events: list[dict[str, Any]]
    store: Any

    @property
    def outcome(self) -> dict[str, Any]:
        return self.run.outcome

    def status(self) -> dict[str, str]:
        return {stage["name"]: stage["status"] for stage in self.outcome["stages"]}

    def stage_folder(self, name: str) -> Path:
        return self.store.folder(next(s["key"] for s in self.run.lock["stages"] if s["name"] == name))

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The rows that a stage gave out, with the core's own columns."""
        from ladle.rows import Rows

        return [row for batch in Rows.of_stages([self.stage_folder(name)]).whole_batches() for row in batch.to_pylist()]

    def table(self, name: str, table: str) -> list[dict[str, Any]]:
        """The rejects or changes of a stage."""
        import pyarrow as pa

        with pa.OSFile(str(self.stage_folder(name) / f"{table}.arrow")) as file, pa.ipc.open_stream(file) as reader:
            return reader.read_all().to_pylist()


@pytest.fixture
def work(recipe):
    """Run a recipe's text; its run comes back."""

    def do(text: str, name: str = "recipe.toml", source: bool = True) -> Done:
        events: list[dict[str, Any]] = []
        runs = Runs(Path("runs"))
        return Done(run(load(recipe(text, name, source))[0], runs, events.append), events, runs.store)

    return do


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def ladle(monkeypatch, capsys):
    """The `ladle` command in this process."""

    def call(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["ladle", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            command_line()
        return Answer(caught.value.code or 0, *capsys.readouterr())

    return call


@pytest.fixture
def environment(toys) -> dict[str, str]:
    """The environment of a process that finds the toys."""
    return os.environ | {"PYTHONPATH": str(toys)}


@pytest.fixture
def script(environment):
    """The real console script in a process of its own."""

    def call(*arguments: str) -> Answer:
        command = [Path(sys.executable).with_name("ladle"), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        return Answer(done.returncode, done.stdout, done.stderr)

    return call
