"""Cleaning and labelling: every change is kept, cell by cell, and every row that goes says why."""

from __future__ import annotations

import json


def _details(done, name):
    return json.loads((done.stage_folder(name) / "outcome.json").read_text())["details"]


def test_a_rejected_row_is_kept_whole(work):
    done = work('[[data.r.clean]]\nuse = "drop"\nword = "9"\n')
    ids = [row["_id"] for row in done.rows("r.source")]
    assert done.table("r.clean.1", "rejects") == [
        {
            "rule": "word", "reason": "holds `9`", "file": "lines", "line": n + 1, "offset": None,
            "raw": json.dumps({"text": f"row {n}", "n": n}).encode(), "id": ids[n], "stays": "another",
        }
        for n in (9, 19, 29, 39)
    ]  # fmt: skip
    details = _details(done, "r.clean.1")
    assert details["rejects_by_rule"] == {"word": 4}
    assert details["reject_examples"][0]["raw"] == '{"text": "row 9", "n": 9}'
    kept = [row["_id"] for row in done.rows("r.clean.1")]
    assert kept == [id_ for n, id_ in enumerate(ids) if n not in (9, 19, 29, 39)]


def test_every_changed_cell_is_kept(folder, work):
    (folder / "rows.jsonl").write_text('{"text": "low"}\n{"text": "HIGH"}\n{"text": "mid"}\n')
    done = work('[[data.r.clean]]\nuse = "shout"\n')
    ids = [row["_id"] for row in done.rows("r.source")]
    changes = [
        {"id": ids[0], "column": "text", "before": "low", "after": "LOW"},
        {"id": ids[2], "column": "text", "before": "mid", "after": "MID"},
    ]
    assert done.table("r.clean.1", "changes") == changes
    assert _details(done, "r.clean.1") == {
        "rejects_by_rule": {}, "reject_examples": [], "changes_by_column": {"text": 2}, "change_examples": changes,
    }  # fmt: skip


def test_what_comes_of_nothing_or_goes_to_nothing_is_a_change(folder, work, install):
    install(
        "ladle-swap",
        """
        from ladle import Cleaner, hookimpl

        class Swap(Cleaner):
            "Nothing for something."

            def columns_after(self, given):
                return given.having("n", "number")

            def clean_row(self, row):
                return row | {"n": 0.5 if row["n"] is None else None if row["n"] == 1 else row["n"]}

        @hookimpl
        def ladle_cleaners():
            return {"swap": Swap}
        """,
    )
    (folder / "rows.jsonl").write_text('{"n": 2}\n{"n": null}\n{"n": 1}\n')
    done = work('[[data.r.clean]]\nuse = "swap"\n')
    assert [(c["before"], c["after"]) for c in done.table("r.clean.1", "changes")] == [(None, "0.5"), ("1", None)]


def test_labels_are_counted(work):
    done = work(
        '[[data.r.label]]\nuse = "bands"\nbands = [{ label = "low", below = 10 }, { label = "mid", below = 30 }]\n'
    )
    assert _details(done, "r.label.1")["labels"] == {"label": {"mid": 20, "low": 10, "(none)": 10}}
    assert [row["label"] for row in done.rows("r.label.1")][9:11] == ["low", "mid"]


def test_ids_splits_and_origins_stay_as_they_were(work):
    done = work(
        '[data.r.split]\ntest = 0.5\n[[data.r.clean]]\nuse = "shout"\n[[data.r.extract]]\nuse = "count-characters"\n'
    )

    def own(name):
        return [(row["_id"], row["_split"], row["_origin"]) for row in done.rows(name)]

    assert own("r.split") == own("r.clean.1") == own("r.extract.1")


def test_what_a_cleaner_calls_secret_is_kept_nowhere_and_what_it_counts_is_told(folder, work, install):
    install(
        "ladle-hide",
        """
        from typing import ClassVar
        from ladle import Cleaned, Cleaner, Reject, hookimpl

        class Hide(Cleaner):
            "Numbers out of texts."

            is_secret: ClassVar[bool] = True

            def columns_after(self, given):
                return given.having("text", "text")

            def clean_batch(self, batch):
                hidden = ["***" if text.isdigit() else text for text in batch["text"]]
                drop = {at: Reject("long", "too long") for at, text in enumerate(batch["text"]) if len(text) > 3}
                return Cleaned(batch | {"text": hidden}, drop, {"numbers": hidden.count("***"), "all": len(hidden)})

        @hookimpl
        def ladle_cleaners():
            return {"hide": Hide}
        """,
    )
    (folder / "rows.jsonl").write_text('{"text": "123"}\n{"text": "4567"}\n{"text": "abc"}\n')
    done = work('[[data.r.clean]]\nuse = "hide"\n')
    ids = [row["_id"] for row in done.rows("r.source")]
    change = {"id": ids[0], "column": "text", "before": "(not kept)", "after": "***"}
    assert done.table("r.clean.1", "changes") == [change]
    [reject] = done.table("r.clean.1", "rejects")
    assert (reject["id"], reject["line"], reject["raw"]) == (ids[1], 2, None)
    details = _details(done, "r.clean.1")
    assert details["counts"] == {"all": 3, "numbers": 2}
    assert (details["change_examples"], details["reject_examples"][0]["raw"]) == ([change], "")
    for path in done.stage_folder("r.clean.1").iterdir():
        assert b"4567" not in path.read_bytes()
        assert b"123" not in path.read_bytes()
