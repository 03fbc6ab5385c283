"""Full disks, folders that may only be read, files that vanish: one message, nothing half-made, and on it goes."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ladle.disk import disk_problem, size_text, telling_of_the_disk
from ladle.errors import LadleError, StageError
from ladle.events import EventLog
from ladle.runs import Runs

CLEAN = '[[data.r.clean]]\nuse = "shout"\n'
LADLE = str(Path(sys.executable).with_name("ladle"))


def in_a_small_disk(folder: Path, environment: dict[str, str], script: str) -> list[str]:
    """What a shell script prints for whom `runs` is a disk of 1 MB; `$ladle` is the command."""
    beginning = f'ladle="{LADLE}"; mkdir runs; mount -t tmpfs -o size=1m tmpfs runs || exit 77\n'
    if shutil.which("unshare") is None:
        pytest.skip("a disk of its own for a process needs `unshare`")
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", beginning + script],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode == 77 or "unshare failed" in done.stdout:
        pytest.skip(f"this machine gives no disk to a process: {done.stdout.strip()}")
    return done.stdout.splitlines()


@pytest.fixture
def large(folder):
    """`rows.jsonl` with about half a megabyte: the small disk holds its rows once."""
    rows = [{"text": f"row {number} " + "x" * 1000, "n": number} for number in range(600)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_full_disk_is_told_leaves_nothing_half_made_and_the_run_goes_on_when_there_is_room(
    large, folder, recipe, environment
):
    recipe(CLEAN)
    said = in_a_small_disk(
        folder,
        environment,
        """
        $ladle run recipe.toml; echo "exit $?"
        ls runs/.store/work | grep -v lock
        $ladle runs | cut -c -8
        mount -o remount,size=5m runs
        $ladle run recipe.toml; echo "exit $?"
        """,
    )
    first, second = said[: said.index("exit 1")], said[said.index("exit 1") + 1 :]
    assert first[0] == "recipe-1: 2 stages"
    assert first[1].split()[:3] == ["r.source", "(lines)", "600"]
    assert first[2].startswith("error: r.clean.1 (shout): no space left on device: runs/.store/work/")
    assert re.match(r"  help: \d+ B are free there: free more than \d+ kB, as much as was written before ", first[3])
    assert "`ladle store prune` removes what no run uses" in first[3]
    assert len(first) == 4
    assert second[:2] == ["recipe-1", "recipe-1: goes on; 1 of 2 stages are done"]
    assert second[2].endswith("done before")
    assert second[-1] == "exit 0"


def test_a_disk_that_is_full_before_anything_has_begun(folder, recipe, environment):
    recipe(CLEAN)
    said = in_a_small_disk(
        folder,
        environment,
        """
        dd if=/dev/zero of=runs/other bs=1M count=2 2> dd.txt
        $ladle run recipe.toml; echo "exit $?"
        ls -A runs
        rm runs/other
        $ladle run recipe.toml > said.txt 2>&1; echo "exit $?"
        """,
    )
    assert said[0].startswith("error: no space left on device: runs")
    assert (said[1][:8], said[2]) == ("  help: ", "exit 1")
    assert not [name for name in said[3:-1] if name.startswith(".new")]
    assert said[-1] == "exit 0"


def test_a_folder_that_may_only_be_read_serves_what_is_in_it_and_refuses_the_rest(folder, recipe, environment):
    recipe(CLEAN)
    recipe(CLEAN + CLEAN, "other.toml")
    said = in_a_small_disk(
        folder,
        environment,
        """
        $ladle run recipe.toml > said.txt 2>&1
        mount -o remount,ro runs
        $ladle run recipe.toml 2>&1 > /dev/null; echo "exit $?"
        $ladle run other.toml; echo "exit $?"
        $ladle store | wc -l
        $ladle store prune; echo "exit $?"
        """,
    )
    refused = [
        "error: read-only file system: runs/.store/.lock",
        "  help: let it be read and written, or choose another place (--runs for the folder of runs); then run again",
        "exit 1",
    ]
    assert said == ["recipe-1: nothing to be done, every stage is as it was", "exit 0", *refused, "5", *refused]


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
from pathlib import Path
from ladle.disk import disk_problem
path = Path("large")
try:
{work}
except Exception as error:
    print(disk_problem(error, Path("here")).message)
"""


@pytest.mark.parametrize(
    ("work", "said"),
    [
        ("path.write_text('x' * 200_000)", "file too large: here"),
        (
            "import pyarrow as pa; batch = pa.record_batch({'a': ['x' * 200_000]})\n"
            "with pa.ipc.new_stream(path, batch.schema) as to: to.write_batch(batch)",
            "file too large: here",
        ),
        ("import numpy; numpy.save(path, numpy.zeros(50_000))", "a file could not be written to its end: here"),
        ("import torch; torch.save(torch.zeros(50_000), path)", "a file could not be written to its end: here"),
        (
            "import torch; from safetensors.torch import save_file; save_file({'a': torch.zeros(50_000)}, path)",
            "file too large: here",
        ),
    ],
)
def test_however_a_library_says_that_the_disk_took_no_more(tmp_path, work, said):
    program = LIMITED.format(work="\n".join(f"    {line}" for line in work.splitlines()))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.returncode) == (f"{said}\n", 0), done.stderr


def test_an_event_that_the_disk_has_no_room_for_leaves_no_half_line(tmp_path):
    program = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
from pathlib import Path
from ladle.events import EventLog
log = EventLog(Path("events.jsonl"))
log({"event": "first"})
try:
    log({"event": "second", "text": "x" * 200})
except OSError as error:
    print(error.strerror)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "No space left on device\n", done.stderr
    EventLog(tmp_path / "events.jsonl")({"event": "third"})
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["first", "third"]


def test_an_outcome_that_vanishes_while_it_is_needed_is_worked_out_again_by_the_next_run(work, recipe, folder):
    work(CLEAN)

    class Lose:
        """Takes the rows of the source away when the second stage is about to read them."""

        def __call__(self, event: dict[str, Any]) -> None:
            if event["event"] == "stage-started" and event["stage"] == "r.clean.2":
                for rows in Path("runs/.store/stages").glob("*/*/rows-*.arrow"):
                    rows.unlink()

    from ladle.recipe import load
    from ladle.runner import run

    with pytest.raises(StageError) as caught:
        run(load(recipe(CLEAN + CLEAN))[0], Runs(Path("runs")), Lose())
    [problem] = caught.value.problems
    assert problem.message.startswith("r.clean.2 (shout): the outcome of r.clean.1 (shout) is gone, or damaged: runs/")
    assert problem.help == "run again: it is worked out again"
    again = work(CLEAN + CLEAN)
    assert set(again.status().values()) == {"done"}
    assert [row["text"] for row in again.rows("r.clean.2")] == [f"ROW {number}" for number in range(40)]


def test_a_file_of_the_recipes_own_that_vanishes(work, install, folder):
    install(
        "ladle-lost",
        """
        from ladle import DataSource, hookimpl

        class Lost(DataSource):
            "Read what is not there."

            def read(self):
                yield {"text": open("lost.txt").read()}

        @hookimpl
        def ladle_data_sources():
            return {"lost": Lost}
        """,
    )
    with pytest.raises(StageError) as caught:
        work('[data.r.source]\nuse = "lost"\n', source=False)
    assert str(caught.value) == (
        "error: r.source (lost): no such file or directory: lost.txt\n  help: is it the right name, and still there?"
    )


def test_a_report_that_could_not_be_written_is_written_by_the_next_run(work, monkeypatch):
    import ladle.report

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(ladle.report, "write_report", full)
        with pytest.raises(LadleError, match="no space left on device: runs"):
            work(CLEAN)
    again = work(CLEAN)
    assert (again.run.name, set(again.status().values())) == ("recipe-1", {"reused"})
    assert again.run.report.is_file()


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
        OSError("no model of that name"),
        ValueError("2 rows requested"),
        MemoryError(),
    ],
)
def test_what_no_disk_has_to_do_with_is_left_alone(error):
    assert disk_problem(error, Path("runs")) is None
    with pytest.raises(type(error)), telling_of_the_disk(Path("runs")):
        raise error


def _raised_after(number: int) -> ValueError:
    """An error from where another one, of the disk, was handled."""
    error = ValueError("no rows")
    error.__context__ = OSError(number, os.strerror(number))
    return error


def test_a_missing_file_that_was_made_up_for_is_no_reason_and_a_full_disk_always_is():
    assert disk_problem(_raised_after(errno.ENOENT), Path("runs")) is None
    problem = disk_problem(_raised_after(errno.ENOSPC), Path("runs"))
    assert problem is not None
    assert problem.message == "no space left on device: runs"


def test_arrow_tells_the_place_in_its_own_way():
    import pyarrow as pa

    with pytest.raises(LadleError) as caught, telling_of_the_disk(Path("runs")):
        pa.OSFile("runs/.store/stages/rows.arrow")
    assert str(caught.value) == (
        "error: no such file or directory: runs/.store/stages/rows.arrow\n"
        "  help: run again: what is gone is worked out again"
    )


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_960, "100 kB"), (1.5e9, "1.5 GB"), (3e15, "3000.0 TB")],
)
def test_sizes_are_told_in_the_unit_that_fits(size, text):
    assert size_text(size) == text
