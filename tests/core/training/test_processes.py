"""Two processes make the same step as one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("processes.py")


def norm_of_a_step(folder: Path, processes: int, batch_size: int, accumulate: int) -> float:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    done = subprocess.run(
        [sys.executable, *launcher, str(SCRIPT), str(folder), str(batch_size), str(accumulate)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [norm] = re.findall(r"norms \[([\d.]+)\]", done.stdout)
    return float(norm)


@pytest.mark.slow
def test_the_objective_is_the_same_in_two_processes(tmp_path):
    alone = norm_of_a_step(tmp_path, 1, batch_size=8, accumulate=1)
    assert norm_of_a_step(tmp_path, 2, batch_size=2, accumulate=2) == pytest.approx(alone, rel=1e-4)
