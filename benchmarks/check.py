"""How long `ladle check` takes on every shipped recipe, beside `python -c "import pydantic"`.

Both are whole processes, started in turns; what is reported is the median of the ratios.

    python benchmarks/check.py [--rounds 21]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.toml"))
PEER = [sys.executable, "-c", "import pydantic"]


def seconds(command: list[str]) -> float:
    """How long a process takes, from its start to its end."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--rounds", type=int, default=21)
    rounds = arguments.parse_args().rounds
    ladle = str(Path(sys.executable).with_name("ladle"))
    for recipe in RECIPES:
        command = [ladle, "check", str(recipe)]
        seconds(command), seconds(PEER)  # the first time, files come from the disk
        pairs = [(seconds(command), seconds(PEER)) for _ in range(rounds)]
        ratio = statistics.median(ours / peer for ours, peer in pairs)
        ours, peer = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{recipe.name:<24} {1000 * ours:6.0f} ms   import pydantic {1000 * peer:4.0f} ms   ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
