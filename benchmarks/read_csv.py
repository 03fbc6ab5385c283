"""How fast ladle reads CSV, and in how much memory, beside pyarrow's own reader and polars.

    python benchmarks/read_csv.py [--megabytes 200] [--bad 0.01] [--rounds 5]

One file is clean; of the other a share of the rows is bad in some way (fields too many or too few, values of another
type, bytes that are no text, quotes that nothing closes). The peers read the clean one alone: from the other they make
an error, or rows that it does not have. Every reading is a process of its own, those of one round follow each other.
What is reported is the median, by the clock and by the time of one core, and the highest peak of memory.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

HEADER = b"id,score,ok,when,kind,text\n"
WORDS = ["film", "quiet", "that", "stays", "with", "you", "for", "days", "two", "hours", "nobody", "gives", "Käse"]
TYPES = {"id": "integer", "score": "number", "ok": "boolean", "when": "time", "kind": "integer", "text": "text"}
PART = 20_000  # rows that are made, and written again and again


def row(number: int) -> str:
    """A row of a mixed table; every other text is quoted."""
    text = " ".join(random.choices(WORDS, k=random.randint(3, 15)))
    text = f'"{text}, and ""so"" on"' if number % 2 else text
    when = f"2024-{random.randint(1, 12):02}-{random.randint(1, 28):02}T{random.randint(0, 23):02}:30:15"
    return f"{number},{1000 * random.random():.4f},{random.choice(['true', 'false'])},{when},{number % 7},{text}"


SPOIL: list[Callable[[bytes], bytes]] = [
    lambda line: line + b",more",
    lambda line: line[:9],
    lambda line: b"x" + line,
    lambda line: line.replace(b",2024-", b",2o24-"),
    lambda line: line.replace(b"T", b" at "),
    lambda line: line + b"\xff",
    lambda line: line + b"\0",
    lambda line: line.replace(b",", b',"', 1),
]


def write(path: Path, size: int, bad: float) -> dict[str, int]:
    """Make a file of about `size` bytes; how many of its rows are good and bad."""
    random.seed(13)
    lines, spoilt = [], 0
    for number in range(PART):
        line = row(number).encode()
        if random.random() < bad:
            line, spoilt = SPOIL[number % len(SPOIL)](line), spoilt + 1
        lines.append(line)
    part = b"\n".join(lines) + b"\n"
    times = max(1, size // len(part))
    with path.open("wb") as file:
        file.write(HEADER)
        for _ in range(times):
            file.write(part)
    return {"rows": (PART - spoilt) * times, "rejects": spoilt * times}


def by_ladle(path: str) -> Iterator[tuple[str, int]]:
    from ladle import Reject
    from ladle_files.csv_source import Csv

    for item in Csv.model_validate({"path": path, "types": TYPES}).read():
        yield ("rejects", 1) if isinstance(item, Reject) else ("rows", item.num_rows)


def by_pyarrow(path: str) -> Iterator[tuple[str, int]]:
    from pyarrow import csv

    for batch in csv.open_csv(path):
        yield "rows", batch.num_rows


def by_polars(path: str) -> Iterator[tuple[str, int]]:
    import polars as pl

    yield "rows", pl.read_csv(path, try_parse_dates=True).height


READERS = {"ladle": by_ladle, "pyarrow": by_pyarrow, "polars": by_polars}


def read(reader: str, path: str) -> dict[str, float]:
    """Read a file to its end, when all is imported: counts, seconds and the peak of memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        tiny = Path(folder, "tiny.csv")
        tiny.write_bytes(HEADER + row(1).encode())
        list(READERS[reader](str(tiny)))
    counts = {"rows": 0, "rejects": 0}
    started, worked = time.perf_counter(), time.process_time()
    for what, count in READERS[reader](path):
        counts[what] += count
    seconds, cpu = time.perf_counter() - started, time.process_time() - worked
    unit = 1 if sys.platform == "darwin" else 1024
    return counts | {
        "seconds": seconds,
        "cpu": cpu,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6,
    }


def apart(reader: str, path: Path) -> dict[str, float]:
    """`read` in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--read", reader, str(path)], check=True, capture_output=True)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--bad", type=float, default=0.01, help="share of bad rows in the second file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--read", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        print(json.dumps(read(*options.read)))
        return
    with tempfile.TemporaryDirectory() as folder:
        clean, spoilt = Path(folder, "clean.csv"), Path(folder, "bad.csv")
        there = {clean: write(clean, 1_000_000 * options.megabytes, 0)}
        there[spoilt] = write(spoilt, 1_000_000 * options.megabytes, options.bad)
        peers = [reader for reader in READERS if reader == "ladle" or find_spec(reader)]
        jobs = [(reader, clean) for reader in peers] + [("ladle", spoilt)]
        found: dict[tuple[str, Path], list[dict[str, float]]] = {job: [] for job in jobs}
        for _ in range(options.rounds):
            for job in jobs:
                found[job].append(apart(*job))
                assert {what: found[job][-1][what] for what in there[job[1]]} == there[job[1]], "a row is missing"
        print(
            f"{options.megabytes} MB, {options.rounds} rounds; MB/s, those of one core, peak memory, ratio to pyarrow"
        )
        for (reader, path), readings in found.items():
            size = path.stat().st_size / 1e6
            wall, core = (statistics.median(size / one[time] for one in readings) for time in ("seconds", "cpu"))
            pairs = zip(found["pyarrow", clean], readings, strict=True)
            ratio = statistics.median(theirs["seconds"] / ours["seconds"] for theirs, ours in pairs)
            peak = max(one["peak"] for one in readings)
            counts = " ".join(f"{count:,} {what}" for what, count in there[path].items())
            print(f"{path.name:<9} {reader:<8} {wall:5.0f} {core:5.0f} MB/s {peak:5.0f} MB   {ratio:.2f}   {counts}")


if __name__ == "__main__":
    main()
