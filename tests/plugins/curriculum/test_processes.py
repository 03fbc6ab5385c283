"""Several processes share the work of measuring losses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_each_process_measures_its_share_and_has_all_losses():
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    script = str(Path(__file__).with_name("processes.py"))
    done = subprocess.run([sys.executable, *launcher, script], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert f"losses {[float(number**2) for number in range(11)]} together 6" in done.stdout  # of 11
