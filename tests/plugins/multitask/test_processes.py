"""Two processes, with batches of different tasks, make the same steps as one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("processes.py")


def steps(start: Path, folder: Path, processes: int, accumulate: int, **options: object) -> list[dict[str, float]]:
    """The squared norms of the gradients of each part of the model in each step."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    given = (sys.executable, *launcher, SCRIPT, start, folder, 4, accumulate, json.dumps(options))
    done = subprocess.run(list(map(str, given)), capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line.removeprefix("norms ")) for line in done.stdout.splitlines() if line.startswith("norms ")]


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"balancing": "uncertainty"}, {"surgery": True}])
def test_steps_are_the_same_in_two_processes(saved, tmp_path, options):
    accumulate = 4 if options.get("surgery") else 2
    alone = steps(saved(), tmp_path / "alone", 1, accumulate, **options)
    together = steps(saved(), tmp_path / "together", 2, accumulate // 2 or 1, **options)
    assert len(alone) == len(together) == 20 // accumulate
    for one, two in zip(alone, together, strict=True):
        assert two.keys() == one.keys()  # heads without a row in any process rest in both
        assert two == pytest.approx(one, rel=1e-3, abs=1e-8)
    if not options.get("surgery"):
        assert {len(parts & {"task_sentiment", "task_score"}) for parts in map(set, alone)} == {1, 2}
