"""Two processes make the same step as one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("processes.py")


def norms(folder: Path, processes: int, batch_size: int, accumulate: int, epochs: int = 1) -> list[list[float]]:
    """The norms of gradients, step by step, of each training."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    given = map(str, (SCRIPT, folder, batch_size, accumulate, epochs))
    done = subprocess.run([sys.executable, *launcher, *given], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(found) for found in re.findall(r"norms (\[.*\])", done.stdout)]


@pytest.mark.slow
def test_the_objective_is_the_same_in_two_processes(tmp_path):
    [[alone]] = norms(tmp_path, 1, batch_size=8, accumulate=1)
    [[together]] = norms(tmp_path, 2, batch_size=2, accumulate=2)
    assert together == pytest.approx(alone, rel=1e-4)


@pytest.mark.slow
def test_two_processes_go_on_within_an_epoch_with_its_rows(tmp_path):
    whole, rest = norms(tmp_path, 2, batch_size=2, accumulate=1, epochs=3)
    assert len(whole) == 6
    assert len(set(whole)) == 6
    assert rest == pytest.approx(whole[3:], rel=1e-5)
