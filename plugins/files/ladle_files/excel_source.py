"""Rows from sheets of Excel workbooks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date, time
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pydantic import Field, PrivateAttr, model_validator

from ladle import OptionError, Sample
from ladle.errors import did_you_mean
from ladle.objects import Fault
from ladle.objects.naming import check_names

from .batching import add_faults, batch_of, batched
from .finding import FileSource, sample_of
from .layout import GUESS_ROWS, Layout, check_same, layout_of, named
from .typed import column
from .values import TextType

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Reject
    from ladle.columns import ColumnType


_EXACT = 2**53  # up to which Excel, which knows no integers, has each


class _Row(NamedTuple):
    """A row of a sheet: its cells as texts, and its number as Excel shows it."""

    texts: list[str]
    number: int

    def fault(self, rule: str, reason: str) -> Fault:
        return Fault(rule, reason, self.number, None, json.dumps(self.texts, ensure_ascii=False).encode())


class _Table(NamedTuple):
    """What a sheet holds."""

    names: list[str]
    places: list[int]
    """Where in the rows the columns of these names are."""
    rows: Iterator[_Row]


class Excel(FileSource):
    """Read a sheet of Excel workbooks (.xlsx); this needs `pip install "ladle-files[excel]"`.

    A row is a row of the sheet, an empty one is none, and what stands above the header is left aside. Cells with a
    formula have the value that Excel has worked out last; cells with an error (#N/A) are missing values. Columns
    without a name and without a value are left out. The whole sheet is held in memory. Several workbooks must have the
    same columns, in any order.

    Types are guessed as `csv` guesses them, from what cells show: a number that is a code has to be text in Excel too.
    Rejected are rows with values that are not of the column's type, for the reasons that `csv` has, and with
    too-many-fields: a value where none of the first 1,000 rows has one, and no name.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".xlsx", ".xlsm")

    sheet: str | int | None = Field(
        default=None, description="The sheet to read, by its name or by its number from 1; the first without it."
    )
    header: int | None = Field(
        default=None,
        ge=0,
        description="The row that names the columns, as Excel numbers it; without it the first that is not empty, and "
        "0 if there is none.",
    )
    names: list[str] = Field(
        default=[], description="Names of all columns, in place of a header's, or where there is none."
    )
    columns: list[str] = Field(default=[], description="The columns to keep; all if none is named.")
    types: dict[str, TextType] = Field(default={}, description="Types of columns that are not to be guessed, by name.")
    missing: list[str] = Field(default=[], description="Texts that stand for a missing value, beside empty cells.")

    _looked: Any = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _possible_names(self) -> Excel:
        check_names(self.names, "names")
        return self

    def peek(self) -> Mapping[str, ColumnType]:
        self._looked = self._layout()
        return dict(self._looked.types)

    def first_rows(self, count: int) -> Sample:
        layout, self._looked = self._looked or self._layout(), None
        is_whole = len(layout.rows) < GUESS_ROWS and len(self.files()) == 1
        return sample_of(layout.typed(self._missing), count, is_whole)

    @property
    def _missing(self) -> frozenset[str]:
        return frozenset(["", *self.missing])

    def read(self) -> Iterator[pa.RecordBatch | Reject]:
        from ladle import Reject

        layout = self._layout()
        for path in self.files():
            file, table = self.name_of(path), self._table(path)
            if table.names:
                check_same(table.names, layout, file, self.name_of(self.files()[0]))
            for rows in batched(table.rows, lambda row: sum(map(len, row.texts))):
                batch, faults = self._batch(rows, table, layout.types, file)
                if batch.num_rows:
                    yield batch
                for fault in faults:
                    yield Reject(file=file, **fault._asdict())

    def _batch(
        self, rows: list[_Row], table: _Table, types: Mapping[str, TextType], file: str
    ) -> tuple[pa.RecordBatch, list[Fault]]:
        """Rows as a batch, and the faults of those that are none."""
        import pyarrow as pa

        from ladle import origins

        bad: dict[int, tuple[str, str]] = {}
        for number, row in enumerate(rows):
            if any(text for place, text in enumerate(row.texts) if place not in table.places):
                bad[number] = ("too-many-fields", "there is a value where no column is")
        arrays: dict[str, pa.Array] = {}
        for name, type_ in types.items():
            place = table.places[table.names.index(name)]
            texts = pa.array([row.texts[place] for row in rows], pa.string())
            arrays[name], wrong = column(texts, type_, self._missing)
            add_faults(bad, name, wrong)
        arrays["_origin"] = origins(file, [row.number for row in rows])
        return batch_of(arrays, bad), [rows[row].fault(*why) for row, why in sorted(bad.items())]

    def _layout(self) -> Layout:
        """The columns and types. Raises OptionError if no file has a row, or an option names no column."""
        for path in self.files():
            table = self._table(path)
            if rows := list(islice(table.rows, GUESS_ROWS)):
                texts = [[row.texts[place] for place in table.places] for row in rows]
                return layout_of(table.names, texts, self.columns, self.types, self._missing)
        raise OptionError(
            f"{self.name_of(self.files()[-1])} has no row in that sheet",
            option="path",
            help="look at the file, or name another, or another `sheet`",
        )

    def _table(self, path: Path) -> _Table:
        """The columns of a file and its rows, header aside."""
        file, rows = self.name_of(path), self._rows(path)
        header: list[str] = []
        if self.header != 0:
            first = next((row for row in rows if self.header is None or row.number >= self.header), None)
            if first is not None and self.header not in (None, first.number):
                raise OptionError(f"row {self.header} of {file} is empty, and names no column", option="header")
            header = [text.strip() for text in first.texts] if first else []
        start = list(islice(rows, GUESS_ROWS))
        width = max((len(row.texts) for row in start), default=len(header))
        header += [""] * (width - len(header))
        places = [place for place in range(width) if header[place] or any(row.texts[place] for row in start)]
        if self.names and start and len(self.names) != len(places):
            help = "name every column"
            what = f"{len(self.names)} names, but the sheet of {file} has {len(places)} columns"
            raise OptionError(what, option="names", help=help)
        return _Table(named([header[place] for place in places], self.names, file), places, chain(start, rows))

    def _rows(self, path: Path) -> Iterator[_Row]:
        """The rows of the sheet that are not empty."""
        try:
            from python_calamine import CalamineError, CalamineWorkbook
        except ImportError:
            raise OptionError(
                "reading Excel needs a package that is not installed",
                help='pip install "ladle-files[excel]"',
                code="missing-package",
            ) from None
        file = self.name_of(path)
        try:
            with CalamineWorkbook.from_path(path) as book:
                sheet = book.get_sheet_by_name(self._sheet_name(book.sheet_names, file))
                for number, cells in enumerate(sheet.iter_rows(), 1):
                    texts = list(map(_text, cells))
                    if any(texts):
                        yield _Row(texts, number)
        except CalamineError as error:
            help = "is it an Excel workbook (.xlsx), and whole?"
            raise OptionError(f"cannot read {file}: {error}", option="path", help=help) from None

    def _sheet_name(self, names: list[str], file: str) -> str:
        if isinstance(self.sheet, int) and not 1 <= self.sheet <= len(names):
            help = f"its sheets are {', '.join(names)}"
            raise OptionError(f"{file} has no sheet number {self.sheet}", option="sheet", help=help)
        if isinstance(self.sheet, str) and self.sheet not in names:
            help = did_you_mean(self.sheet, names, "its sheets are")
            raise OptionError(f"{file} has no sheet `{self.sheet}`", option="sheet", help=help)
        return self.sheet if isinstance(self.sheet, str) else names[(self.sheet or 1) - 1]


def _text(cell: Any) -> str:
    """What a cell holds, as `csv` would read it."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < _EXACT:
        return str(int(cell))
    return cell.isoformat() if isinstance(cell, date | time) else str(cell)
