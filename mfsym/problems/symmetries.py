"""Build groups and representations from expressions in a problem file, or from matrices."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_floats, as_whole
from mfsym.errors import MfsymError
from mfsym.groups import (
    Group,
    cyclic,
    dihedral,
    from_generators,
    o,
    product,
    signed_permutations,
    so,
    symmetric,
    trivial,
    u1,
)
from mfsym.groups.catalogue import permutation_matrices, permutation_matrix
from mfsym.problems.expressions import Language
from mfsym.problems.fields import GroupTable, Matrices, RepresentationTable
from mfsym.representations import Representation, hom
from mfsym.stores.npy import parse_npy
from mfsym.units.mlp import Gated, Normed, Part

Floats = NDArray[np.float64]

MAX_DIM = 4096
"""Largest dimension of a representation in a problem file."""


@dataclass(frozen=True)
class Family:
    """A family of groups: its constructor, largest size and description."""

    build: Callable[[int], Group]
    largest: int
    meaning: str


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "cyclic": Family(cyclic, 1024, "rotations of the plane by 1/n turns; shifts of n points"),
        "dihedral": Family(dihedral, 1024, "symmetries of the regular n-gon"),
        "symmetric": Family(symmetric, 7, "permutations of n coordinates"),
        "signed_permutations": Family(signed_permutations, 5, "permutations of n coordinates and changes of sign"),
        "so": Family(so, 32, "rotations of R^n"),
        "o": Family(o, 32, "rotations and reflections of R^n"),
        "u1": Family(u1, 16, "k phases: rotations of k planes"),
    }
)
"""Groups by name, each with a size: ``cyclic(4)``. Besides these: ``trivial`` and ``product(a, b, ...)``."""

REPRESENTATIONS: Mapping[str, str] = MappingProxyType(
    {
        "vector": "the matrices that define the group",
        "permutation": "the natural permutation of points",
        "sign": "the sign on R",
        "regular": "the group permuting its own elements (finite groups)",
        "trivial(n)": "n coordinates that do not move",
        "charge(m, ...)": "the plane turned m times as fast, for so(2), o(2), u1(k)",
        "irrep(l)": "the irreducible representation of so(3), o(3) on R^(2l+1)",
        "pixels(n)": "an n x n image, row by row, turned with the plane",
        "hom(a, b)": "linear maps from a to b",
        "sym2(a), alt2(a)": "symmetric and antisymmetric matrices on a",
        "factor(i, a)": "a of factor i (from 0) of a product",
        "a + b, 2 * a, a * b": "direct sum, copies, tensor product",
    }
)
"""Names in the expression of a representation, and their meaning."""


def build_group(table: GroupTable, folder: Path) -> Group:
    """The group of a table [group]: a name such as "cyclic(4)", or generators as matrices."""
    if table.generators is None:
        functions = {name: partial(_member, name) for name in FAMILIES} | {"product": _product}
        made = Language("group.name", {"trivial": trivial}, functions, {}).evaluate(table.name)
        if not isinstance(made, Group):
            raise MfsymError(f"group.name must be a group such as cyclic(4), got {table.name[:60]!r}")
        return made
    return from_generators(_matrices(table.generators, folder, "group.generators"), table.name)


def build_representation(given: str | RepresentationTable, group: Group, folder: Path, where: str) -> Representation:
    """A representation of the group from an expression such as "2 * vector + trivial(1)", or from matrices."""
    if isinstance(given, str):
        made = _language(group, where).evaluate(given)
        if not isinstance(made, Representation):
            raise MfsymError(f"{where} must be a representation such as 2 * vector, got {given[:60]!r}")
        return made
    if (given.generators is None) == (given.permutations is None):
        raise MfsymError(f"{where} needs either generators or permutations")
    if given.permutations is not None:
        _small(max(map(len, given.permutations), default=0))
        return group.representation([permutation_matrix(images) for images in given.permutations])
    algebra = None if given.algebra is None else _matrices(given.algebra, folder, f"{where}.algebra")
    generators = _matrices(given.generators or [], folder, f"{where}.generators")
    _small(generators.shape[-1])
    return group.representation(generators, algebra)


def build_part(text: str, group: Group, where: str) -> Part:
    """The representation of a hidden layer, plain or wrapped in "gated(a)" or "normed(a)"."""
    language = _language(group, where)
    functions = {**language.functions, "gated": lambda a: Gated(_rep(a)), "normed": lambda a: Normed(_rep(a))}
    made = replace(language, functions=functions).evaluate(text)
    if not isinstance(made, Part):
        raise MfsymError(f"{where} must hold representations such as permutation, got {text[:60]!r}")
    return made


def pixels(group: Group, n: int) -> Representation:
    """The action on n x n images, flattened row by row, for plane groups that preserve the square grid.

    x to the right along rows, y up; the quarter turn of C_4 turns the image counter-clockwise.
    """
    n = as_whole(n, "n of pixels", 1, 64)
    grid = np.arange(n) - (n - 1) / 2.0
    points = np.stack(np.meshgrid(grid, -grid, indexing="xy"), axis=-1).reshape(-1, 2)
    if group.dimension or group.degree != 2:
        raise MfsymError(f"pixels needs a finite group of the plane that keeps the square grid, got {group.name}")
    moved = np.einsum("mij,qj->mqi", group.generator_defining, points)
    rows, columns = (n - 1) / 2.0 - moved[..., 1], moved[..., 0] + (n - 1) / 2.0
    if np.abs(moved - np.rint(2.0 * moved) / 2.0).max(initial=0.0) > 1e-9:
        raise MfsymError(f"pixels needs a finite group of the plane that keeps the square grid, got {group.name}")
    images = np.rint(rows * n + columns).astype(np.intp)
    return group.representation(permutation_matrices(images), name=f"pixels({n})")


def _language(group: Group, where: str) -> Language:
    names = {name: partial(_natural, group, name) for name in ("vector", "permutation", "sign", "regular")}
    functions: dict[str, Callable[..., Any]] = {
        "trivial": partial(_trivial, group),
        "charge": partial(_charge, group),
        "irrep": partial(_irrep, group),
        "pixels": partial(pixels, group),
        "hom": _hom,
        "sym2": partial(_square, 1),
        "alt2": partial(_square, -1),
    }
    operators: dict[type[ast.AST], Callable[..., Any]] = {ast.Add: _sum, ast.Mult: _times}
    return Language(where, names, functions, operators, special={"factor": partial(_factor, group, where)})


def _natural(group: Group, name: str) -> Representation:
    if name == "regular" and group.order is not None:
        _small(group.order)
    made: Representation = getattr(group, name)()
    return made


def _trivial(group: Group, n: int = 1) -> Representation:
    return group.trivial(as_whole(n, "n of trivial", 1, MAX_DIM))


def _charge(group: Group, *charges: int) -> Representation:
    return group.charge(*(as_whole(m, "a charge", -1000, 1000) for m in charges))


def _irrep(group: Group, degree: int, parity: int | None = None) -> Representation:
    return group.irrep(as_whole(degree, "the degree of irrep", 0, 100), parity)


def _factor(group: Group, where: str, index: str, text: str) -> Representation:
    """The representation ``text`` of one factor of a product group, as a representation of the product."""
    if not index.isdecimal() or int(index) >= len(group.factors):
        raise MfsymError(f"{where}: factor needs a number below {len(group.factors)} first, got {index[:20]!r}")
    return _rep(_language(group.factors[int(index)], where).evaluate(text)).inflate(group, int(index))


def _hom(a: Any, b: Any) -> Representation:
    _small(_rep(a).dim * _rep(b).dim)
    return hom(a, b)


def _square(sign: int, a: Any) -> Representation:
    _small(_rep(a).dim ** 2)
    return _rep(a).symmetric_square if sign > 0 else _rep(a).antisymmetric_square


def _sum(a: Any, b: Any) -> Representation:
    _small(_rep(a).dim + _rep(b).dim)
    return _rep(a) + _rep(b)


def _times(a: Any, b: Any) -> Representation:
    """a copies of b if a is a number; the tensor product if both are representations."""
    if isinstance(a, int | float):
        copies = as_whole(a, "the number of copies", 1, MAX_DIM)
        _small(copies * _rep(b).dim)
        return copies * _rep(b)
    _small(_rep(a).dim * _rep(b).dim)
    return _rep(a) * _rep(b)


def _rep(value: Any) -> Representation:
    if not isinstance(value, Representation):
        raise MfsymError(f"a representation is needed where {str(value)[:40]!r} stands")
    return value


def _small(dim: int) -> None:
    if dim > MAX_DIM:
        raise MfsymError(f"a representation of a problem file must act on at most R^{MAX_DIM}, got R^{dim}")


def _member(name: str, n: Any) -> Group:
    family = FAMILIES[name]
    return family.build(as_whole(n, f"n of {name}", 1, family.largest))


def _product(*groups: Any) -> Group:
    if not all(isinstance(group, Group) for group in groups):
        raise MfsymError("product needs groups, such as product(cyclic(2), so(2))")
    return product(*groups)


def _matrices(given: Matrices, folder: Path, where: str) -> Floats:
    """Matrices (m, k, k) as given, or from a .npy file relative to the problem's folder."""
    values: Any
    if isinstance(given, str):
        path = folder / given
        if path.suffix.lower() != ".npy":
            raise MfsymError(f"{where} must be a list of matrices or a .npy file, got {given[:60]!r}")
        try:
            values = parse_npy(path.read_bytes())
        except OSError as error:
            raise MfsymError(f"{path}: cannot be read: {error.strerror or error}") from error
        except (ValueError, SyntaxError) as error:
            raise MfsymError(f"{path}: not an array: {' '.join(str(error).split())[:160]}") from error
    else:
        values = given
    matrices = as_floats(values, where)
    if matrices.ndim != 3 or matrices.shape[1] != matrices.shape[2]:
        raise MfsymError(f"{where} must have shape (number, k, k), got shape {matrices.shape}")
    if not np.isfinite(matrices).all():
        raise MfsymError(f"{where} must be finite")
    return matrices
