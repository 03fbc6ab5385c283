"""Two processes, in which the model is wrapped, make the same adversarial step as one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("processes.py")


def norms_of_steps(folder: Path, processes: int, batch_size: int, accumulate: int) -> list[float]:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    done = subprocess.run(
        [sys.executable, *launcher, str(SCRIPT), str(folder), str(batch_size), str(accumulate)],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [norms] = re.findall(r"norms (\[.*?\])", done.stdout)
    return json.loads(norms)


@pytest.mark.slow
def test_the_step_is_the_same_in_two_processes(tmp_path):
    alone = norms_of_steps(tmp_path, 1, batch_size=8, accumulate=1)
    assert len(alone) == 4
    assert norms_of_steps(tmp_path, 2, batch_size=2, accumulate=2) == pytest.approx(alone, rel=1e-4)
