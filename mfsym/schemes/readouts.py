"""Read-outs by name: ways to make a trained model equivariant over the orbit of its input."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from types import MappingProxyType
from typing import Any

from mfsym.arguments import as_choice, suggestions
from mfsym.errors import MfsymError
from mfsym.representations import Representation
from mfsym.schemes.actions import Move
from mfsym.schemes.averages import Equitune, LambdaEquitune
from mfsym.schemes.canonical import Canonical
from mfsym.schemes.choices import Equizero
from mfsym.schemes.symmetrisers import Symmetriser

READOUTS: Mapping[str, type[Symmetriser]] = MappingProxyType(
    {"equitune": Equitune, "lambda": LambdaEquitune, "equizero": Equizero, "canonical": Canonical}
)
"""Maps the name of a read-out to its class."""


def symmetrise(
    model: Any,
    rho_x: Representation | Move | None = None,
    rho_y: Representation | Move | None = None,
    how: str = "equitune",
    **options: Any,
) -> Symmetriser:
    """Any model made equivariant under a group, as a function of a batch: see ``Symmetriser`` and docs/symmetrisers.md.

    how : "equitune", the mean over the orbit; "lambda", a weighted mean, with ``weights``; "equizero", the view that
    minimises a ``proxy``; "canonical", views relative to an equivariant ``frame`` of the input.
    options : group, batch_size; order (all but canonical); and those of ``averages.Equitune``,
    ``averages.LambdaEquitune``, ``choices.Equizero`` and ``canonical.Canonical``.
    MfsymError for anything unknown.

    >>> import numpy as np
    >>> from mfsym.groups import cyclic
    >>> swap = cyclic(2).permutation()
    >>> first = symmetrise(lambda x: np.stack([x[:, 0], 0 * x[:, 0]], axis=1), swap, swap)
    >>> first([[1.0, 3.0]])
    array([[0.5, 1.5]])
    """
    kind = READOUTS[as_choice(how, "how", READOUTS)]
    known = {each.name: each for each in signature(kind.__init__).parameters.values() if each.kind is each.KEYWORD_ONLY}
    for option in options:
        if option not in known:
            raise MfsymError(f"{how} has no option {option!r}{suggestions(option, known)}")
    for option, each in known.items():
        if option not in options and each.default is each.empty:
            raise MfsymError(f"{how} needs the option {option!r}: see symmetrise")
    made: Symmetriser = kind(model, rho_x, rho_y, **options)
    return made
