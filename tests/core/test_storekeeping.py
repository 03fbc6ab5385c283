"""Who uses what the store holds; and that nothing goes that somebody needs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ladle.graph import stages_of
from ladle.recipe import load
from ladle.runs import Runs
from ladle.store import OUTCOME, Store, digest, write_json
from ladle.storekeeping import held_by, prune

CLEAN = '[[data.r.clean]]\nuse = "shout"\n'
DROP = '[[data.r.clean]]\nuse = "drop"\nword = "7"\n'
TRAIN = '[data.r.split]\ntime = "n"\ntest = 0.25\n[[train]]\nuse = "guess"\nname = "guess"\ndata = "r"\n'


@pytest.fixture
def runs(folder) -> Runs:
    return Runs(Path("runs"))


def stages(runs: Runs) -> dict[str, list[str]]:
    return {held.stage: held.runs for held in held_by(runs)}


def age(runs: Runs, seconds: float) -> None:
    """Let everything in the store have been used so long ago."""
    then = time.time() - seconds
    for path in runs.store.root.rglob("*"):
        os.utime(path, (then, then))


def begin(runs: Runs, key: str) -> None:
    """Leave unfinished work."""
    with pytest.raises(ZeroDivisionError), runs.store.making(key, keep_unfinished=True):
        raise ZeroDivisionError


def key_of(runs: Runs, run: str, stage: str) -> str:
    return next(entry["key"] for entry in runs.find(run).lock["stages"] if entry["name"] == stage)


def test_a_store_without_anything(runs):
    assert held_by(runs) == []
    assert prune(runs).held == []
    assert not runs.root.exists()


def test_what_is_held_says_what_it_is_and_who_uses_it(runs, work):
    started = time.time()
    work(CLEAN)
    work(CLEAN + DROP)
    found = {held.stage: held for held in held_by(runs)}
    assert {name: held.runs for name, held in found.items()} == {
        "r.source": ["recipe-2", "recipe-1"],
        "r.clean.1": ["recipe-2", "recipe-1"],
        "r.clean.2": ["recipe-2"],
    }
    dropped = found["r.clean.2"]
    assert (dropped.state, dropped.kind, dropped.use, dropped.rows) == ("whole", "clean", "drop", 36)
    files = [path for path in runs.store.folder(dropped.key).rglob("*") if path.is_file()]
    assert dropped.size == dropped.frees == sum(path.stat().st_size for path in files)
    assert started - 1 < dropped.last_used < time.time() + 1


def test_a_file_that_a_run_shares_frees_nothing(runs, work):
    run = work('[[data.r.clean]]\nuse = "centre"\ncolumn = "n"\n').run
    [held] = [held for held in held_by(runs) if held.stage == "r.clean.1"]
    state = (run.learnt("r.clean.1") / "state.json").stat()
    assert (state.st_nlink, held.size - held.frees) == (2, state.st_size)
    shutil.rmtree(run.folder)
    [held] = [held for held in held_by(runs) if held.stage == "r.clean.1"]
    assert held.size == held.frees


@pytest.mark.parametrize("again", [CLEAN, CLEAN + "# a comment"])
def test_being_asked_for_is_use(runs, work, again):
    work(CLEAN)
    age(runs, 1000)
    work(again)
    assert all(held.last_used > time.time() - 100 for held in held_by(runs))


def test_what_no_run_uses_goes_and_the_rest_stays(runs, work):
    first = work(CLEAN)
    work(DROP)
    shutil.rmtree(first.run.folder)
    would = prune(runs, dry_run=True)
    assert stages(runs).keys() == {"r.source", "r.clean.1"}
    assert len(held_by(runs)) == 3
    done = prune(runs)
    assert done == would
    assert [(held.stage, held.use) for held in done.held] == [("r.clean.1", "shout")]
    assert done.freed == done.held[0].frees > 0
    assert all(held.runs == ["recipe-1"] or held.runs == ["recipe-2"] for held in held_by(runs))
    assert work(DROP).events[0]["event"] == "nothing-to-do"
    assert runs.store.gone() == []
    assert prune(runs).held == []


def test_only_what_was_not_used_for_long_goes(runs, work):
    shutil.rmtree(work(CLEAN).run.folder)
    assert prune(runs, older_than=50).held == []
    age(runs, 100)
    assert len(prune(runs, older_than=50).held) == 2


def test_with_everything_the_models_of_runs_stay(runs, work):
    done = work(TRAIN)
    models = sorted(done.run.model("guess").iterdir())
    pruned = prune(runs, everything=True)
    assert {held.stage for held in pruned.held} == {"r.source", "r.split", "guess"}
    assert all(held.runs == ["recipe-1"] for held in pruned.held)
    assert held_by(runs) == []
    assert sorted(done.run.model("guess").iterdir()) == models
    assert done.run.is_finished
    assert set(work(TRAIN).status().values()) == {"done"}


def test_a_damaged_outcome_goes_whoever_uses_it(runs, work):
    done = work(CLEAN)
    (done.stage_folder("r.clean.1") / "rows-00000.arrow").unlink()
    [damaged] = [held for held in held_by(runs) if held.state == "damaged"]
    assert (damaged.stage, damaged.runs) == ("r.clean.1", [])
    assert [held.key for held in prune(runs).held] == [damaged.key]
    assert work(CLEAN).status() == {"r.source": "reused", "r.clean.1": "done"}


def test_unfinished_work_is_kept_for_the_run_that_may_go_on_with_it(runs, recipe, work):
    done = work(TRAIN)
    key = key_of(runs, "recipe-1", "guess")
    shutil.rmtree(runs.store.folder(key))
    begin(runs, key)
    begin(runs, digest("nobody's"))
    assert {(h.stage, tuple(h.runs)) for h in held_by(runs) if h.state == "unfinished"} == {("guess", ()), ("", ())}
    (done.run.folder / "outcome.json").unlink()
    [wanted] = [held for held in held_by(runs) if held.state == "unfinished" and held.runs]
    assert (wanted.key, wanted.stage, wanted.kind, wanted.use) == (key, "guess", "train", "guess")
    assert [held.key for held in prune(runs).held] == [digest("nobody's")]
    assert runs.store.has_begun(key)
    assert [held.key for held in prune(runs, everything=True).held if held.state == "unfinished"] == [key]


def _keep(store: Store, name: str) -> None:
    with store.making(digest(name)) as folder:
        write_json(folder / OUTCOME, {"stage": "guess", "kind": "kept", "use": name})


def test_what_a_training_keeps_lives_as_long_as_the_training(runs, work):
    done = work(TRAIN)
    key = key_of(runs, "recipe-1", "guess")
    store = runs.store
    with store.making(key, is_stale=lambda: True):
        _keep(store, "tokens")
    _keep(store, "of another training, long gone")
    kept = {held.use: held.runs for held in held_by(runs) if held.kind == "kept"}
    assert kept == {"tokens": ["recipe-1"], "of another training, long gone": []}
    assert [held.use for held in prune(runs).held] == ["of another training, long gone"]
    shutil.rmtree(done.run.folder)
    assert "tokens" in {held.use for held in prune(runs).held}


def test_what_a_run_at_work_needs_stays_in_any_case(runs, recipe, work):
    """Its stages, and what its training has come to keep; also while it is still being made."""
    work(TRAIN)
    loaded, _ = load(recipe(TRAIN + "# again"))
    key = key_of(runs, "recipe-1", "guess")
    store = runs.store
    with runs.at_work(loaded, stages_of(loaded, store)):
        with store.making(key, keep_unfinished=True, is_stale=lambda: True):
            _keep(store, "tokens")
            assert prune(runs, everything=True).held == []
        before = held_by(runs)
        assert prune(runs, everything=True).held == []
        assert held_by(runs) == before
    assert len(prune(runs, everything=True).held) == 4


def test_what_somebody_is_making_is_not_removed(runs):
    key = digest("made by hand")
    with runs.store.making(key) as folder:
        (folder / "half").touch()
        assert prune(runs, everything=True).held == []
        assert folder.exists()
    assert runs.store.holds(key)


def test_leftovers_of_the_dead_and_notes_of_files_that_are_gone_go_too(runs, work, folder):
    work(CLEAN)
    _keep(runs.store, "tokens")
    runs.store.put_away(runs.store.folder(digest("tokens")))
    (runs.root / ".new-recipe-9").mkdir()
    (folder / "rows.jsonl").unlink()
    done = prune(runs)
    assert (done.held, done.leftovers, done.hash_notes) == ([], 2, 1)
    assert done.freed > 0
    assert not list(runs.root.glob(".new*"))
    assert runs.store.gone() == runs.store.stale_hash_notes() == list(runs.store.work.glob("*.lock")) == []


def test_a_prune_that_is_killed_leaves_each_outcome_whole_or_absent(runs, folder, environment):
    for number in range(300):
        _keep(runs.store, str(number))
    child = subprocess.Popen([Path(sys.executable).with_name("ladle"), "store", "prune"], env=environment)
    while not runs.store.gone():
        time.sleep(0.001)
    child.kill()
    assert child.wait(10) == -signal.SIGKILL
    assert {held.state for held in held_by(runs)} <= {"whole"}
    prune(runs)
    assert held_by(runs) == runs.store.gone() == []


PAUSE = """
    import os, time
    from ladle import Cleaner, hookimpl

    class Pause(Cleaner):
        "Note that it works, then wait a while."

        def clean_batch(self, batch):
            with open("worked", "a") as file:
                file.write(f"{os.getpid()}\\n")
            time.sleep(float(os.environ["PAUSE"]))
            return batch

    @hookimpl
    def ladle_cleaners():
        return {"pause": Pause}
    """


@pytest.fixture
def start(folder, recipe, install, environment):
    """Start `ladle run` of one recipe in a process of its own; it pauses in its second stage."""
    site = install("ladle-pause", PAUSE)
    path = recipe('[[data.r.clean]]\nuse = "pause"\n')

    def run(pause: float) -> subprocess.Popen:
        env = environment | {"PYTHONPATH": f"{environment['PYTHONPATH']}{os.pathsep}{site}", "PAUSE": str(pause)}
        command = [Path(sys.executable).with_name("ladle"), "run", path, "--json"]
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return run


def _until(path: Path) -> None:
    while not path.exists():
        time.sleep(0.01)


def test_two_runs_at_once_work_each_stage_out_once_and_both_end(start, folder, runs):
    first = start(2.0)
    _until(folder / "worked")
    second = start(0.0)
    (out, _), (other, told) = (process.communicate(timeout=60) for process in (first, second))
    assert (first.returncode, second.returncode) == (0, 0)
    assert len((folder / "worked").read_text().splitlines()) == 1
    assert "  r.clean.1 (pause): waits for another run that is making it\n" in told
    done, reused = json.loads(out), json.loads(other)
    assert (done["run"], reused["run"]) == ("recipe-1", "recipe-2")
    assert [stage["status"] for stage in done["stages"]] == ["done", "done"]
    assert [stage["status"] for stage in reused["stages"]] == ["reused", "reused"]
    assert stages(runs) == {"r.source": ["recipe-2", "recipe-1"], "r.clean.1": ["recipe-2", "recipe-1"]}


def test_a_run_that_waits_for_one_that_is_killed_does_the_work_itself(start, folder):
    first = start(60.0)
    _until(folder / "worked")
    second = start(0.0)
    while "waits for another run" not in (line := second.stderr.readline()):
        assert line
    first.kill()
    out, _ = second.communicate(timeout=60)
    first.communicate(timeout=10)
    assert [stage["status"] for stage in json.loads(out)["stages"]] == ["reused", "done"]
    assert len((folder / "worked").read_text().splitlines()) == 2


def test_many_that_begin_at_once_get_runs_of_their_own(start, folder, runs):
    started = [start(0.0) for _ in range(4)]
    ended = [process.communicate(timeout=60) for process in started]
    assert [process.returncode for process in started] == [0] * 4, ended
    assert len((folder / "worked").read_text().splitlines()) == 1
    assert len({json.loads(out)["run"] for out, _ in ended}) == len(list(runs))
    assert {held.state for held in held_by(runs)} == {"whole"}
