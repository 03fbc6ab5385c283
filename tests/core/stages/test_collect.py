"""Collecting: rows get an id that follows from their content, and tell where they came from."""

from __future__ import annotations

import json

import pytest

from ladle.errors import StageError
from ladle.runs import Runs
from ladle.storekeeping import held_by, prune

SPLIT_IN_TWO = """
[[data.r.source]]
use = "lines"
path = "rows.jsonl"

[[data.r.source]]
use = "lines"
path = "rows.jsonl"
"""


def _ids(done, stage="r.source"):
    return [row["_id"] for row in done.rows(stage)]


def test_equal_rows_share_an_id_but_for_a_number(folder, work):
    rows = [{"text": "a"}, {"text": "b"}, {"text": "a"}, {"text": "a", "n": None}]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    a, b, again, also = _ids(work(""))
    assert (again, also) == (f"{a}-2", f"{a}-3")
    assert len(set(_ids(work("")))) == 4
    assert len(a) == len(b) == 16


def test_ids_stay_when_rows_are_added_even_with_another_column(folder, work):
    before = _ids(work(""))
    with (folder / "rows.jsonl").open("a") as file:
        file.write('{"text": "new", "n": 1, "more": true}\n')
    assert _ids(work("# again"))[:40] == before


def test_sources_of_one_data_set_have_ids_of_their_own(work):
    done = work(SPLIT_IN_TWO, source=False)
    first, second = _ids(done, "r.source.1"), _ids(done, "r.source.2")
    assert second == [f"2:{id_}" for id_ in first]


def test_rows_that_cannot_be_read_go_to_the_rejects(folder, work):
    with (folder / "rows.jsonl").open("a") as file:
        file.write("broken\n")
    done = work("")
    stage = done.outcome["stages"][0]
    assert (stage["rows_in"], stage["rows_out"], stage["rejects"]) == (41, 40, 1)
    assert done.table("r.source", "rejects") == [
        {
            "rule": "json", "reason": "this is no JSON", "file": "rows.jsonl", "line": 41, "offset": 0,
            "raw": b"broken", "id": None, "stays": None,
        }
    ]  # fmt: skip


def test_rows_tell_where_they_came_from(work):
    first, *_, last = work("").rows("r.source")
    assert first["_origin"] == {"file": "lines", "line": 1, "offset": None}
    assert last["_origin"] == {"file": "lines", "line": 40, "offset": None}
    assert {row["_split"] for row in (first, last)} == {"train"}


def test_rows_of_another_data_set_keep_id_split_and_origin(work):
    done = work(
        '[data.r.split]\ntest = 0.5\n[[data.r.clean]]\nuse = "drop"\nword = "1"\n'
        '[data.s.source]\nuse = "data"\nname = "r"\n'
    )
    assert done.rows("s.source") == done.rows("r.clean.1")
    assert {row["_split"] for row in done.rows("s.source")} == {"train", "test"}


@pytest.mark.parametrize("name", ["_id", "_split"])
def test_a_source_may_not_use_the_names_of_the_core(folder, work, name):
    (folder / "rows.jsonl").write_text(json.dumps({name: "x", "text": "a"}) + "\n")
    with pytest.raises(StageError, match=f"the source has a column `{name}`, a name that ladle needs"):
        work("")


def test_values_of_different_types_in_one_column_are_told(folder, work):
    (folder / "rows.jsonl").write_text('{"n": 1}\n{"n": "two"}\n')
    with pytest.raises(StageError, match=r"r.source \(lines\): column `n`: .*\n.* different types in one column"):
        work("")


def test_view_types_are_kept_as_plain_ones(install, work):
    install(
        "ladle-views",
        """
        from ladle import DataSource, hookimpl
        class Views(DataSource):
            def read(self):
                import pyarrow as pa
                yield pa.RecordBatch.from_pydict({"text": pa.array(["a", "c"], pa.string_view())})
        @hookimpl
        def ladle_data_sources():
            return {"views": Views}
        """,
    )
    done = work('[data.r.source]\nuse = "views"\n[[data.r.clean]]\nuse = "drop"\nword = "b"\n', source=False)
    assert done.run.lock["stages"][0]["columns"] == {"text": "text"}
    import pyarrow as pa

    from ladle.rows import Rows

    assert Rows.of_stages([done.stage_folder("r.source")]).schema.field("text").type == pa.string()


DEAR = """
from pathlib import Path
from typing import Annotated
from ladle import DataSource, NotInKey, hookimpl

class Dear(DataSource):
    '''Rows of parts that are dear to get; the log tells which were got.'''

    parts: int = 3
    capital: bool = False
    breaks_at: Annotated[int, NotInKey()] = 99

    def read(self):
        folder = self.keep("parts", ["capital"])
        for number in range(self.parts):
            part = folder / f"{number}.txt"
            if not part.exists():
                if number == self.breaks_at:
                    raise RuntimeError("broken")
                with open("log", "a") as log:
                    log.write(f"{number} ")
                part.write_text(f"part {number}")
            text = part.read_text()
            yield {"text": text.upper() if self.capital else text}

@hookimpl
def ladle_data_sources():
    return {"dear": Dear}
"""


def test_what_a_source_keeps_is_got_once_whatever_stops_it(install, work, folder):
    install("ladle-dear", DEAR)
    recipe = '[data.r.source]\nuse = "dear"\n%s\n'
    with pytest.raises(StageError, match="broken"):
        work(recipe % "breaks_at = 2", source=False)
    runs = Runs(folder / "runs")
    assert {(held.kind, held.state) for held in held_by(runs)} == {("kept", "unfinished"), ("source", "unfinished")}
    assert prune(runs).held == []
    assert (folder / "log").read_text() == "0 1 "
    done = work(recipe % "", source=False)
    assert [row["text"] for row in done.rows("r.source")] == ["part 0", "part 1", "part 2"]
    assert [row["text"] for row in work(recipe % "capital = true", source=False).rows("r.source")] == [
        "PART 0", "PART 1", "PART 2",
    ]  # fmt: skip
    assert (folder / "log").read_text() == "0 1 2 "
    work(recipe % "parts = 1", source=False)
    assert (folder / "log").read_text() == "0 1 2 0 "
    assert {held.state for held in held_by(runs)} == {"whole"}


def test_ids_follow_from_columns_if_the_source_says_so(install, work):
    install(
        "ladle-keyed",
        """
        from ladle import DataSource, hookimpl
        class Keyed(DataSource):
            order: list[str]
            def identified_by(self):
                return ["key"]
            def read(self):
                yield from ({"key": key, "place": place} for place, key in enumerate(self.order))
        @hookimpl
        def ladle_data_sources():
            return {"keyed": Keyed}
        """,
    )

    def ids(order):
        rows = work(f'[data.r.source]\nuse = "keyed"\norder = {json.dumps(order)}\n', source=False).rows("r.source")
        return {row["key"]: row["_id"] for row in rows}

    assert ids(["b", "c", "a"]) == ids(["a", "b", "c"])
    assert len(set(ids(["a", "b", "c"]).values())) == 3
