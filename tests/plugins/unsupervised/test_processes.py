"""Two processes make the same step as one, whether the head runs at once or on one part after the other."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("processes.py")


def norm_of_a_step(start: Path, folder: Path, processes: int, *given: int) -> float:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    done = subprocess.run(
        [sys.executable, *launcher, str(SCRIPT), str(start), str(folder), *map(str, given)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [norm] = re.findall(r"norm ([\d.]+)", done.stdout)
    return float(norm)


@pytest.mark.slow
def test_the_objective_is_the_same_in_two_processes(saved, tmp_path):
    start = saved("gpt2", head=True)
    alone = norm_of_a_step(start, tmp_path, 1, 8, 1, 2**27)
    for at_once in (2**27, 290 * 5):
        assert norm_of_a_step(start, tmp_path, 2, 2, 2, at_once) == pytest.approx(alone, rel=1e-4)
