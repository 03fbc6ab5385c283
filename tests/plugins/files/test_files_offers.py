"""What the plugin offers, and how light it is."""

from __future__ import annotations

import subprocess
import sys


def test_components_load_and_texts_are_looked_into_without_heavy_imports(write):
    write("a.csv", "n,text\n1,x\n")
    write("a.jsonl", '{"n": 1}\n')
    write("a.json", '[{"n": 1}]\n')
    write("a.bio", "x O\n")
    folder = write("a.txt", "x\n").parent
    code = """
import sys
from ladle_files import bio_source, csv_source, json_source, jsonl_source, parquet_source, text_source, writers
peek = lambda source, name: source.model_validate({"path": f"{sys.argv[1]}/{name}"}).peek()
assert peek(csv_source.Csv, "a.csv") == {"n": "integer", "text": "text"}
assert peek(jsonl_source.JsonLines, "a.jsonl") == peek(json_source.Json, "a.json") == {"n": "integer"}
assert peek(text_source.Text, "a.txt") == {"text": "text"}
assert peek(bio_source.Bio, "a.bio") == {"tokens": "list", "tags": "list"}
sys.exit(bool({"numpy", "pyarrow", "polars", "pandas"} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code, str(folder)], check=False).returncode == 0
