"""Cells of a table: recognition of plain decimal numbers and names, and explanations of malformed ones."""

from __future__ import annotations

import re

NUMBER = re.compile(r"[+-]?(?:[0-9]{1,800}(?:\.[0-9]{0,800})?|\.[0-9]{1,800})(?:[eE][+-]?[0-9]{1,9})?")
"""A plain decimal number, such as 3, -0.5, .5, 5. or 1.5e-3."""

ACCEPTED = "cells are plain decimal numbers such as -1.5e-3, separated by commas"

LONGEST = 200
"""Largest number of characters of a cell that is diagnosed."""

_DIGITS = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_PLAIN = rf"[+-]?{_DIGITS}(?:[eE][+-]?[0-9]+)?"

_SEPARATORS = (
    (re.compile(r".*;.*", re.DOTALL), "holds a semicolon: separate cells by commas, and write decimals with a point"),
    (re.compile(r".*\t.*", re.DOTALL), "holds a tab: separate cells by commas"),
)

_NEAR_NUMBERS = (
    (
        re.compile(rf"{_PLAIN}(?: +{_PLAIN})+"),
        "holds blanks: write commas (numpy.savetxt: delimiter=',')",
    ),
    (re.compile(rf"[+-]?{_DIGITS}[dDqQ][+-]?[0-9]+"), "has a Fortran exponent: write e for it, as in 1.0e+01"),
    (re.compile(rf"[+-]?{_DIGITS}[+-][0-9]+"), "has a Fortran exponent without its letter: write e, as in 1.0e-100"),
    (re.compile(r"[+-]?[0-9.' ]*,[0-9.,' ]*(?:[eE][+-]?[0-9]+)?"), "holds a comma: write decimals with a point"),
    (re.compile(r"[+-]?[0-9.]+(?:_[0-9.]+)+(?:[eE][+-]?[0-9_]+)?"), "holds underscores: write digits only"),
    (re.compile(r"[+-]?[0-9]+(?:['’][0-9]{3})+(?:\.[0-9]*)?"), "holds thousands separators: write digits only"),
    (re.compile(r"[+-]?0[xX][0-9a-fA-F.]+(?:[pP][+-]?[0-9]+)?"), "is hexadecimal: write it in decimals"),
    (re.compile(rf"{_PLAIN} *%"), "is a percentage: write it as a plain number"),
    (re.compile(rf"[+-]?(?:[$€£¥] *{_PLAIN}|{_PLAIN} *[$€£¥])"), "has a currency sign: write digits only"),
    (re.compile(rf"\(?(?:{_PLAIN})?{_PLAIN}[ij]\)?"), "is complex: write real and imaginary parts as two columns"),
    (re.compile(r"[+-]?(?i:inf|infinity|1\.#inf|∞)"), "is infinite: numbers must be finite"),
    (re.compile(r"NA|N/A|#N/A|[+-]?(?i:nan|null|none|1\.#ind)|[-?.]"), "is a missing value: fill it or drop the row"),
    (
        re.compile(r"[0-9.]*[^\x00-\x7f\w][0-9.]*[0-9][0-9.]*"),
        "has non-ASCII characters: write + - . 0-9 and e",
    ),
    (re.compile(r"(?=.*[^\x00-\x7f])[+-]?[\d.]+"), "has non-ASCII digits: write 0-9"),
)
"""Number formats of other programs: refused as cells, and as names, since a row might be mistaken for a header."""

_OTHERS = (
    (re.compile(r"#.*", re.DOTALL), "is a comment: remove the line"),
    (re.compile(r"true|false", re.IGNORECASE), "is a boolean: write 1 or 0"),
)


def is_number(text: str) -> bool:
    """Whether a cell is a plain decimal number.

    >>> [is_number(text) for text in ("-.5e3", "5.", "1_5", "1,5", "nan", "")]
    [True, True, False, False, False, False]
    """
    return NUMBER.fullmatch(text) is not None


def cell_fault(text: str) -> str:
    """What is wrong with a cell that is not a number, and what would be accepted.

    >>> cell_fault("1.0D+01").partition(";")[0]
    "'1.0D+01' has a Fortran exponent: write e for it, as in 1.0e+01"
    """
    found = _first(text, (*_SEPARATORS, *_NEAR_NUMBERS, *_OTHERS)) if text else "is empty: fill it or drop the row"
    if len(text) > LONGEST:
        found = f"is {len(text)} characters long"
    return f"{text[:40]!r} {found or 'is not a number'}; {ACCEPTED}"


def name_fault(text: str, quoted: bool) -> str:
    """What is wrong with a cell as a column name; "" if it is valid.

    quoted : whether the cell is in quotes, which allow semicolons and tabs.
    """
    if not text:
        return "a column without a name; name it, or drop row numbers (pandas: index=False, R: row.names=FALSE)"
    if text == "sep=":
        return "'sep=' is a line for spreadsheets only; remove it"
    found = _first(text, _NEAR_NUMBERS if quoted else (*_SEPARATORS, *_NEAR_NUMBERS))
    if found:
        return f"{text[:40]!r} {found}; the first line holds plain decimal numbers, or names only"
    if not text.isprintable() or text[0].isspace() or text[-1].isspace():
        return f"the name {text[:40]!r} holds invisible characters; remove them"
    return ""


def _first(text: str, forms: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    """The explanation of the first form that matches a text; "" for a long text."""
    return next((words for form, words in forms if form.fullmatch(text)), "") if len(text) <= LONGEST else ""
