"""E^G against emlp (Finzi, Welling & Wilson 2021, arXiv:2104.09459), where its package is installed (extra bench)."""

from typing import Any

import numpy as np
import pytest

from mfsym.groups import cyclic, dihedral, o, so, symmetric
from mfsym.representations import Representation, hom
from tests.tolerances import ITERATED

PAIRS: list[tuple[str, Any, Representation, Representation]] = [
    ("S(4)", lambda v: v >> v, symmetric(4).permutation(), symmetric(4).permutation()),
    ("S(3)", lambda v: v * v >> v, symmetric(3).permutation() * symmetric(3).permutation(), symmetric(3).permutation()),
    ("Z(5)", lambda v: v >> v, cyclic(5).permutation(), cyclic(5).permutation()),
    (
        "D(4)",
        lambda v: v * v >> v * v,
        dihedral(4).vector() * dihedral(4).vector(),
        dihedral(4).vector() * dihedral(4).vector(),
    ),
    ("SO(2)", lambda v: v >> v, so(2).vector(), so(2).vector()),
    ("SO(3)", lambda v: v >> v, so(3).vector(), so(3).vector()),
    ("SO(3)", lambda v: v * v >> v, so(3).vector() * so(3).vector(), so(3).vector()),
    ("O(3)", lambda v: v * v >> v * v, o(3).vector() * o(3).vector(), o(3).vector() * o(3).vector()),
]


def _their_projector(group: str, maps: Any) -> np.ndarray:
    groups = pytest.importorskip("emlp.groups", reason="the extra bench")
    from emlp.reps import V

    name, size = group.rstrip(")").split("(")
    space = maps(V)(getattr(groups, name)(int(size)))
    basis = np.linalg.qr(np.asarray(space.equivariant_basis(), dtype=np.float64))[0]
    return basis @ basis.T


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("group", "maps", "source", "target"), PAIRS, ids=range(len(PAIRS)))
def test_equivariant_maps_span_the_subspace_that_emlp_finds(
    group: str, maps: Any, source: Representation, target: Representation
) -> None:
    theirs = _their_projector(group, maps)
    ours = hom(source, target).fixed_subspace()
    assert np.linalg.matrix_rank(theirs, tol=0.5) == ours.dimension
    assert np.abs(theirs - ours.projector).max() < ITERATED


@pytest.mark.filterwarnings("ignore")
def test_another_group_spans_another_subspace() -> None:
    theirs = _their_projector("S(4)", lambda v: v >> v)
    other = hom(cyclic(4).permutation(), cyclic(4).permutation()).fixed_subspace()
    assert np.abs(theirs - other.projector).max() > 0.1
