"""Data files: CSV, JSON, JSON lines, Parquet, plain and tagged text; to read, and most of them to write."""

from __future__ import annotations

from ladle import hookimpl

__version__ = "0.1.0"


@hookimpl
def ladle_data_sources() -> dict[str, str]:
    return {
        "bio": "ladle_files.bio_source:Bio",
        "csv": "ladle_files.csv_source:Csv",
        "json": "ladle_files.json_source:Json",
        "jsonl": "ladle_files.jsonl_source:JsonLines",
        "parquet": "ladle_files.parquet_source:Parquet",
        "text": "ladle_files.text_source:Text",
    }


@hookimpl
def ladle_writers() -> dict[str, str]:
    return {
        "csv": "ladle_files.writers:CsvWriter",
        "json": "ladle_files.writers:JsonWriter",
        "jsonl": "ladle_files.writers:JsonLinesWriter",
        "parquet": "ladle_files.writers:ParquetWriter",
    }
