"""CSV files whose truth is known: what a person meant, in the dialects that programs and people write.

``sheet`` draws the numbers and writes them within the grammar of docs/files.md. A dialect then spoils the file in one
way, and knows where: line and column from 1, column 0 for any, None where several places are as good.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from mfsym.streams import bits, stream_key

T = TypeVar("T")
Place = tuple[int, int] | None

TEXTS = ("red", "blue, dark", 'say ""hi""', "two\nlines", "1;5", "", "NA", "3,5", "naïve", "5\t6")
"""Cells of columns that nobody reads."""


class Dice:
    """Choices of one file: a pure function of its number."""

    def __init__(self, number: int) -> None:
        self.words: Iterator[int] = iter(bits(stream_key(number, "bootstrap"), 0, 4000, 1).ravel().tolist())

    def below(self, end: int) -> int:
        return next(self.words) % end

    def of(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]


@dataclass
class Sheet:
    """A table as cells of text, how it will be written, and the numbers meant.

    names : of its columns, () without a header.  rows : cells as written, quotes included.
    read : names of the columns that hold the numbers (all of them for a cloud).
    """

    values: np.ndarray
    names: tuple[str, ...]
    rows: list[list[str]]
    read: tuple[str, ...]
    separator: str = ","
    end: str = "\n"
    mark: bool = False
    above: str = ""
    below: str = ""
    quoted: bool = False
    columns: list[int] = field(default_factory=list)

    def text(self) -> str:
        lines = [self.separator.join(self.names)] if self.names else []
        lines += [self.separator.join(row) for row in self.rows]
        body = self.above + self.end.join(lines) + self.below
        return ("\ufeff" if self.mark else "") + body

    def line_of(self, row: int) -> int:
        """The line that a row starts on: cells may hold line ends."""
        above = self.rows[:row]
        return 1 + bool(self.names) + len(above) + sum(cell.count("\n") for cells in above for cell in cells)


def written(value: float, dice: Dice) -> str:
    """One of the plain decimal numbers that are exactly this double."""
    text = repr(value)
    forms = [text, f"{value:.17e}", f"{value:.17E}", f"{value:.20g}", text if text[0] == "-" else "+" + text]
    if value == int(value) and abs(value) < 1e6:
        forms += [str(int(value)), f"{int(value)}.", f"{int(value)}.000"]
    if text.startswith("0."):
        forms.append(text[1:])
    return dice.of(forms)


def number(dice: Dice) -> float:
    """A double of any size, often a small whole number."""
    kind = dice.below(4)
    if kind == 0:
        return float(dice.below(200) - 100)
    if kind == 1:
        return (dice.below(20_000) - 10_000) / 1000.0
    return (dice.below(2**31) - 2**30) * 2.0 ** -dice.below(60) * 10.0 ** (dice.below(40) - 20 if kind == 3 else 0)


def sheet(index: int, *, data: bool) -> tuple[Sheet, Dice]:
    """The index-th table within the grammar: a cloud, or a data set with columns that nobody reads."""
    dice = Dice(2 * index + data)
    n, p = 2 + dice.below(6), 1 + dice.below(4)
    values = np.array([[number(dice) for _ in range(p)] for _ in range(n)])
    quoted = dice.below(5) == 0
    rows = [[written(value, dice) for value in row] for row in values.tolist()]
    rows = [[f'"{cell}"' if quoted else " " * (dice.below(9) == 0) + cell for cell in row] for row in rows]
    read = tuple(f"x{k}" for k in range(p))
    names = read if data or dice.below(2) else ()
    columns = list(range(p))
    if data:
        for _ in range(dice.below(3)):
            at = dice.below(len(names) + 1)
            names = (*names[:at], f"note {len(names)}", *names[at:])
            for row in rows:
                text = dice.of(TEXTS)
                row.insert(at, f'"{text}"' if re.search(r'[,"\n]', text) or dice.below(2) else text)
        columns = [names.index(name) for name in read]
    made = Sheet(values, names, rows, read, columns=columns, quoted=quoted)
    made.end = dice.of(["\n", "\n", "\r\n", "\r"])
    made.mark, made.below = dice.below(3) == 0, dice.of(["", made.end, 2 * made.end])
    if made.end != "\n":
        made.rows = [[cell.replace("\n", " ") for cell in row] for row in made.rows]
    if not names and made.rows[0] == [str(k) for k in range(p)]:
        made.rows[0][0] = "0.0"
    return made, dice


def encoded(made: Sheet) -> bytes:
    return made.text().encode()


@dataclass(frozen=True)
class Spoilt:
    """The bytes of a spoilt file, and where the fault is."""

    content: bytes
    place: Place = None


Dialect = Callable[[Sheet, Dice], Spoilt | None]
"""Spoils a sheet in one way; None where the sheet gives no occasion."""


def _cell(change: Callable[[str, float], str], *, first_row: bool = False) -> Dialect:
    """One cell written otherwise; of a single column neither a first cell, which would be a name, nor the last."""

    def spoil(made: Sheet, dice: Dice) -> Spoilt | None:
        row, k = 0 if first_row else dice.below(len(made.rows)), dice.below(len(made.columns))
        column = made.columns[k]
        lone = len(made.rows[0]) == 1
        if lone and ((row == 0 and not made.names) or row == len(made.rows) - 1):
            return None
        text = change(made.rows[row][column].strip(' "'), float(made.values[row, k]))
        made.rows[row][column] = f'"{text}"' if made.quoted or "," in text else text
        return Spoilt(encoded(made), (made.line_of(row), column + 1))

    return spoil


def _first_row(change: Callable[[float], str]) -> Dialect:
    """All numbers of the first row written otherwise: a reader that looks for a header may drop the row."""

    def spoil(made: Sheet, dice: Dice) -> Spoilt:
        for k, column in enumerate(made.columns):
            text = change(float(made.values[0, k]))
            made.rows[0][column] = f'"{text}"' if made.quoted or "," in text else text
        return Spoilt(encoded(made), (made.line_of(0), min(made.columns) + 1))

    return spoil


def _all(change: Callable[[str], str], separator: str = ",") -> Dialect:
    """Every number written otherwise, or another separator."""

    def spoil(made: Sheet, dice: Dice) -> Spoilt | None:
        if made.separator == separator == "," and not made.names:
            return None
        if len(made.names or made.rows[0]) == 1 and separator != ",":
            return None
        for row in made.rows:
            for column in made.columns:
                row[column] = change(row[column])
        return Spoilt(encoded(replace(made, separator=separator)))

    return spoil


def _bytes(change: Callable[[bytes], bytes], place: Place = None) -> Dialect:
    return lambda made, dice: Spoilt(change(encoded(made)), place)


def _names(change: Callable[[tuple[str, ...]], tuple[str, ...]], column: int) -> Dialect:
    """Another header; column counts from the end where it is negative."""

    def spoil(made: Sheet, dice: Dice) -> Spoilt | None:
        if len(made.names) < 2:
            return None
        made.names = change(made.names)
        return Spoilt(encoded(made), (1, column if column > 0 else len(made.names) + 1 + column))

    return spoil


def _name_less(made: Sheet, dice: Dice) -> Spoilt | None:
    """A header that is one name short."""
    if len(made.names) < 2:
        return None
    made.names = made.names[:-1]
    return Spoilt(encoded(made))


def _row_numbers(name: str | None, *, quoted: bool) -> Dialect:
    """A first column of row numbers, as pandas and R write it; name : of that column, None if the header lacks it."""

    def spoil(made: Sheet, dice: Dice) -> Spoilt | None:
        if not made.names and not quoted:
            return None
        for k, row in enumerate(made.rows):
            row.insert(0, f'"{k + 1}"' if quoted else str(k))
        if not made.names and made.quoted:
            return None
        if name is None or not made.names:
            width = len(made.names) + 1
            return Spoilt(encoded(made), (2, width) if made.names else (1, 2))
        made.names = (name, *made.names)
        return Spoilt(encoded(made), (1, 1))

    return spoil


def _insert(text: str) -> Dialect:
    """A line between two rows."""

    def spoil(made: Sheet, dice: Dice) -> Spoilt:
        row = 1 + dice.below(len(made.rows) - 1)
        place = (made.line_of(row), 0)
        made.rows.insert(row, [text])
        return Spoilt(encoded(made), place)

    return spoil


def _above(text: str) -> Dialect:
    def spoil(made: Sheet, dice: Dice) -> Spoilt:
        made.above = text + made.end
        return Spoilt(encoded(made))

    return spoil


def _header_again(made: Sheet, dice: Dice) -> Spoilt | None:
    """Two files put together."""
    if not made.names:
        return None
    row = 1 + dice.below(len(made.rows) - 1)
    place = (made.line_of(row), min(made.columns) + 1)
    made.rows.insert(row, list(made.names))
    return Spoilt(encoded(made), place)


def _ragged(shorter: bool) -> Dialect:
    def spoil(made: Sheet, dice: Dice) -> Spoilt | None:
        row, width = 1 + dice.below(len(made.rows) - 1), len(made.rows[0])
        if shorter and width == 1:
            return None
        made.rows[row] = made.rows[row][:-1] if shorter else [*made.rows[row], "7"]
        return Spoilt(encoded(made), (made.line_of(row), width if shorter else width + 1))

    return spoil


def _open_quote(made: Sheet, dice: Dice) -> Spoilt | None:
    row, column = len(made.rows) - 1, made.columns[-1]
    if made.columns[-1] != len(made.rows[0]) - 1:
        return None
    made.rows[row][column] = '"' + made.rows[row][column].strip(' "')
    within = sum(cell.count("\n") for cell in made.rows[row][:column])
    return Spoilt(encoded(made), (made.line_of(row) + within, column + 1))


def _counted(made: Sheet, dice: Dice) -> Spoilt | None:
    """Columns without names, as pandas writes them: 0,1,2 above the rows."""
    if len(made.rows[0]) < 2 or made.quoted or (made.values == np.rint(made.values)).all():
        return None
    made.names = tuple(str(k) for k in range(len(made.rows[0])))
    return Spoilt(encoded(made), (1, 1))


def _quoted_names(made: Sheet, dice: Dice) -> Spoilt | None:
    """Names that are numbers, in quotes, over plain numbers."""
    if made.quoted:
        return None
    made.names = tuple(f'"{k + 1}"' for k in range(len(made.rows[0])))
    return Spoilt(encoded(made))


def _fortran(value: float) -> str:
    return f"{value:.17e}".replace("e", "D")


DIALECTS: dict[str, Dialect] = {
    "semicolons": _all(lambda text: text, ";"),
    "semicolons and decimal commas": _all(lambda text: text.replace(".", ","), ";"),
    "tabs": _all(lambda text: text, "\t"),
    "blanks": _all(lambda text: text.strip(), " "),
    "decimal commas without quotes": _all(lambda text: text.strip(' "').replace(".", ",") if "." in text else "1,5"),
    "a decimal comma in quotes": _cell(lambda text, value: f"{value:.6f}".replace(".", ",")),
    "a Fortran exponent": _cell(lambda text, value: _fortran(value)),
    "a Fortran exponent first": _cell(lambda text, value: _fortran(value), first_row=True),
    "a first row of Fortran exponents": _first_row(_fortran),
    "a Fortran exponent without letter": _cell(lambda text, value: f"{value:.5f}-102"),
    "underscores": _cell(lambda text, value: f"1_{abs(int(value))}"),
    "a first row of underscores": _first_row(lambda value: f"1_{abs(int(value))}"),
    "thousands": _cell(lambda text, value: f"1,{abs(int(value)) % 1000:03d}"),
    "apostrophes": _cell(lambda text, value: f"1'{abs(int(value)) % 1000:03d}"),
    "percent": _cell(lambda text, value: f"{value:.3f}%"),
    "a first row of percents": _first_row(lambda value: f"{value:.3f} %"),
    "currency": _cell(lambda text, value: f"${abs(value):.2f}"),
    "a first row of money": _first_row(lambda value: f"{abs(value):.2f}€"),
    "hexadecimal": _cell(lambda text, value: float.hex(value)),
    "hexadecimal whole": _cell(lambda text, value: hex(abs(int(value)))),
    "a minus beyond ASCII": _cell(lambda text, value: f"−{abs(value)!r}"),
    "digits beyond ASCII": _cell(lambda text, value: "٣٫٥"),
    "wide digits": _cell(lambda text, value: "１２"),
    "a blank beyond ASCII": _cell(lambda text, value: "1\u00a0234"),
    "complex": _cell(lambda text, value: f"{value!r}+1j"),
    "a first row of complex numbers": _first_row(lambda value: f"({value!r}+1j)"),
    "missing NA": _cell(lambda text, value: "NA"),
    "missing NA first": _cell(lambda text, value: "NA", first_row=True),
    "a first row of NA": _first_row(lambda value: "NA"),
    "missing nan": _cell(lambda text, value: "nan"),
    "a first row of nan": _first_row(lambda value: "NaN"),
    "infinite": _cell(lambda text, value: "-inf"),
    "a first row of inf": _first_row(lambda value: "Inf"),
    "too large": _cell(lambda text, value: "1e999"),
    "an empty cell": _cell(lambda text, value: ""),
    "a truth value": _cell(lambda text, value: "True"),
    "a word": _cell(lambda text, value: "many"),
    "an exponent without digits": _cell(lambda text, value: "1e"),
    "two points": _cell(lambda text, value: "1.2.3"),
    "brackets": _cell(lambda text, value: f"[{value!r}]"),
    "row numbers without a name": _row_numbers("", quoted=False),
    "row numbers of R": _row_numbers('""', quoted=True),
    "row numbers without a header cell": _row_numbers(None, quoted=True),
    "an empty name": _names(lambda names: (*names[:-1], ""), -1),
    "a blank name": _names(lambda names: (*names[:-1], "  "), -1),
    "a name twice": _names(lambda names: (*names[:-1], names[0]), -1),
    "a name less": _name_less,
    "a mark twice": _bytes(lambda content: b"\xef\xbb\xbf\xef\xbb\xbf" + content.removeprefix(b"\xef\xbb\xbf"), (1, 1)),
    "UTF-16": _bytes(lambda content: content.decode("utf-8-sig").encode("utf-16"), (1, 1)),
    "UTF-16 without a mark": _bytes(lambda content: content.decode("utf-8-sig").encode("utf-16-le"), (1, 1)),
    "Latin-1": _bytes(lambda content: content + b"\xe9", None),
    "NUL": _bytes(lambda content: content + b"\0", None),
    "a zip": _bytes(lambda content: b"PK\x03\x04" + content, (1, 1)),
    "nothing": _bytes(lambda content: b"", (1, 1)),
    "sep=": _above("sep=,"),
    "a comment": _above("# written on a Monday"),
    "a title": _above("My table"),
    "a line of blanks between": _insert("   "),
    "a comment between": _insert("# the second part"),
    "the header again": _header_again,
    "a short row": _ragged(shorter=True),
    "a long row": _ragged(shorter=False),
    "an open quote": _open_quote,
    "numbers of columns": _counted,
    "quoted numbers of columns": _quoted_names,
}
