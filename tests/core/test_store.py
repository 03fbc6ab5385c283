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


def made(store: Store) -> list[str]:
    """The files of the outcome of KEY, the store's list of them aside."""
    return sorted(path.name for path in store.folder(KEY).iterdir() if path.name != "files.json")


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
    assert made(store) == ["whole"]


def test_what_a_killed_maker_left_can_be_kept(store):
    _killed_at_work(store)
    with store.making(KEY, keep_unfinished=True) as folder:
        assert (folder / "part").read_text() == "half"


def test_a_maker_that_fails_leaves_no_outcome(store):
    with pytest.raises(ZeroDivisionError), store.making(KEY):
        raise ZeroDivisionError
    assert not store.holds(KEY)
    assert store.begun() == []
    with pytest.raises(ZeroDivisionError), store.making(KEY, keep_unfinished=True):
        raise ZeroDivisionError
    assert store.has_begun(KEY)


def _make(store: Store) -> None:
    with store.making(KEY) as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "rows").write_text("content")
        (folder / "note").write_text("more")


def _cut(path: Path) -> None:
    with path.open("r+") as file:
        file.truncate(3)


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / "note").unlink(),
        lambda folder: _cut(folder / "deep" / "rows"),
        lambda folder: (folder / "files.json").unlink(),
        lambda folder: _cut(folder / "files.json"),
        lambda folder: shutil.rmtree(folder / "deep"),
        shutil.rmtree,
    ],
)
def test_a_damaged_outcome_counts_as_absent_and_is_made_again(store, harm):
    _make(store)
    assert store.holds(KEY)
    harm(store.folder(KEY))
    assert not store.holds(KEY)
    _make(store)
    assert store.holds(KEY)
    assert made(store) == ["deep", "note"]
    assert store.gone() == store.begun() == []


def test_files_added_to_an_outcome_do_no_harm(store):
    _make(store)
    (store.folder(KEY) / "cache").touch()
    assert store.holds(KEY)


def test_who_waits_for_another_maker_is_told_so_once(store):
    child = _start(store, "time.sleep(0.5)\n(folder / 'whole').write_text('yes')")
    assert [child.stdout.readline(), child.stdout.readline()] == ["started\n", "making\n"]
    told = []
    with store.making(KEY, on_wait=lambda: told.append("waits")) as folder:
        assert folder is None
    assert told == ["waits"]
    with store.making(KEY, on_wait=lambda: told.append("waits")):
        pass
    assert (child.wait(10), told) == (0, ["waits"])


def test_a_maker_that_is_killed_does_not_block_who_waits(store):
    child = _start(store, "time.sleep(60)")
    assert [child.stdout.readline(), child.stdout.readline()] == ["started\n", "making\n"]
    with store.making(KEY, on_wait=child.kill) as folder:
        assert folder is not None
    assert child.wait(10) == -signal.SIGKILL
    assert store.holds(KEY)


def test_what_is_made_for_an_outcome_is_noted_with_it_before_and_after_it_is_whole(store):
    first, second = digest("first"), digest("second")
    with store.making(KEY):
        for kept in (first, second, first):
            with store.making(kept):
                assert kept in store.kept_for(KEY)
    assert store.kept_for(KEY) == {first, second}
    assert store.kept_for(first) == set()


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
    assert made(store) == ["new"]
    assert store.gone() == []
    with store.making(KEY, is_stale=lambda: False) as folder:
        assert folder is None


def test_json_files_are_whole_or_absent(tmp_path):
    path = tmp_path / "value.json"
    write_json(path, {"text": "früh"})
    with pytest.raises(TypeError):
        write_json(path, {"text": object()})
    path.with_name("folder").mkdir()
    with pytest.raises(OSError, match="folder"):  # it is written beside, and cannot be put in place
        write_json(path.with_name("folder"), {})
    path.with_name("folder").rmdir()
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


def test_a_store_that_may_not_be_written_still_hashes(tmp_path):
    (tmp_path / "file").write_text("content")
    assert Store(tmp_path / "file" / "store").hash_files([tmp_path / "file"]) == Store(tmp_path / "s").hash_files(
        [tmp_path / "file"]
    )


def test_a_damaged_hash_note_is_written_again(store, tmp_path):
    path = tmp_path / "a"
    path.write_text("content")
    right = store.hash_files([path])
    [note] = (store.root / "hashes").glob("*/*")
    note.write_text("")
    assert store.hash_files([path]) == right
    assert store.stale_hash_notes() == []


def test_notes_of_files_that_changed_or_are_gone_are_stale(store, tmp_path):
    kept, changed, gone = (tmp_path / name for name in "abc")
    for path in (kept, changed, gone):
        path.write_text(path.name)
        store.hash_files([path])
    changed.write_text("changed")
    gone.unlink()
    assert len(store.stale_hash_notes()) == 2
