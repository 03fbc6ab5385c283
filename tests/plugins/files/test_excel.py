"""Rows from Excel workbooks, whose parts are written here by hand."""

from __future__ import annotations

import sys
import zipfile
from datetime import datetime
from xml.sax.saxutils import escape

import pytest

from ladle_files.excel_source import Excel

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
DAY, MOMENT, CLOCK = 1, 2, 3  # styles of cells that show a number as a time
THREE, DIVIDED = '<c t="str"><v>3</v></c>', '<c t="e"><v>#DIV/0!</v></c>'
STYLES = "".join(f'<xf numFmtId="{number}"/>' for number in (0, 14, 22, 21))


def cell(place: str, value: object) -> str:
    """A cell with a text, a number, a truth, a number in a style, or XML of its own."""
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, tuple):
        return f'<c r="{place}" s="{value[1]}"><v>{value[0]}</v></c>'
    if isinstance(value, str) and value.startswith("<c"):
        return value.replace("<c", f'<c r="{place}"', 1)
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'


@pytest.fixture
def workbook(tmp_path):
    """Writes a workbook: for each of its sheets the rows by their numbers, and in them the cells from column A on."""

    def write(name: str, sheets: dict[str, dict[int, list[object]]]) -> None:
        listed = "".join(f'<sheet name="{s}" sheetId="{n}" r:id="r{n}"/>' for n, s in enumerate(sheets, 1))
        parts = {
            "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="xml" '
            f'ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="{TYPE}"/></Types>',
            "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
            f'Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
            "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{listed}</sheets></workbook>',
            "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><cellXfs count="4">{STYLES}</cellXfs></styleSheet>',
        }
        links = f'<Relationship Id="r0" Type="{OFFICE}/styles" Target="styles.xml"/>'
        for number, rows in enumerate(sheets.values(), 1):
            links += f'<Relationship Id="r{number}" Type="{OFFICE}/worksheet" Target="worksheets/{number}.xml"/>'
            content = "".join(
                f'<row r="{row}">'
                + "".join(cell(f"{chr(65 + at)}{row}", value) for at, value in enumerate(cells) if value is not None)
                + "</row>"
                for row, cells in rows.items()
            )
            parts[f"xl/worksheets/{number}.xml"] = (
                f'<worksheet xmlns="{MAIN}"><sheetData>{content}</sheetData></worksheet>'
            )
        parts["xl/_rels/workbook.xml.rels"] = f'<Relationships xmlns="{PACKAGE}/relationships">{links}</Relationships>'
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for path, content in parts.items():
                archive.writestr(path, f'<?xml version="1.0" encoding="UTF-8"?>{content}')

    return write


def test_cells_of_every_sort(workbook, read):
    workbook(
        "a.xlsx",
        {
            "Data": {
                1: ["n", "x", "ok", "day", "moment", "text", "code", "formula", "error", "clock"],
                2: [1, 1.5, True, (45443, DAY), (45443.5, MOMENT), " a\nb ", "007", "<c><f>1+1</f><v>2</v></c>"],
                4: [-(2**53) + 1, 2, False, (45444, DAY), (45443.25, MOMENT), "", "1", THREE, DIVIDED, (0.5, CLOCK)],
            }
        },
    )
    outcome = read(Excel, path="a.xlsx")
    assert outcome.types == {
        "n": "integer",
        "x": "number",
        "ok": "boolean",
        "day": "time",
        "moment": "time",
        "text": "text",
        "code": "text",
        "formula": "integer",
        "error": "text",
        "clock": "text",
    }
    assert [tuple(row.values()) for row in outcome.rows] == [
        (1, 1.5, True, datetime(2024, 5, 31), datetime(2024, 5, 31, 12), " a\nb ", "007", 2, None, None),
        (-(2**53) + 1, 2, False, datetime(2024, 6, 1), datetime(2024, 5, 31, 6), None, "1", 3, None, "12:00:00"),
    ]
    assert outcome.origins == [{"file": "a.xlsx", "line": line, "offset": None} for line in (2, 4)]
    assert outcome.rejects == []


def test_rows_that_cannot_be_are_rejected(workbook, read):
    rows = {
        1: ["n", "text"],
        2: [1, "a"],
        3: ["x", "b"],
        4: [1.5, "c"],
        5: [2, 7, "beyond"],
        6: [3, 8],
        7: ["NA", "NA"],
    }
    for number in range(8, 1010):
        rows[number] = [number]
    rows[5], rows[1009] = [2, 7], [2, None, "beyond"]
    workbook("a.xlsx", {"Data": rows})
    outcome = read(Excel, path="a.xlsx", types={"n": "integer", "text": "text"}, missing=["NA"])
    assert outcome.rows[:4] == [
        {"n": 1, "text": "a"},
        {"n": 2, "text": "7"},
        {"n": 3, "text": "8"},
        {"n": None, "text": None},
    ]
    assert [(r.rule, r.line, r.offset, r.raw, r.reason) for r in outcome.rejects] == [
        ("bad-integer", 3, None, b'["x", "b", ""]', 'column `n`: "x" is no integer'),
        ("fractional-integer", 4, None, b'["1.5", "c", ""]', 'column `n`: "1.5" is a number, but no integer'),
        ("too-many-fields", 1009, None, b'["2", "", "beyond"]', "there is a value where no column is"),
    ]
    assert len(outcome.rows) + len(outcome.rejects) == len(rows) - 1


def test_the_header_may_stand_anywhere_or_nowhere(workbook, read):
    workbook(
        "a.xlsx", {"Data": {2: [None, "Sales"], 4: [None, "n", None, " text "], 5: [None, 1, 5, "a"], 6: [None, 2]}}
    )
    assert read(Excel, path="a.xlsx", header=4).rows == [
        {"n": 1, "column_2": 5, "text": "a"},
        {"n": 2, "column_2": None, "text": None},
    ]
    assert read(Excel, path="a.xlsx", header=4, names=["x", "y", "z"], columns=["z"]).values("z") == ["a", None]
    workbook("b.xlsx", {"Data": {3: [1, "a"], 4: [2, "b"]}})
    assert read(Excel, path="b.xlsx", header=0).rows == [
        {"column_1": 1, "column_2": "a"},
        {"column_1": 2, "column_2": "b"},
    ]
    assert read(Excel, path="b.xlsx").rows == [{"1": 2, "a": "b"}]


def test_sheets_are_named_or_numbered(workbook, read, refused):
    workbook("a.xlsx", {"One": {1: ["n"], 2: [1]}, "Two": {1: ["n"], 2: [2]}, "Empty": {}})
    for sheet, number in ((None, 1), ("One", 1), ("Two", 2), (2, 2)):
        assert read(Excel, path="a.xlsx", sheet=sheet).values("n") == [number]
    error = refused(Excel, path="a.xlsx", sheet="two")
    assert (str(error), error.option, error.help) == ("a.xlsx has no sheet `two`", "sheet", "did you mean `Two`?")
    error = refused(Excel, path="a.xlsx", sheet=4)
    assert (str(error), error.help) == ("a.xlsx has no sheet number 4", "its sheets are One, Two, Empty")
    assert str(refused(Excel, path="a.xlsx", sheet=0)) == "a.xlsx has no sheet number 0"
    error = refused(Excel, path="a.xlsx", sheet="Empty")
    assert (str(error), error.option) == ("a.xlsx has no row in that sheet", "path")


def test_several_workbooks(workbook, read, refused):
    workbook("a/1.xlsx", {"S": {1: ["n", "text"], 2: [1, "a"]}})
    workbook("a/2.xlsx", {"S": {1: ["text", "n"], 2: ["b", 2]}})
    assert read(Excel, path="a").rows == [{"n": 1, "text": "a"}, {"n": 2, "text": "b"}]


@pytest.fixture(autouse=True)
def _folder(tmp_path):
    (tmp_path / "a").mkdir()


@pytest.mark.parametrize(
    ("options", "option", "message", "help"),
    [
        ({"header": 3}, "header", "row 3 of a.xlsx is empty, and names no column", ""),
        ({"names": ["x"]}, "names", "1 names, but the sheet of a.xlsx has 2 columns", "name every column"),
        ({"names": ["x", "x"]}, "names", "two columns are called `x`", "a name of its own"),
        ({"columns": ["txt"]}, "columns", "the data has no column `txt`", "did you mean `text`?"),
        ({"types": {"m": "text"}}, "types", "the data has no column `m`", "its columns are: n, text"),
    ],
)
def test_what_cannot_be_is_told(workbook, refused, options, option, message, help):
    workbook("a.xlsx", {"Data": {1: ["n", "text"], 2: [1, "a"], 4: [2, "b"]}})
    error = refused(Excel, path="a.xlsx", **options)
    assert (str(error), error.option) == (message, option)
    assert help in error.help


def test_names_that_come_twice_are_told(workbook, refused):
    workbook("a.xlsx", {"Data": {1: ["a", "b", "a"], 2: [1, 2, 3]}})
    assert str(refused(Excel, path="a.xlsx")) == "the header of a.xlsx has `a` twice (fields 1 and 3)"


def test_what_is_no_workbook_is_told(write, refused):
    write("a.xlsx", "n,text\n1,a\n")
    error = refused(Excel, path="a.xlsx")
    assert str(error).startswith("cannot read a.xlsx: ")
    assert (error.option, error.help) == ("path", "is it an Excel workbook (.xlsx), and whole?")


def test_the_package_that_is_needed_is_named(workbook, refused, monkeypatch):
    workbook("a.xlsx", {"Data": {1: ["n"], 2: [1]}})
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    error = refused(Excel, path="a.xlsx")
    assert str(error) == "reading Excel needs a package that is not installed"
    assert (error.help, error.code) == ('pip install "ladle-files[excel]"', "missing-package")
