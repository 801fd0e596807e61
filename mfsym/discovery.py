"""Discovering E^G from data whose symmetry is not known: E_0 = {0} inside E_1 inside ... up to E^G.

Each step starts a free training inside E_j. With symmetric data the law stays in E^G, so what leaves E_j points into
E^G and joins E_{j+1}; an E_j that is not left is the answer (Maass Martínez & Fontbona 2024, section 4.2 and F.2).
Rules decide: the paper's, a robust one, and oracles of both that know the data law and have no sampling noise. No
theorem says that every strict subspace of E^G is left, so the whole trace is handed back.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_choice, as_number, as_whole
from mfsym.dynamics import NoisySGD
from mfsym.ensembles import gaussian
from mfsym.errors import MfsymError
from mfsym.flows import Accuracy, MeanFieldFlow, start_cloud
from mfsym.metrics import distance2_to_si, rmd2_si
from mfsym.representations import Subspace
from mfsym.streams import stream_key
from mfsym.teachers import Data
from mfsym.transport import second_moment
from mfsym.units import Unit

Floats = NDArray[np.float64]

SAFETY = 10.0
"""The robust rule leaves E_j when the residual's second moment exceeds its null by this factor."""

WELL_DETERMINED = 0.05
"""Directions whose second moment is below this share of the top one wait for a later step."""

ORACLE_TOLERANCE = 1e-10
"""The oracle counts residuals as zero when their relative second moment is below this."""

GAIN = 10.0
"""How much a training may enlarge the error of E_j itself: such residuals do not count as leaving."""

FREE_NOISE = "projected on E_j"
"""What noise the trainings of a discovery feel, as results record it."""

_STRIDE = 1 << 20

WHOLE = {
    **dict.fromkeys(("n", "batch_size", "trainings", "snapshots", "max_steps"), 1),
    **{"replicates": 4, "seed": 0, "replicate": 0},
}
"""The whole numbers of a ``Search`` and the least they may be: the robust rule needs 4 replicates for its null."""


@dataclass(frozen=True)
class Search:
    """What a discovery is run with.

    n : particles.  horizon : mean-field time of each step.  alpha, tau, beta, batch_size : of the noisy SGD.
    delta : threshold of the paper's rule.  trainings, snapshots : over which that averages its residual, 1 and 1 in the
    paper; snapshots are evenly spaced over the second half of a training, the last at its end.
    replicates : trainings per step of the robust rule, at least 4.
    max_steps : most subspaces tried; None for p + 1.  start : E_0, {0} if None.
    """

    n: int = 1000
    horizon: float = 20.0
    alpha: float = 20.0
    tau: float = 1e-4
    beta: float = 1e-6
    batch_size: int = 20
    delta: float = 1e-2
    trainings: int = 1
    snapshots: int = 1
    replicates: int = 8
    max_steps: int | None = None
    start: Subspace | None = None
    seed: int = 0
    replicate: int = 0

    def __post_init__(self) -> None:
        for name, least in WHOLE.items():
            if name != "max_steps" or self.max_steps is not None:
                object.__setattr__(self, name, as_whole(getattr(self, name), name, least))
        for name in ("alpha", "horizon"):
            object.__setattr__(self, name, as_number(getattr(self, name), name, above=0.0))
        for name in ("tau", "beta", "delta"):
            object.__setattr__(self, name, as_number(getattr(self, name), name, least=0.0))


@dataclass(frozen=True)
class Step:
    """One step: what was seen in E_j and what was decided.

    subspace : E_j.  before, after : (N, p) particles of one training.  rmd2_before, rmd2 : to their projection on E_j.
    statistic, threshold : E_j is left iff the first exceeds the second; both in units of RMD^2.
    spectrum : (p,) root mean square residual along its principal directions, decreasing.
    added : (p, m) orthonormal directions that join E_{j+1}; m = 0 iff E_j is kept.
    tilt : estimated angle, in rad, by which sampling noise has turned E_{j+1} (the robust rule only).
    """

    subspace: Subspace
    before: Floats
    after: Floats
    rmd2_before: float
    rmd2: float
    statistic: float
    threshold: float
    spectrum: Floats
    added: Floats
    tilt: float = 0.0

    @property
    def left(self) -> bool:
        """Whether E_j is left."""
        return self.added.shape[1] > 0


Trace = tuple[Step, ...]
"""The steps so far."""


@dataclass(frozen=True)
class Discovery:
    """The trace, and the answer: the last E_j, which was kept unless the steps ran out (``settled`` is then false)."""

    rule: str
    steps: Trace
    subspace: Subspace
    settled: bool


class _Trial:
    """Free trainings from one start law inside E_j: they share the particles and differ in data and noise."""

    def __init__(self, unit: Unit, data: Data, search: Search, subspace: Subspace, index: int) -> None:
        self.search, self.subspace, self.index = search, subspace, index
        self.dynamics = _FreeSGD(unit, data, search, subspace)
        key = stream_key(search.seed, "init", search.replicate * _STRIDE + index)
        self.start = subspace.project(gaussian(key, search.n, unit.p))

    def train(self, number: int, snapshots: int = 1) -> Floats:
        """Particles (snapshots, N, p) of training ``number`` over its second half; MfsymError if it diverged."""
        label = (self.search.replicate * _STRIDE + self.index) * _STRIDE + number
        state = self.dynamics.init(self.start, self.search.seed, label)
        times = self.search.horizon * (0.5 + 0.5 * np.arange(1, snapshots + 1) / snapshots)
        states = list(self.dynamics.flow(state, times))
        if states[-1].status == "diverged":
            raise MfsymError(f"step {self.index} of the discovery diverged; use a smaller alpha or more particles")
        return np.stack([np.asarray(each.z, dtype=np.float64) for each in states])


class _FreeSGD(NoisySGD):
    """Vanilla noisy SGD in double precision whose noise is projected on a subspace that is not E^G."""

    def __init__(self, unit: Unit, data: Data, search: Search, subspace: Subspace) -> None:
        self._inside = subspace
        super().__init__(
            unit,
            "vanilla",
            data,
            alpha=search.alpha,
            tau=search.tau,
            beta=search.beta,
            batch_size=search.batch_size,
            dtype="float64",
        )

    def _noise_map(self, projected: bool) -> Floats:
        return self._inside.basis if self.beta > 0 else np.zeros((self.unit.p, 0))


def paper_step(unit: Unit, data: Data, search: Search, subspace: Subspace, trace: Trace) -> Step:
    """The paper's rule: leave E_j if RMD^2 > delta, along the mean residual (section 4.2).

    RMD^2 is a mean over ``search.trainings`` trainings from the same particles, the mean residual also over snapshots.
    With symmetric data its expectation lies in E^G for any number of samples: averages remove only its noise.
    """
    trial = _Trial(unit, data, search, subspace, len(trace))
    clouds = np.stack([trial.train(number, search.snapshots) for number in range(search.trainings)])
    residuals = clouds - subspace.project(clouds.reshape(-1, unit.p)).reshape(clouds.shape)
    ends = residuals[:, -1].reshape(-1, unit.p)
    value = float(np.mean([rmd2_si(z, subspace) for z in clouds[:, -1]]))
    added = _direction(residuals.mean(axis=(0, 1, 2)), value > search.delta)
    step = _step(trial.start, clouds[0, -1], subspace, value, search.delta, ends.T @ ends / len(ends), added)
    return replace(step, rmd2=value)


def robust_step(unit: Unit, data: Data, search: Search, subspace: Subspace, trace: Trace) -> Step:
    """Principal directions of the residual that independent trainings agree on, against a calibrated null.

    The second moment of the residual between different trainings from the same particles, averaged over pairs, has no
    bias from sampling noise. Its null is what the same trainings give after their mean is taken out and their signs
    are changed in all ways: the drift that sampling alone produces. The error of E_j itself, GAIN times its tilt, is
    not a reason to leave either.
    """
    trial = _Trial(unit, data, search, subspace, len(trace))
    clouds = [trial.train(number)[-1] for number in range(search.replicates)]
    residuals = np.stack([z - subspace.project(z) for z in clouds])
    moments = np.einsum("anp,bnq->abpq", residuals, residuals, optimize=True) / search.n
    agreed = between(moments, np.ones(search.replicates))
    scale = float(np.mean([_scale(z, subspace) for z in clouds]))
    values, vectors = np.linalg.eigh((agreed + agreed.T) / 2.0)
    tilt = trace[-1].tilt if trace else 0.0
    size = float(np.mean([second_moment(z) for z in clouds]))
    limit = max(SAFETY * sampling_null(moments), (GAIN * tilt) ** 2 * size)
    taken = values > max(limit, WELL_DETERMINED * values[-1])
    added = Subspace(vectors[:, taken]).basis if taken.any() else np.zeros((unit.p, 0))
    step = _step(trial.start, clouds[0], subspace, values[-1] / scale, limit / scale, agreed, added)
    return replace(step, tilt=float(np.hypot(tilt, direction_error(moments, added))))


def oracle_step(unit: Unit, data: Data, search: Search, subspace: Subspace, trace: Trace) -> Step:
    """The population flow from the start law inside E_j, without sampling noise: every direction it takes."""
    before, after, moment = _population_residual(unit, data, search, subspace)
    values, vectors = np.linalg.eigh(moment)
    scale = _scale(after, subspace)
    taken = values > ORACLE_TOLERANCE * scale
    return _step(before, after, subspace, values[-1] / scale, ORACLE_TOLERANCE, moment, vectors[:, taken])


def paper_oracle_step(unit: Unit, data: Data, search: Search, subspace: Subspace, trace: Trace) -> Step:
    """The paper's rule on the population flow: the mean residual, without sampling noise."""
    before, after, moment = _population_residual(unit, data, search, subspace)
    value = rmd2_si(after, subspace)
    added = _direction((after - subspace.project(after)).mean(axis=0), value > search.delta)
    return _step(before, after, subspace, value, search.delta, moment, added)


def _population_residual(unit: Unit, data: Data, search: Search, subspace: Subspace) -> tuple[Floats, Floats, Floats]:
    """Particles before and after the population flow, and the second moment (p, p) of its residual."""
    accuracy = Accuracy(force_tolerance=1e-4, rtol=1e-7, atol=1e-12)
    flow = MeanFieldFlow(unit, "vanilla", data, alpha=search.alpha, tau=search.tau, accuracy=accuracy)
    before = start_cloud(unit, "si", search.n, subspace).z
    after = list(flow.flow(flow.init(before), [search.horizon]))[-1].z
    residual = after - subspace.project(after)
    return before, after, residual.T @ residual / len(after)


def _direction(mean: Floats, leaves: bool) -> Floats:
    """(p, 1) direction of a mean residual (p,), or (p, 0) where E_j is kept or the mean vanishes."""
    length = float(np.linalg.norm(mean))
    return (mean / length)[:, None] if leaves and length > 0.0 else np.zeros((len(mean), 0))


RULES: Mapping[str, Callable[[Unit, Data, Search, Subspace, Trace], Step]] = MappingProxyType(
    {"paper": paper_step, "robust": robust_step, "oracle": oracle_step, "paper-oracle": paper_oracle_step}
)
"""The rules by name."""


def discover(unit: Unit, data: Data, rule: str = "robust", search: Search | None = None) -> Discovery:
    """Find E^G from data: the trace over E_0, E_1, ... and the subspace that was not left.

    The unit's group is not used. rule : a name in RULES. Raises MfsymError if a training diverges.
    """
    as_choice(rule, "rule", RULES)
    search = Search() if search is None else search
    subspace = Subspace(np.zeros((unit.p, 1))) if search.start is None else search.start
    steps: list[Step] = []
    for _ in range(search.max_steps or unit.p + 1):
        steps.append(RULES[rule](unit, data, search, subspace, tuple(steps)))
        if not steps[-1].left or subspace.dimension == unit.p:
            return Discovery(rule, tuple(steps), subspace, True)
        subspace = Subspace(np.hstack([subspace.basis, steps[-1].added]))
    return Discovery(rule, tuple(steps), subspace, False)


def between(moments: Floats, signs: Floats) -> Floats:
    """Mean over pairs a != b of signs_a signs_b moments[a, b]: (p, p) from moments (R, R, p, p), signs (R,)."""
    count = len(signs)
    total = np.einsum("a,b,abpq->pq", signs, signs, moments) - np.einsum("aapq->pq", moments)
    return np.asarray(total / (count * (count - 1)))


def sampling_null(moments: Floats) -> float:
    """Largest top eigenvalue of ``between`` over changes of sign of the centred trainings; moments (R, R, p, p)."""
    count = len(moments)
    centre = np.eye(count) - 1.0 / count
    centred = np.einsum("ac,cdpq,db->abpq", centre, moments, centre, optimize=True) * count / (count - 1)
    changes = itertools.islice(itertools.product((1.0, -1.0), repeat=count - 1), 512)
    tables = [between(centred, np.array([1.0, *signs])) for signs in changes]
    return float(np.linalg.eigvalsh(np.stack([(table + table.T) / 2.0 for table in tables]))[:, -1].max())


def direction_error(moments: Floats, added: Floats) -> float:
    """Estimated angle by which sampling noise turns the directions (p, m) found from moments (R, R, p, p).

    Root of the noise of the mean over trainings off these directions, over the least second moment along them.
    """
    if not added.shape[1]:
        return 0.0
    count = len(moments)
    off = np.eye(len(added)) - added @ added.T
    spread = np.einsum("aapq->pq", moments) / count - between(moments, np.ones(count))
    noise = float(np.linalg.eigvalsh(off @ (spread + spread.T) @ off / 2.0)[-1]) / count
    signal = float(np.linalg.eigvalsh(added.T @ between(moments, np.ones(count)) @ added)[0])
    return float(np.sqrt(max(noise, 0.0) / signal))


def containment_angle(inner: Subspace, outer: Subspace) -> float:
    """Largest angle between a vector of ``inner`` and ``outer``, in [0, pi / 2]; 0 iff inner lies in outer."""
    if inner.dimension == 0:
        return 0.0
    off = inner.basis - outer.project(inner.basis.T).T
    return float(np.arcsin(min(1.0, float(np.linalg.norm(off, 2)))))


def angle_between(a: Subspace, b: Subspace) -> float:
    """Largest principal angle between two subspaces, in [0, pi / 2]; pi / 2 where their dimensions differ."""
    return max(containment_angle(a, b), containment_angle(b, a))


def _scale(z: Floats, subspace: Subspace) -> float:
    """The denominator of RMD^2 of z (N, p) to its projection: 2 E|z|^2 + 2 E|P z|^2."""
    moment = second_moment(z)
    return max(4.0 * moment - 2.0 * distance2_to_si(z, subspace), 1e-300)


def _step(
    before: Floats,
    after: Floats,
    subspace: Subspace,
    statistic: float,
    threshold: float,
    moment: Floats,
    added: Floats,
) -> Step:
    spectrum = np.sqrt(np.maximum(np.linalg.eigvalsh((moment + moment.T) / 2.0)[::-1], 0.0))
    return Step(
        subspace=subspace,
        before=before,
        after=after,
        rmd2_before=rmd2_si(before, subspace),
        rmd2=rmd2_si(after, subspace),
        statistic=float(statistic),
        threshold=float(threshold),
        spectrum=spectrum,
        added=added,
    )
