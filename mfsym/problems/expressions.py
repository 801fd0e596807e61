"""Expressions in problem files (groups, representations, formulas), evaluated without running Python code."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, expit

from mfsym.arguments import nearest
from mfsym.errors import MfsymError

Floats = NDArray[np.float64]

MAX_TEXT = 2000
"""Longest expression, in characters."""

_SHAPE_ERRORS = (TypeError, ValueError, OverflowError, ZeroDivisionError, MemoryError)


@dataclass(frozen=True)
class Language:
    """The grammar of an expression: its names, functions and operators.

    what : kind of expression, for errors.  names : evaluated lazily, by a function without arguments.
    number : converts a literal number.  special : functions that receive their arguments as unparsed text.
    """

    what: str
    names: Mapping[str, Callable[[], Any]]
    functions: Mapping[str, Callable[..., Any]]
    operators: Mapping[type[ast.AST], Callable[..., Any]]
    number: Callable[[Any], Any] = lambda value: value
    special: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    def evaluate(self, text: str) -> Any:
        """The value of an expression; MfsymError, which quotes the text, if it is invalid."""
        tree = self.parse(text)
        try:
            return self._value(tree)
        except RecursionError:
            raise MfsymError(f"{self.what} {text[:60]!r} is nested too deeply") from None
        except _SHAPE_ERRORS as error:
            reason = " ".join(str(error).split())[:160] or type(error).__name__
            raise MfsymError(f"{self.what} {text[:60]!r}: {reason}") from error

    def parse(self, text: str) -> ast.expr:
        """The syntax tree; MfsymError if the text is not a single expression."""
        if len(text) > MAX_TEXT:
            raise MfsymError(f"{self.what} must be under {MAX_TEXT} characters, got {len(text)}")
        try:
            return ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise MfsymError(f"{self.what} must be an expression such as a + b(2), got {text[:60]!r}") from error

    def _value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
            return self.number(node.value)
        if isinstance(node, ast.Name):
            return self._known(node.id, self.names)()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            if node.func.id in self.special:
                return self.special[node.func.id](*map(ast.unparse, node.args))
            return self._known(node.func.id, self.functions)(*map(self._value, node.args))
        if isinstance(node, ast.BinOp) and type(node.op) in self.operators:
            return self.operators[type(node.op)](self._value(node.left), self._value(node.right))
        if isinstance(node, ast.UnaryOp) and type(node.op) in self.operators:
            return self.operators[type(node.op)](self._value(node.operand))
        raise MfsymError(f"{self.what} may not contain {ast.unparse(node)[:60]!r}")

    def _known(self, name: str, table: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
        if name not in table:
            other = self.functions if table is self.names else self.names
            called = sorted((*self.functions, *self.special))
            known = [*sorted(self.names), *(f"{each}(...)" for each in called)]
            hint = f"{nearest(name, [*called, *self.names])}; known: {', '.join(known)}"
            if name in other or name in self.special:
                hint = f"; write {name}(...)" if table is self.names else f"; write {name} without brackets"
            raise MfsymError(f"{self.what}: unknown name {name[:40]!r}{hint}")
        return table[name]


def _column(x: Floats, k: int) -> Floats:
    return x[:, k]


def _single(name: str, function: Callable[[Any], Any], *arguments: Any) -> Any:
    """Apply a function of one argument; a ufunc would take a second argument as its output array."""
    if len(arguments) != 1:
        raise MfsymError(f"a formula: {name} takes one argument, got {len(arguments)}")
    return function(arguments[0])


def _several(name: str, function: Callable[[Sequence[Any]], Any], *arguments: Any) -> Any:
    """Apply a function to the list of its arguments, broadcast against each other."""
    if not arguments:
        raise MfsymError(f"a formula: {name} takes one argument or more, got none")
    return function(np.broadcast_arrays(*arguments))


def _norm(columns: Sequence[Floats]) -> Floats:
    return np.sqrt(np.sum([column**2 for column in columns], axis=0))


_SINGLE: Mapping[str, Callable[[Any], Any]] = {
    **{name: getattr(np, name) for name in ("sin", "cos", "tan", "tanh", "exp", "log", "sqrt", "abs", "sign")},
    **{"erf": erf, "sigmoid": expit},
}
_SEVERAL: Mapping[str, Callable[[Sequence[Any]], Any]] = {
    "min": partial(reduce, np.minimum),
    "max": partial(reduce, np.maximum),
    "norm": _norm,
}

FUNCTIONS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {name: partial(_single, name, function) for name, function in _SINGLE.items()}
    | {name: partial(_several, name, function) for name, function in _SEVERAL.items()}
)
"""Functions of formulas, entry by entry. min, max and norm, the Euclidean norm, take any number of arguments."""

_ARITHMETIC: Mapping[type[ast.AST], Callable[..., Any]] = MappingProxyType(
    {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
        ast.Pow: operator.pow,
        ast.USub: operator.neg,
        ast.UAdd: operator.pos,
    }
)


class TimeFormula:
    """A step schedule s(t) as a formula in the mean-field time t, in the grammar of ``Formula``.

    >>> TimeFormula("1/(1+t)")(np.array([0.0, 1.0]))
    array([1. , 0.5])
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self(np.zeros(1))

    def __call__(self, times: Floats) -> Floats:
        """Factors (S,) at times (S,); non-finite values are returned unchanged."""
        names: dict[str, Callable[[], Any]] = {"t": lambda: times, "pi": partial(np.float64, np.pi)}
        language = Language("a schedule", names, FUNCTIONS, _ARITHMETIC, np.float64)
        with np.errstate(all="ignore"):
            return np.broadcast_to(language.evaluate(self.text), times.shape).astype(np.float64)


class Formula:
    """f: R^d -> R^c by one formula per output, in x1 ... xd, numbers, pi, + - * / ** and FUNCTIONS.

    >>> Formula(["x1**2 + x2**2"], 2)(np.array([[3.0, 4.0]]))
    array([[25.]])
    """

    def __init__(self, texts: list[str], d: int) -> None:
        self.texts, self.d = tuple(texts), d
        probe = self(np.ones((1, d)))
        if probe.shape != (1, len(texts)):
            raise MfsymError(f"a formula must give one number for each input, got shape {probe.shape}")

    def __call__(self, x: Floats) -> Floats:
        """Values (Q, c) at x (Q, d); MfsymError if one is not finite."""
        names: dict[str, Callable[[], Any]] = {f"x{k + 1}": partial(_column, x, k) for k in range(self.d)}
        names["pi"] = partial(np.float64, np.pi)
        language = Language("a formula", names, FUNCTIONS, _ARITHMETIC, np.float64)
        with np.errstate(all="ignore"):
            values = [np.broadcast_to(language.evaluate(text), len(x)) for text in self.texts]
        result = np.stack(values, axis=1).astype(np.float64)
        bad = ~np.isfinite(result).all(axis=1)
        if bad.any():
            raise MfsymError(f"a formula must be finite everywhere, got {result[bad][0]} at x = {x[bad][0]}")
        return result
