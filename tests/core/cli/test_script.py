"""The console script in processes of its own: exit codes, signals, and what it does not import."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HEAVY = ("torch", "transformers", "datasets", "pandas", "sklearn")


def test_run_and_check(script, recipe):
    path = str(recipe('[[data.r.clean]]\nuse = "shout"\n'))
    assert script("run", path, "--json").json["status"] == "done"
    again = script("run", path)
    assert (again.code, again.err) == (0, "recipe-1: nothing to be done, every stage is as it was\n")
    wrong = script("check", str(recipe("[[data.r.clean]]\nuse = 'shuot'\n", "wrong.toml")))
    assert wrong.code == 2
    assert wrong.err.splitlines()[0] == "wrong.toml:5:7: error: unknown cleaner `shuot`"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_exit_code_130_and_a_run_that_goes_on(number, folder, recipe, environment, script):
    path = recipe('[[data.r.clean]]\nuse = "slow"\nflag = "flag"\n')
    command = [Path(sys.executable).with_name("ladle"), "run", path]
    child = subprocess.Popen(
        command,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        # what runs in the background ignores the signal, and so would its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    while not (folder / "flag").exists():
        assert child.poll() is None
        time.sleep(0.02)
    child.send_signal(number)
    _, err = child.communicate(timeout=20)
    assert child.returncode == 130
    assert err.endswith("interrupted: run the same command again to go on\n")
    assert "Traceback" not in err
    outcome = json.loads((folder / "runs" / "recipe-1" / "outcome.json").read_text())
    assert (outcome["status"], [stage["status"] for stage in outcome["stages"]]) == ("interrupted", ["done", "failed"])
    assert script("runs", "--json").json[0]["status"] == "interrupted"


@pytest.mark.parametrize("arguments", [["--help"], ["check", "recipe.toml"], ["plugins"]])
def test_light_verbs_import_nothing_heavy(environment, recipe, arguments):
    recipe('[[data.r.clean]]\nuse = "shout"\n[[train]]\nuse = "guess"\ndata = "r"\n')
    done = subprocess.run(
        [Path(sys.executable).with_name("ladle"), *arguments],
        env=environment | {"PYTHONPROFILEIMPORTTIME": "1"},  # tells every import on stderr
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "ladle.cli" in imported
    assert imported.isdisjoint(HEAVY)


def test_a_reader_that_goes_away_gets_no_traceback(environment, folder):
    ladle = Path(sys.executable).with_name("ladle")
    verb = subprocess.Popen([ladle, "schema"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    verb.stdout.close()
    assert verb.stderr.read() == b""
    assert verb.wait(timeout=60) == 1


def test_an_unchanged_recipe_runs_again_without_reading_rows(environment, recipe, script):
    path = recipe('[[data.r.clean]]\nuse = "shout"\n')
    assert script("run", str(path)).code == 0
    program = f"""
import sys
from ladle.cli import main
sys.argv = ["ladle", "run", {str(path)!r}]
try:
    main()
except SystemExit as done:
    assert not done.code
assert "pyarrow" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], env=environment, timeout=60, check=True)
    assert sorted(path.name for path in Path("runs").iterdir()) == [".store", "recipe-1"]
