"""The grammar of CSV tables: what is read is what was meant; the rest is refused by line and column."""

from __future__ import annotations

import csv
import re
import time
from pathlib import Path

import numpy as np
import pytest

from mfsym.errors import MfsymError
from mfsym.stores.clouds import load_cloud
from mfsym.stores.samples import load_samples
from tests.tables import DIALECTS, Sheet, encoded, sheet

FILES = 700
SPOTTED = re.compile(r": line (\d+), column (\d+): ")


def read(path: Path, made: Sheet, data: bool) -> np.ndarray:
    return load_samples(path, x=("x",), y=("x0",))[0] if data else load_cloud(str(path))


def naive(path: Path, made: Sheet, data: bool) -> np.ndarray:
    """As the readers were before there was a grammar: the control that the generator must catch."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row]
    if data:
        table = np.array([[float(text) for text in row] for row in rows[1:]])
        columns = {name.strip(): table[:, k] for k, name in enumerate(rows[0])}
        return np.column_stack([columns[name] for name in columns if re.fullmatch(r"x\d+", name)])
    try:
        float(rows[0][0])
    except ValueError:
        rows = rows[1:]
    return np.array([[float(text) for text in row] for row in rows])


def wrong(found: np.ndarray, made: Sheet) -> bool:
    return found.shape != made.values.shape or not np.array_equal(found, made.values)


def test_every_file_of_the_grammar_is_read_as_it_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    for index in range(200):
        data = index % 2 == 1
        made, _ = sheet(index, data=data)
        path.write_bytes(encoded(made))
        assert not wrong(read(path, made, data), made), (index, path.read_bytes())


def answer(path: Path, made: Sheet, data: bool) -> np.ndarray | str:
    """The numbers that are read, or the refusal without the file's name."""
    try:
        return read(path, made, data)
    except MfsymError as error:
        return str(error).removeprefix(str(path))


def is_fooled(path: Path, made: Sheet, data: bool) -> bool:
    """Whether the control reads something else than was meant, without a word."""
    try:
        return wrong(naive(path, made, data), made)
    except (ValueError, KeyError, IndexError, csv.Error):
        return False


def test_no_spoilt_file_is_read_as_something_else(tmp_path: Path) -> None:
    path, names = tmp_path / "a.csv", list(DIALECTS)
    tried, refused, fooled = 0, set(), set()
    for index in range(FILES):
        data, name = index // len(names) % 2 == 1, names[index % len(names)]
        made, dice = sheet(1000 + index, data=data)
        spoilt = DIALECTS[name](made, dice)
        if spoilt is None:
            continue
        tried += 1
        path.write_bytes(spoilt.content)
        found, case = answer(path, made, data), (index, name, spoilt.content)
        if isinstance(found, str):
            place = SPOTTED.match(found)
            assert place is not None, (case, found)
            assert "\n" not in found
            spotted = (int(place[1]), int(place[2]))
            expected = spoilt.place or spotted
            assert spotted == (expected[0], expected[1] or spotted[1]), (case, found)
            refused.add(name)
        else:
            assert not wrong(found, made), case
        if is_fooled(path, made, data):
            fooled.add(name)
    assert tried >= 500
    assert refused == set(names), "every dialect is refused in some file"
    assert len(fooled) >= 10, "the control must fail: a reader without a grammar takes these for something else"


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"1,2\n3,4", [[1, 2], [3, 4]]),
        (b"\xef\xbb\xbf1,2\r\n3,4\r\n\r\n", [[1, 2], [3, 4]]),
        (b"1,2\r3,4", [[1, 2], [3, 4]]),
        (b"x,y\n1,2", [[1, 2]]),
        (b'"x","y"\n"1","2"', [[1, 2]]),
        (b'"x, first"\n1', [[1]]),
        (b"+1., .5 ,-2e3,4E-1", [[1, 0.5, -2000, 0.4]]),
        (b"0\n0.5", [[0], [0.5]]),
        (b"0,1\n1,0", [[0, 1], [1, 0]]),
        (b"1x1,1x2\n1,2", [[1, 2]]),
        ("α1,θ\n1,2".encode(), [[1, 2]]),
        (b"0." + b"1" * 700, [[1 / 9]]),
    ],
)
def test_tables_within_the_grammar(tmp_path: Path, content: bytes, rows: list[list[float]]) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    assert load_cloud(str(tmp_path / "a.csv")).tolist() == rows


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"1.0D+01,10", r"line 1, column 1: '1.0D\+01' has a Fortran exponent: write e"),
        (b"NA,10", "line 1, column 1: 'NA' is a missing value"),
        (b"x,10\n1,2", "line 1, column 1: 'x' is not a number.*a header holds no number, and this line does"),
        (b"5;2\n1;1", "line 1, column 1: '5;2' holds a semicolon: separate cells by commas"),
        (b"5\t2", "line 1, column 1: '5.t2' holds a tab: separate cells by commas"),
        (b"1 2\n3 4", "line 1, column 1: '1 2' holds blanks: write commas"),
        (b'x\n"1,5"', "line 2, column 1: in 'x', '1,5' holds a comma: write decimals with a point"),
        (b"x\n1,5", "line 2, column 2: 2 cells, where line 1 has 1; is there .* a decimal comma"),
        (b"1_5,2", "line 1, column 1: '1_5' holds underscores"),
        (b'"","x"\n"1",2', r"line 1, column 1: a column without a name; .*index=False.*row.names=FALSE"),
        (b"Unnamed: 0,x\n1,2", "line 1, column 1: 'Unnamed: 0' is pandas' name for a column without a name"),
        (b'"x","y"\n"1",2,3', "line 2, column 3: 3 cells, where line 1 has 2; is there a column of row numbers"),
        (b'"1",2,3', "line 1, column 2: the number '2' is not in quotes and others are; is it a name"),
        (b"x,x\n1,2", "line 1, column 2: the name 'x' occurs twice"),
        (b"0,1\n0.5,2", "line 1, column 1: the line 0,1 may be a row or pandas' column numbers"),
        (b"x,y\n", "line 2, column 1: no row follows the header"),
        (b"\n1,2", "line 1, column 1: the line is empty"),
        (b"1,2,\n3,4,", "line 1, column 3: '' is empty: fill it or drop the row; .*a comma ends the line"),
        (b"1,2\n\n3,4", "line 2, column 1: the line is empty"),
        (b'1,2\n"3,4', "line 2, column 1: a quote is never closed"),
        (b'1,2\n"3" x,4', "line 2, column 1: text after a closing quote: ' x'"),
        (b"1,2\n3,\xe94", "line 2, column 2: byte 0xe9 is not UTF-8, perhaps Latin-1; save the file as UTF-8"),
        (b"1,2\r\n3,\x004", "line 2, column 2: a NUL byte"),
        (b"1,1e999", "line 1, column 2: '1e999' is too large"),
        (b"1," + b"1" * 900, "line 1, column 2: '1{40}' is 900 characters long"),
    ],
)
def test_what_leaves_the_grammar_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(MfsymError, match=rf"a\.csv: {words}"):
        load_cloud(str(tmp_path / "a.csv"))


@pytest.mark.parametrize("cell", ["1" * 5000 + "x", "1 " * 100 + "x", "1" * 199 + "x", "'" * 150 + "1", "1_" * 99])
def test_odd_cells_are_refused_at_once(tmp_path: Path, cell: str) -> None:
    (tmp_path / "a.csv").write_text(f"x,y\n1,{cell}\n")
    started = time.monotonic()
    with pytest.raises(MfsymError, match="line 2, column 2"):
        load_cloud(str(tmp_path / "a.csv"))
    assert time.monotonic() - started < 2.0


def test_columns_that_nobody_names_may_hold_anything(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,x0,note,x1,y\n"a;1",1,"two\nlines, ""quoted""",2,3\n,4,NA,5,6\n')
    x, y = load_samples(path)
    assert x.tolist() == [[1, 2], [4, 5]]
    assert y.tolist() == [[3], [6]]
    with pytest.raises(MfsymError, match=r"a\.csv: line 2, column 3: in 'note'"):
        load_samples(path, x=["note"])
    with pytest.raises(MfsymError, match=r"a\.csv: line 1, column 1: has no 'z'; it holds id, note, x0, x1, y"):
        load_samples(path, x=["z"])
    path.write_text("1,2\n3,4\n")
    with pytest.raises(MfsymError, match=r"line 1, column 1: '1' is a number; a data set starts with a header"):
        load_samples(path)
    path.write_text("x1,x01,y\n3,4,5\n")
    with pytest.raises(MfsymError, match=r"'x1' and 'x01' have the same number"):
        load_samples(path)
    assert load_samples(path, x=["x01", "x01"])[0].tolist() == [[4, 4]]
