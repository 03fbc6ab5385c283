"""Real processes killed at random moments: the same command always goes on, to the same result to the last bit.

By hand with more moments: `LADLE_KILLS=40 python -m pytest tests/recipes/test_kills.py`.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ladle.runs import Runs

KILLS = int(os.environ.get("LADLE_KILLS", "5"))
VOCABULARY = "[PAD] [UNK] [CLS] [SEP] a the film is good bad fine awful plot and dull very new end of day"
WORDS = VOCABULARY.split()

RECIPE = """
name = "everything"
seed = 3

[data.reviews]
source = { use = "csv", path = "reviews.csv" }
split = { test = 0.2, validation = 0.2 }
clean = [{ use = "standardise", columns = ["text"] }, { use = "deduplicate", columns = ["text"] }]
extract = [{ use = "text-statistics", column = "text" }, { use = "scale", columns = ["stars"] }]

[[data.reviews.label]]
use = "ranges"
column = "score"
into = "opinion"
ranges = [{ label = "low", below = 5 }, { label = "high", at_least = 5 }]

[[data.reviews.write]]
use = "parquet"
path = "out/reviews.parquet"

[[train]]
name = "text"
use = "text-classification"
data = "reviews"
target = "opinion"
model = { pretrained = "bert" }
epochs = 8
batch_size = 8
learning_rate = 1e-3
early_stopping = 3

[[train.technique]]
use = "transfer"
freeze = 1

[[train]]
name = "again"
use = "text-classification"
data = "reviews"
target = "opinion"
model = { stage = "text" }
epochs = 1.5
batch_size = 4
accumulate = 2
learning_rate = 1e-3

[[train]]
name = "table"
use = "tabular-regression"
data = "reviews"
target = "score"
epochs = 4
batch_size = 32
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The recipe, its data, and a tiny model with dropout."""
    chance = random.Random(0)
    lines = ["text,stars,score"]
    for _ in range(1000):
        words = chance.choices(WORDS[4:], k=chance.randint(3, 12))
        score = 5 + 2 * (("good" in words) + ("fine" in words) - ("bad" in words) - ("awful" in words))
        lines.append(f"{' '.join(words)},{score + chance.random():.3f},{max(0, min(9, score))}")
    (tmp_path / "reviews.csv").write_text("\n".join(lines))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    _tiny_bert(tmp_path / "bert")
    return tmp_path


def _tiny_bert(folder: Path) -> None:
    import tokenizers
    import torch
    import transformers

    folder.mkdir()
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
    )
    transformers.BertModel(config).save_pretrained(folder)


def _start(folder: Path, runs: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [Path(sys.executable).with_name("ladle"), "run", "recipe.toml", "--runs", runs],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )


def _result(folder: Path, runs: str) -> dict[str, Any]:
    """Everything a run made that does not tell the time: files by content, metrics, rows of every stage."""
    [run] = Runs(folder / runs)
    models = {
        str(path.relative_to(run.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((run.folder / "models").rglob("*"))
        if path.is_file()
    }
    outcome = run.outcome
    rows = {s["name"]: (s["rows_in"], s["rows_out"], s["rejects"]) for s in outcome["stages"]}
    metrics = {
        name: {split: found for split, found in of_stage.items() if split != "training"}
        for name, of_stage in outcome["metrics"].items()
    }
    written = hashlib.sha256((folder / "out" / "reviews.parquet").read_bytes()).hexdigest()
    return {"status": outcome["status"], "models": models, "rows": rows, "metrics": metrics, "written": written}


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_as_one_that_was_not(folder):
    started = time.monotonic()
    whole = _start(folder, "whole")
    said, _ = whole.communicate()
    assert whole.returncode == 0, said
    seconds = time.monotonic() - started
    wanted = _result(folder, "whole")

    chance = random.Random(int(os.environ.get("LADLE_SEED", "1")))
    killed = 0
    while True:
        child = _start(folder, "killed")
        how = chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
        try:
            said, _ = child.communicate(timeout=chance.uniform(0.3, seconds) if killed < KILLS else None)
        except subprocess.TimeoutExpired:
            child.send_signal(how)
            said, _ = child.communicate()
            assert child.returncode in (0, 130, -how), said
            killed += 1
        assert "Traceback" not in said
        if child.returncode == 0:
            break
    [run] = Runs(folder / "killed")
    assert _result(folder, "killed") == wanted
    leftover = [path.name for path in (folder / "killed" / ".store" / "work").iterdir() if path.is_dir()]
    assert leftover == []
    events = [json.loads(line)["event"] for line in (run.folder / "events.jsonl").read_text().splitlines()]
    assert events.count("run-ended") >= 1
