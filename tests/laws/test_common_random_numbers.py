"""One replicate trains every scheme on the same start, the same data and the same noise; only Haar draws are extra."""

import numpy as np
import pytest

from mfsym.data.teachers import Teacher, reference_teacher
from mfsym.dynamics import NoisySGD
from mfsym.ensembles import init_particles
from mfsym.schemes import SCHEMES
from mfsym.streams import normals, stream_key
from tests.catalogue import CASES
from tests.tolerances import ALGEBRA, ROUNDOFF, SPLIT
from tests.trainings import asymmetric_teacher

NOISE = 1e-2


class Recorded(Teacher):
    """A teacher that remembers its draws."""

    def draw(self, key, first, count):
        drawn = super().draw(key, first, count)
        self.log.append((tuple(key), first, *(part.copy() for part in drawn)))
        return drawn


def _noise(unit, scheme, projected=False, seed=0, replicate=0, steps=1, n=6):
    """What the noise alone adds in the last of some steps: one step with, minus the same step without."""
    data = asymmetric_teacher(unit)
    options = {"alpha": 1.0, "tau": 0.0, "batch_size": 2, "projected_noise": projected, "dtype": "float64"}
    loud, quiet = (NoisySGD(unit, scheme, data, beta=beta, **options) for beta in (NOISE, 0.0))
    start = loud.init(init_particles(unit, "si", n, seed=1), seed, replicate)
    before = loud.step(start, steps - 1)
    return (loud.step(before).z - quiet.step(before).z) * np.sqrt(n / (2.0 * NOISE))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_ea_noise_is_the_projected_noise_of_the_other_schemes_exactly(case):
    unit = case.unit
    full = _noise(unit, "vanilla")
    assert np.abs(_noise(unit, "ea") - unit.fixed_subspace.project(full)).max() < ALGEBRA
    assert np.abs(_noise(unit, "vanilla", projected=True) - unit.fixed_subspace.project(full)).max() < ALGEBRA
    if unit.fixed_subspace.dimension < unit.p:
        assert np.abs(_noise(unit, "ea") - full).max() > SPLIT


@pytest.mark.parametrize("scheme", ["da", "da-sampled", "fa"])
def test_other_schemes_share_the_full_noise(scheme):
    unit = reference_teacher("wi").unit
    assert np.abs(_noise(unit, scheme, steps=2) - _noise(unit, "vanilla", steps=2)).max() < ALGEBRA


def test_noise_is_the_stream_in_the_frame_of_the_fixed_subspace():
    unit = reference_teacher("wi").unit
    eta = normals(stream_key(4, "noise", 3), 1, 6, unit.p)
    noise = _noise(unit, "vanilla", seed=4, replicate=3, steps=2)
    assert np.abs(noise - eta @ unit.fixed_subspace.frame.T).max() < ALGEBRA
    for other in ({"seed": 5, "replicate": 3}, {"seed": 4, "replicate": 2}, {"seed": 4, "replicate": 3, "n": 7}):
        others = _noise(unit, "vanilla", steps=2, **other)[:6]
        assert (np.abs(noise - others).max() < ALGEBRA) == ("n" in other)


def test_all_schemes_see_the_same_data_and_start():
    reference = reference_teacher("arbitrary")
    logs, starts = {}, {}
    for scheme in SCHEMES:
        teacher = Recorded(reference.unit, reference.particles)
        teacher.log = []
        dynamics = NoisySGD(teacher.unit, scheme, teacher, dtype="float64")
        start = dynamics.init(init_particles(teacher.unit, "wi", 8, seed=3, replicate=1), seed=3, replicate=1)
        starts[scheme] = start.z
        dynamics.step(dynamics.step(start, 2), 3)
        logs[scheme] = teacher.log
    for scheme, log in logs.items():
        for ours, theirs in zip(log, logs["vanilla"], strict=True):
            assert ours[:2] == theirs[:2] == (tuple(stream_key(3, "data", 1)), ours[1])
            assert np.array_equal(ours[2], theirs[2])
            assert np.array_equal(ours[3], theirs[3])
        expected = starts["vanilla"]
        if scheme == "ea":
            expected = reference.unit.fixed_subspace.project(expected)
        assert np.abs(starts[scheme] - expected).max() < ROUNDOFF


def test_replicates_see_different_data():
    teacher = reference_teacher("wi")
    ends = [
        NoisySGD(teacher.unit, "vanilla", teacher, beta=0.0).step(
            NoisySGD(teacher.unit, "vanilla", teacher).init(np.zeros((8, 4)), seed, replicate), 2
        )
        for seed, replicate in [(0, 0), (0, 1), (1, 0), (0, 0)]
    ]
    assert np.array_equal(ends[0].z, ends[3].z)
    assert np.abs(ends[0].z - ends[1].z).max() > SPLIT
    assert np.abs(ends[0].z - ends[2].z).max() > SPLIT
