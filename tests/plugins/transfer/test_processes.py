"""Two processes make the same steps as one while layers join in."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("processes.py")


def run(start: Path, folder: Path, processes: int, *given: int | str) -> subprocess.CompletedProcess[str]:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    given = (sys.executable, *launcher, str(SCRIPT), str(start), str(folder), *map(str, given))
    return subprocess.run(given, capture_output=True, text=True, timeout=400, check=False)


def norms(done: subprocess.CompletedProcess[str]) -> list[tuple[int, float]]:
    """How many parameters had a gradient in each step, and the norm of all."""
    assert done.returncode == 0, done.stderr
    return [(int(count), float(norm)) for count, norm in re.findall(r"norm (\d+) ([\d.e-]+)", done.stdout)]


@pytest.mark.slow
def test_steps_are_the_same_in_two_processes(saved, tmp_path):
    start = saved("llama", head="ForCausalLM")
    alone = norms(run(start, tmp_path, 1, 8, 1))
    assert [count for count, _ in alone] == [4, 8, 12, 16]
    checkpointing = ("gradient_checkpointing", "ddp_find_unused_parameters")
    for arguments in ((), checkpointing):
        together = norms(run(start, tmp_path, 2, 2, 2, *arguments))
        assert [count for count, _ in together] == [4, 8, 12, 16]
        assert [norm for _, norm in together] == pytest.approx([norm for _, norm in alone], rel=1e-4)
    refused = run(start, tmp_path, 2, 2, 2, checkpointing[0])
    assert refused.returncode != 0
    assert "processes wait for the gradients of layers whose turn has not come" in refused.stderr
