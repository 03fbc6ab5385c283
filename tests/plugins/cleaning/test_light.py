"""The check of a recipe loads no large library for its cleaners."""

from __future__ import annotations

import subprocess
import sys

HEAVY = "pyarrow polars numpy pandas scipy sklearn torch transformers datasets rapidfuzz ftfy selectolax py3langid"

IMPORT = """
import sys
from ladle_cleaning import ladle_cleaners
from ladle.registry import load_target
for target in ladle_cleaners().values():
    load_target(target).model_json_schema()
print(*[name for name in sys.argv[1:] if name in sys.modules])
"""


def test_naming_a_cleaner_imports_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", IMPORT, *HEAVY.split()], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
