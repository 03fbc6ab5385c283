"""Outcomes are whole or absent, whoever dies or comes twice."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from ladle.store import Store, digest, read_json, write_json

KEY = digest("a key")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def _start(store: Store, body: str) -> subprocess.Popen:
    """A process that makes the outcome of KEY with `body`, and says so when it is at it."""
    program = f"""
from pathlib import Path
import sys, time
from ladle.store import Store
print("started", flush=True)
with Store(Path(sys.argv[1])).making({KEY!r}, keep_unfinished="keep" in sys.argv) as folder:
    print("found" if folder is None else "making", flush=True)
    if folder is not None:
        (folder / "part").write_text("half")
{textwrap.indent(textwrap.dedent(body), " " * 8)}
"""
    return subprocess.Popen([sys.executable, "-c", program, store.root], stdout=subprocess.PIPE, text=True)


def _killed_at_work(store: Store) -> None:
    child = _start(store, "time.sleep(60)")
    assert [child.stdout.readline(), child.stdout.readline()] == ["started\n", "making\n"]
    part = store.root / "work" / KEY / "part"
    while not part.exists() or part.read_text() != "half":
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait(10) == -signal.SIGKILL


def test_a_maker_that_is_killed_leaves_no_outcome_and_the_next_begins_anew(store):
    _killed_at_work(store)
    assert not store.holds(KEY)
    with store.making(KEY) as folder:
        assert list(folder.iterdir()) == []
        (folder / "whole").write_text("yes")
    assert [path.name for path in store.folder(KEY).iterdir()] == ["whole"]


def test_what_a_killed_maker_left_can_be_kept(store):
    _killed_at_work(store)
    with store.making(KEY, keep_unfinished=True) as folder:
        assert (folder / "part").read_text() == "half"


def test_a_maker_that_fails_leaves_no_outcome(store):
    with pytest.raises(ZeroDivisionError), store.making(KEY):
        raise ZeroDivisionError
    assert not store.holds(KEY)


def test_of_two_that_want_the_same_the_second_waits_and_finds_it(store):
    first = _start(store, "time.sleep(0.7)\n(folder / 'whole').write_text('yes')")
    assert [first.stdout.readline(), first.stdout.readline()] == ["started\n", "making\n"]
    second = _start(store, "raise SystemExit('made twice')")
    assert second.communicate(timeout=20)[0].split() == ["started", "found"]
    assert (first.wait(10), second.returncode) == (0, 0)
    assert (store.folder(KEY) / "whole").exists()


def test_a_stale_outcome_is_made_again(store):
    for content in ("old", "new"):
        with store.making(KEY, is_stale=lambda: True) as folder:
            (folder / content).touch()
    assert [path.name for path in store.folder(KEY).iterdir()] == ["new"]
    with store.making(KEY, is_stale=lambda: False) as folder:
        assert folder is None


def test_json_files_are_whole_or_absent(tmp_path):
    path = tmp_path / "value.json"
    write_json(path, {"text": "früh"})
    with pytest.raises(TypeError):
        write_json(path, {"text": object()})
    assert read_json(path) == {"text": "früh"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["value.json"]


def test_files_are_known_by_content_alone(store, tmp_path):
    one, folder = tmp_path / "one.txt", tmp_path / "folder"
    one.write_text("content")
    (folder / "deep").mkdir(parents=True)
    shutil.copy(one, folder / "deep" / "other.csv")
    os.utime(one, (1, 1))
    assert store.hash_files([one]) == store.hash_files([folder]) != store.hash_files([Path(__file__)])


def test_a_changed_file_has_another_hash_and_its_old_content_the_old_one(store, tmp_path):
    path = tmp_path / "a"
    hashes = []
    for content in ("first", "later", "first"):
        path.write_text(content)
        os.utime(path, ns=(1, len(hashes) + 1))
        hashes += store.hash_files([path])
    assert hashes[0] == hashes[2] != hashes[1]
    assert Store(store.root).hash_files([path]) == [hashes[0]]
