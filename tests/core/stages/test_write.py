"""Writing: the file appears when it is whole, and is written again when it is not as it was."""

from __future__ import annotations

import json

import pytest

WRITE = '[[data.r.write]]\nuse = "toy-json"\npath = "out/rows.jsonl"\n'


def test_rows_are_written_to_a_new_folder(folder, work):
    done = work(WRITE)
    lines = [json.loads(line) for line in (folder / "out" / "rows.jsonl").read_text().splitlines()]
    assert [(line["text"], line["n"]) for line in lines] == [(f"row {n}", n) for n in range(40)]
    assert [path.name for path in (folder / "out").iterdir()] == ["rows.jsonl"]
    stage = done.outcome["stages"][1]
    assert (stage["rows_in"], stage["rows_out"], stage["rejects"]) == (40, 40, 0)


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: path.write_text("changed by hand")])
def test_a_file_that_is_gone_or_changed_is_written_again(folder, work, harm):
    path = folder / "out" / "rows.jsonl"
    work(WRITE)
    whole = path.read_text()
    harm(path)
    assert work(WRITE).status() == {"r.source": "reused", "r.write.1": "done"}
    assert path.read_text() == whole
    assert work(WRITE).events[0]["event"] == "nothing-to-do"


def test_a_writer_that_fails_leaves_nothing_behind(folder, work, install):
    install(
        "ladle-torn",
        """
        from ladle import Writer, hookimpl

        class Torn(Writer):
            "Break off in the middle."

            def write(self, data, path):
                path.write_text("half")
                raise OSError("no space left")

        @hookimpl
        def ladle_writers():
            return {"torn": Torn}
        """,
    )
    with pytest.raises(Exception, match=r"r.write.1 \(torn\) failed: OSError: no space left"):
        work('[[data.r.write]]\nuse = "torn"\npath = "out/rows.jsonl"\n')
    assert list((folder / "out").iterdir()) == []
