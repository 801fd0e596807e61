"""Direct products."""

from __future__ import annotations

import numpy as np
from scipy.linalg import block_diag

from mfsym.errors import MfsymError
from mfsym.groups.base import Floats, Group
from mfsym.groups.finite import FiniteGroup


def product(*groups: FiniteGroup) -> FiniteGroup:
    """The direct product, acting on the direct sum of the factors' defining spaces, factor after factor.

    A representation of a factor becomes one of the product with ``rep.inflate(product, index)``.
    """
    if not groups:
        raise MfsymError("product needs at least one group")
    matrices = [
        block_diag(*(generator if i == j else np.eye(other.degree) for j, other in enumerate(groups)))
        for i, group in enumerate(groups)
        for generator in group.generator_defining
    ]
    degree = sum(group.degree for group in groups)
    stacked = np.array(matrices, dtype=np.float64).reshape(-1, degree, degree)
    return FiniteGroup(stacked, " x ".join(group.name for group in groups), generator_names=product_names(groups))


def product_names(groups: tuple[Group, ...]) -> tuple[str, ...]:
    """Generator names of a product: the factors' own, numbered by factor where two factors share one."""
    names = [(i, name) for i, group in enumerate(groups) for name in group.generator_names]
    plain = [name for _, name in names]
    return tuple(f"{name}{i + 1}" if plain.count(name) > 1 else name for i, name in names)


def block(matrix: Floats, index: int, groups: tuple[Group, ...]) -> Floats:
    """The diagonal block of factor ``index`` in matrices (..., k, k) of a product."""
    start = sum(group.degree for group in groups[:index])
    stop = start + groups[index].degree
    return np.asarray(matrix[..., start:stop, start:stop])
