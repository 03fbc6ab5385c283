"""What the plugin offers, and how light it is."""

from __future__ import annotations

import subprocess
import sys


def test_components_load_and_texts_are_looked_into_without_heavy_imports(write):
    write("a.csv", "n,text\n1,x\n")
    write("a.jsonl", '{"n": 1}\n')
    write("a.json", '[{"n": 1}]\n')
    write("a.bio", "x O\n")
    write("a.tfrecord", bytes.fromhex("0e00000000000000c5e5693f0a0c0a0a0a016e12051a030a010568edf922"))
    folder = write("a.txt", "x\n").parent
    code = """
import sys
from ladle_files import bio_source, csv_source, excel_source, json_source, jsonl_source, parquet_source, text_source
from ladle_files import tfrecord_source, tfrecord_writer, writers
peek = lambda source, name: source.model_validate({"path": f"{sys.argv[1]}/{name}"}).peek()
assert peek(csv_source.Csv, "a.csv") == {"n": "integer", "text": "text"}
assert peek(jsonl_source.JsonLines, "a.jsonl") == peek(json_source.Json, "a.json") == {"n": "integer"}
assert peek(text_source.Text, "a.txt") == {"text": "text"}
assert peek(bio_source.Bio, "a.bio") == {"tokens": "list", "tags": "list"}
assert not {"google.protobuf", "python_calamine"} & set(sys.modules)
assert peek(tfrecord_source.TfRecord, "a.tfrecord") == {"n": "integer"}
sys.exit(bool({"numpy", "pyarrow", "polars", "pandas"} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code, str(folder)], check=False).returncode == 0
