"""Data files: CSV, JSON, JSON lines, Parquet, TFRecord, Excel and text; to read, and most of them to write."""

from __future__ import annotations

from ladle import hookimpl

__version__ = "0.1.0"


@hookimpl
def ladle_data_sources() -> dict[str, str]:
    return {
        "bio": "ladle_files.bio_source:Bio",
        "csv": "ladle_files.csv_source:Csv",
        "excel": "ladle_files.excel_source:Excel",
        "json": "ladle_files.json_source:Json",
        "jsonl": "ladle_files.jsonl_source:JsonLines",
        "parquet": "ladle_files.parquet_source:Parquet",
        "text": "ladle_files.text_source:Text",
        "tfrecord": "ladle_files.tfrecord_source:TfRecord",
    }


@hookimpl
def ladle_writers() -> dict[str, str]:
    return {
        "csv": "ladle_files.writers:CsvWriter",
        "json": "ladle_files.writers:JsonWriter",
        "jsonl": "ladle_files.writers:JsonLinesWriter",
        "parquet": "ladle_files.writers:ParquetWriter",
        "tfrecord": "ladle_files.tfrecord_writer:TfRecordWriter",
    }
