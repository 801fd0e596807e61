"""CSV files as tables of numbers, by the grammar in docs/files.md.

Anything outside the grammar raises an error with file, line, column and what would be accepted; nothing is guessed.
"""

from __future__ import annotations

import codecs
import math
import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import MfsymError
from mfsym.stores.numerals import ACCEPTED, NUMBER, cell_fault, is_number, name_fault

Names = tuple[str, ...]
Choose = Callable[[Names], Sequence[int]]

UNNAMED = re.compile(r"Unnamed: [0-9]+")
"""Names that pandas gives to unnamed columns."""

_QUOTED = re.compile(r' *"([^"]*+(?:""[^"]*+)*+)"')
_CELL = re.compile(r"[^,\n]*")


class NumberTable(NamedTuple):
    """Numbers (n, k) of a CSV file, and the names of the k columns, empty without a header."""

    names: Names
    values: NDArray[np.float64]


class TableRow(NamedTuple):
    """One record: the line it starts on (from 1), its cells without quotes, and the positions that had quotes."""

    line: int
    cells: list[str]
    quoted: tuple[int, ...] = ()


class _Refusal(Exception):
    """A violation of the grammar: line and column from 1, and an explanation."""

    def __init__(self, line: int, column: int, words: str) -> None:
        super().__init__(f"line {line}, column {column}: {words}")


def read_table(path: Path, choose: Choose | None = None) -> NumberTable:
    """The numbers of a CSV file.

    choose : function from all column names to the positions of the columns to read. It requires a header, and other
    columns may contain any text. Without it every column is read and the header is optional.
    Raises MfsymError naming file, line and column for a violation of the grammar in docs/files.md.
    """
    try:
        return _parsed(_decoded(path.read_bytes()), choose)
    except _Refusal as refusal:
        raise MfsymError(f"{path}: {refusal}") from None


def _decoded(data: bytes) -> str:
    """The text of a file with line ends as newlines, without byte order mark and trailing blank lines."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _Refusal(1, 1, "the file is UTF-16; save it as UTF-8")
    if data.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        raise _Refusal(1, 1, "the file is compressed, or a workbook; save the table as CSV in UTF-8")
    data = data.removeprefix(codecs.BOM_UTF8)
    nul = data.find(b"\0")
    if nul >= 0:
        raise _Refusal(*_place(data, nul), "a NUL byte: the file is UTF-16 or binary; save it as CSV in UTF-8")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        words = f"byte 0x{data[error.start]:02x} is not UTF-8, perhaps Latin-1; save the file as UTF-8"
        raise _Refusal(*_place(data, error.start), words) from None
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip(" \n")


def _place(data: bytes, at: int) -> tuple[int, int]:
    """Line and column of a byte."""
    before = data[:at].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return before.count(b"\n") + 1, before.rpartition(b"\n")[2].count(b",") + 1


def _rows(text: str) -> Iterator[TableRow]:
    """The records of a text in order."""
    start, line = 0, 1
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        record = text[start:end]
        if '"' in record:
            row, end = _quoted_row(text, start, line)
            yield row
            line += text.count("\n", start, end)
        else:
            yield TableRow(line, [cell.strip(" ") for cell in record.split(",")])
        start, line = end + 1, line + 1


def _quoted_row(text: str, start: int, line: int) -> tuple[TableRow, int]:
    """A record that holds quotes, and where it ends. A cell in quotes may hold commas, line ends and doubled quotes."""
    cells: list[str] = []
    quoted: list[int] = []
    at = start
    while True:
        here = line + text.count("\n", start, at)
        found = _QUOTED.match(text, at)
        rest = _CELL.match(text, found.end() if found else at)
        assert rest is not None
        if found is None and rest[0].lstrip(" ").startswith('"'):
            raise _Refusal(here, len(cells) + 1, "a quote is never closed")
        if found is not None and rest[0].strip(" "):
            raise _Refusal(here, len(cells) + 1, f"text after a closing quote: {rest[0][:40]!r}")
        if found is not None:
            quoted.append(len(cells))
        cells.append(found[1].replace('""', '"') if found else rest[0].strip(" "))
        at = rest.end()
        if not text.startswith(",", at):
            return TableRow(line, cells, tuple(quoted)), at
        at += 1


def _parsed(text: str, choose: Choose | None) -> NumberTable:
    """Names and numbers of a text."""
    rows = _rows(text)
    first = next(rows, None)
    if first is None or first == TableRow(1, [""]):
        raise _Refusal(1, 1, f"the {'file' if first is None else 'line'} is empty; {ACCEPTED}")
    names = _names(first, choose is not None)
    columns = list(range(len(first.cells))) if choose is None else list(choose(names))
    body = _Body(first, names, columns)
    if not names:
        body.add(first)
    for row in rows:
        body.add(row)
    if not body.numbers:
        raise _Refusal(text.count("\n") + 2, 1, f"no row follows the header; {ACCEPTED}")
    values = np.array(body.numbers, dtype=np.float64).reshape(-1, len(columns))
    if not names:
        _refuse_counting(first, values)
    return NumberTable(tuple(names[k] for k in columns) if names else (), values)


def _names(first: TableRow, needed: bool) -> Names:
    """The names in the first line, if it is a header: if and only if no cell of it is a number."""
    number = next((k for k, cell in enumerate(first.cells) if is_number(cell)), None)
    if number is not None:
        if needed:
            words = f"{first.cells[number][:40]!r} is a number; a data set starts with a header, names only"
            raise _Refusal(1, number + 1, words)
        return ()
    for k, name in enumerate(first.cells):
        if fault := name_fault(name, k in first.quoted):
            raise _Refusal(1, k + 1, fault)
        if name in first.cells[:k]:
            raise _Refusal(1, k + 1, f"the name {name[:40]!r} occurs twice; names must be unique")
        if not needed and UNNAMED.fullmatch(name):
            raise _Refusal(1, k + 1, f"{name!r} is pandas' name for {name_fault('', False)}")
    return tuple(first.cells)


def _refuse_counting(first: TableRow, values: NDArray[np.float64]) -> None:
    """Refuse a first line 0,1,2,... over fractions: pandas writes it over columns that have no names."""
    counted = [str(k) for k in range(len(first.cells))]
    if len(counted) > 1 and first.cells == counted and (values != np.rint(values)).any():
        words = "may be a row or pandas' column numbers; write it as 0.0,1.0, or leave it out (header=False)"
        raise _Refusal(1, 1, f"the line {','.join(counted)[:40]} {words}")


class _Body:
    """The numbers of the rows so far.

    width : number of cells in a row.
    columns : positions of the columns that are read.
    in_quotes : whether the numbers of this file are in quotes; None before the first row.
    """

    def __init__(self, first: TableRow, names: Names, columns: list[int]) -> None:
        self.names, self.columns, self.width = names, columns, len(first.cells)
        self.whole = columns == list(range(self.width))
        self.in_quotes: bool | None = None
        self.numbers = array("d")

    def add(self, row: TableRow) -> None:
        """Take a row; _Refusal where it leaves the grammar."""
        if len(row.cells) != self.width:
            if row == TableRow(row.line, [""]):
                raise _Refusal(row.line, 1, f"the line is empty; remove it, or fill it; {ACCEPTED}")
            raise _Refusal(row.line, min(len(row.cells), self.width) + 1, self._length_fault(row))
        texts = row.cells if self.whole else [row.cells[k] for k in self.columns]
        if not all(map(NUMBER.fullmatch, texts)):
            self._refuse_cell(row, next(k for k, text in zip(self.columns, texts, strict=True) if not is_number(text)))
        numbers = [float(text) for text in texts]
        if math.inf in numbers or -math.inf in numbers:
            wide = next(k for k, number in zip(self.columns, numbers, strict=True) if math.isinf(number))
            raise _Refusal(row.line, wide + 1, f"{row.cells[wide][:40]!r} is too large for a double")
        if row.quoted or self.in_quotes is not False:
            self._check_quotes(row)
        self.numbers.extend(numbers)

    def _length_fault(self, row: TableRow) -> str:
        """Words for a row that is shorter or longer than the first line."""
        words = f"{len(row.cells)} cells, where line 1 has {self.width}"
        if len(row.cells) > self.width:
            words += "; is there a column of row numbers, a decimal comma, or a comma at the end?"
        return f"{words}; {ACCEPTED}"

    def _refuse_cell(self, row: TableRow, column: int) -> NoReturn:
        text = row.cells[column]
        words = cell_fault(text)
        if not text and column == self.width - 1:
            words += "; a comma ends the line"
        elif not self.names and row.line == 1 and not (text and name_fault(text, quoted=True)):
            words += "; a header holds no number, and this line does"
        elif self.names:
            words = f"in {self.names[column][:40]!r}, {words}"
        raise _Refusal(row.line, column + 1, words)

    def _check_quotes(self, row: TableRow) -> None:
        """All numbers of a file stand in quotes or none: one in quotes beside plain ones may be a name."""
        for column in self.columns:
            if self.in_quotes is None:
                self.in_quotes = column in row.quoted
            if (column in row.quoted) != self.in_quotes:
                words = "is in quotes and others are not" if column in row.quoted else "is not in quotes and others are"
                fault = f"the number {row.cells[column][:40]!r} {words}; is it a name? Write all numbers alike"
                raise _Refusal(row.line, column + 1, fault)
