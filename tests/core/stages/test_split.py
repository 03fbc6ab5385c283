"""Splits: equal rows stay together, no row moves, and what learns sees the train split only."""

from __future__ import annotations

import collections
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SLOW = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
HALVES = "[data.r.split]\ntest = 0.3\nvalidation = 0.2\n"
texts = st.sampled_from(["a", "b", "c", "d", "e", "f", "g"])
rows = st.lists(st.fixed_dictionaries({"text": texts, "n": st.integers(0, 1)}), min_size=1, max_size=30)


@pytest.fixture
def splits_of(folder, work):
    """The rows of some content, each with its split."""

    def of(content, split=HALVES):
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in content))
        return [(row["_split"], row) for row in work(split).rows("r.split")]

    return of


def _together(found, names):
    splits = collections.defaultdict(set)
    for split, row in found:
        splits[tuple(row[name] for name in names)].add(split)
    return all(len(of_one) == 1 for of_one in splits.values())


@SLOW
@given(rows)
def test_equal_rows_never_straddle_splits(splits_of, content):
    found = splits_of(content)
    assert len(found) == len(content)
    assert _together(found, ["text", "n"])


@SLOW
@given(rows)
def test_rows_equal_in_the_columns_to_split_by_stay_together(splits_of, content):
    assert _together(splits_of(content, HALVES + 'by = ["text"]\n'), ["text"])


@SLOW
@given(rows, rows)
def test_adding_rows_moves_no_row(splits_of, content, more):
    def places(found):
        return {(row["text"], row["n"]): split for split, row in found}

    before, after = places(splits_of(content)), places(splits_of([*more, *content, {"text": "z", "n": 1, "x": 0}]))
    assert before.items() <= after.items()


def test_shares_come_near_and_a_seed_gives_another_division(splits_of):
    content = [{"text": f"row {number}"} for number in range(2000)]
    found = splits_of(content)
    counts = collections.Counter(split for split, _ in found)
    assert counts["test"] / 2000 == pytest.approx(0.3, abs=0.04)
    assert counts["validation"] / 2000 == pytest.approx(0.2, abs=0.04)
    other = splits_of(content, HALVES + "seed = 1\n")
    same = sum(a == b for (a, _), (b, _) in zip(found, other, strict=True)) / 2000
    assert same == pytest.approx(0.3**2 + 0.2**2 + 0.5**2, abs=0.05)


def test_counts_of_splits_are_kept(folder, work):
    done = work(HALVES)
    counts = done.store.outcome(done.run.lock["stages"][1]["key"])["details"]["splits"]
    assert counts == collections.Counter(row["_split"] for row in done.rows("r.split"))


def test_a_column_can_say_the_split_and_what_it_cannot_mean_is_rejected(folder, work):
    content = [{"text": "a", "part": "train"}, {"text": "b", "part": "test"}, {"text": "c", "part": "tset"}]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*content, {"text": "d"}]))
    done = work('[data.r.split]\ncolumn = "part"\n')
    assert [(row["text"], row["_split"]) for row in done.rows("r.split")] == [("a", "train"), ("b", "test")]
    bad, missing = done.table("r.split", "rejects")
    ids = {row["text"]: row["_id"] for row in done.rows("r.source")}
    assert bad == {
        "rule": "split", "reason": "column `part` holds 'tset', expected one of train, validation, test",
        "file": "lines", "line": 3, "offset": None, "raw": b'{"text": "c", "part": "tset"}', "id": ids["c"],
        "stays": None,
    }  # fmt: skip
    assert missing["reason"] == "column `part` holds None, expected one of train, validation, test"


def test_by_time_the_latest_rows_are_held_out_and_rows_of_one_moment_stay_together(splits_of):
    content = [{"text": str(number), "n": number // 2} for number in (7, 3, 0, 9, 1, 4, 8, 2, 5, 6)]
    content.append({"text": "when?", "n": None})
    found = splits_of(content, '[data.r.split]\ntime = "n"\ntest = 0.2\nvalidation = 0.3\n')
    parts = collections.defaultdict(set)
    for split, row in found:
        parts[split].add(row["n"])
    assert parts == {"test": {4}, "validation": {2, 3}, "train": {0, 1, None}}


def test_what_learns_sees_the_train_split_only(work):
    done = work('[data.r.split]\ntime = "n"\ntest = 0.5\n[[data.r.clean]]\nuse = "centre"\ncolumn = "n"\n')
    assert json.loads((done.stage_folder("r.clean.1") / "state.json").read_text()) == {"mean": 9.5, "rows": 20}
    assert [row["n"] for row in done.rows("r.clean.1")] == [number - 9.5 for number in range(40)]
