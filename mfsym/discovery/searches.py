"""The runs of a discovery: unconstrained trainings and population flows that start inside a subspace E_j."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mfsym.arguments import as_choice, as_number, as_whole
from mfsym.configurations.names import ENGINES
from mfsym.data.teachers import Data
from mfsym.discovery.controls import asymmetric
from mfsym.dynamics import NoisySGD, State
from mfsym.ensembles import INIT_SCALE, gaussian
from mfsym.errors import MfsymError
from mfsym.flows import Accuracy, MeanFieldFlow, start_cloud
from mfsym.flows.quadratures import orders_of
from mfsym.representations import Subspace
from mfsym.streams import nested, normals, stream, stream_key
from mfsym.typing import Floats
from mfsym.units import Unit

PERTURBATION = 1e-8
"""Size of the asymmetric perturbation that measures how much a flow amplifies rounding."""

REFINEMENT = 1.5
"""Factor on the nodes per input dimension in the flow that measures the quadrature error."""

MINIMA = {
    **dict.fromkeys(("n", "batch_size", "trainings", "snapshots", "max_steps"), 1),
    **{"replicates": 4, "seed": 0, "replicate": 0},
}
"""The integer fields of a ``Search`` and their minima: the robust rule needs 4 replicates for its null level."""


@dataclass(frozen=True)
class Search:
    """The parameters of a discovery.

    n : number of particles.
    horizon : mean-field time of each step.
    alpha, tau, beta, batch_size : of the noisy SGD.
    delta : threshold of the paper's rule.
    trainings, snapshots : numbers of trainings and snapshots over which the paper's rule averages its residual, 1 and 1
    in the paper; snapshots are evenly spaced over the second half of a training, the last at its end.
    replicates : trainings per step of the robust rule, at least 4.
    max_steps : largest number of subspaces tried; None for p + 1.
    start : E_0, {0} if None.
    engine : of trainings and flows, a name in ENGINES.
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
    engine: str = ENGINES[0]

    def __post_init__(self) -> None:
        as_choice(self.engine, "engine", ENGINES)
        for name, least in MINIMA.items():
            if name != "max_steps" or self.max_steps is not None:
                object.__setattr__(self, name, as_whole(getattr(self, name), name, least))
        for name in ("alpha", "horizon"):
            object.__setattr__(self, name, as_number(getattr(self, name), name, above=0.0))
        for name in ("tau", "beta", "delta"):
            object.__setattr__(self, name, as_number(getattr(self, name), name, least=0.0))


class Trial:
    """Unconstrained trainings from one initial law inside E_j: they share the particles and differ in data and noise.

    basis : (p, r) basis of E_j, or a slightly rotated one; the particles have the same coordinates in both.
    """

    def __init__(
        self, unit: Unit, data: Data, search: Search, subspace: Subspace, index: int, basis: Floats | None = None
    ) -> None:
        self.search, self.index = search, index
        directions = subspace.basis if basis is None else basis
        self.dynamics = _FreeSGD(unit, data, search, directions)
        key = stream(search.seed, "init", search.replicate).child("part", index).key
        drawn = gaussian(key, search.n, unit.p)
        self.start = subspace.project(drawn) if basis is None else subspace.coordinates(drawn) @ basis.T

    def train(self, number: int, snapshots: int = 1) -> Floats:
        """Particles (snapshots, N, p) of training ``number`` over its second half; MfsymError if it diverged."""
        part = nested(self.search.replicate, self.index, number)
        state = self.dynamics.init(self.start, self.search.seed, part)
        times = self.search.horizon * (0.5 + 0.5 * np.arange(1, snapshots + 1) / snapshots)
        states = list(self.dynamics.flow(state, times))
        if states[-1].status == "diverged":
            raise MfsymError(f"step {self.index} of the discovery diverged; use a smaller alpha or more particles")
        return np.stack([np.asarray(each.z, dtype=np.float64) for each in states])


class _FreeSGD(NoisySGD):
    """Vanilla noisy SGD in double precision with noise projected on the span of a basis (p, r), instead of E^G."""

    def __init__(self, unit: Unit, data: Data, search: Search, basis: Floats) -> None:
        self._inside = basis
        super().__init__(
            unit,
            "vanilla",
            data,
            alpha=search.alpha,
            tau=search.tau,
            beta=search.beta,
            batch_size=search.batch_size,
            dtype="float64",
            engine=search.engine,
        )

    def noise_map(self, state: State) -> Floats:
        """The basis, or nothing without noise."""
        return self._inside if self.beta > 0 else np.zeros((self.unit.p, 0))


class Flow:
    """The population flow from the initial law inside E_j."""

    def __init__(self, data: Data, unit: Unit, search: Search, subspace: Subspace) -> None:
        self.data, self.unit, self.search, self.subspace = data, unit, search, subspace
        self.before = start_cloud(unit, "si", search.n, subspace).z
        self.order: int | None = None

    def end(
        self, data: Data | None = None, start: Floats | None = None, order: int | None = None, tolerance: float = 1e-4
    ) -> Floats:
        """Particles (N, p) at the horizon; by default for the flow's data and initial particles.

        order : order of a product rule, None to refine rules until the force changes by less than ``tolerance``. The
        attribute ``order`` then holds the order reached, None for a sampled rule.
        """
        accuracy = Accuracy(order=order, force_tolerance=tolerance, rtol=1e-7, atol=1e-12)
        data = self.data if data is None else data
        search = self.search
        flow = MeanFieldFlow(
            self.unit, "vanilla", data, alpha=search.alpha, tau=search.tau, accuracy=accuracy, engine=search.engine
        )
        state = list(flow.flow(flow.init(self.before if start is None else start), [self.search.horizon]))[-1]
        if order is None:
            self.order = state.order if flow.population.rule.kind != "sampled" else None
        return state.z

    def errors(self, after: Floats, source: float) -> tuple[float, float]:
        """Root mean square residuals: one due to a relative error ``source``, one due to the quadrature.

        ``source`` is the relative error of data and start. Its effect is measured with a perturbation of size
        PERTURBATION and scaled, since the flow is linear in small perturbations. The quadrature is compared with a
        finer one, or with a coarser one if none is affordable.
        """
        kick = PERTURBATION * INIT_SCALE * normals(stream_key(0, "noise"), 0, *self.before.shape)
        order = self.order
        shaken = self.end(asymmetric(self.data, PERTURBATION), self.before + kick, order)
        grown = rms(residual_off(shaken - after, self.subspace)) * source / PERTURBATION
        changes = (rms(residual_off(z - after, self.subspace)) for z in self._other_rules(order))
        return grown, next((change for change in changes if change > 0.0), 0.0)

    def _other_rules(self, order: int | None) -> Iterator[Floats]:
        """End points of the flow under product rules other than the one of this order, or than a sampled one."""
        if order is not None:
            yield from (self.end(order=max(1, math.ceil(order * factor))) for factor in (REFINEMENT, 1.0 / REFINEMENT))
        elif products := orders_of(self.data):
            yield from (self.end(order=each) for each in products[:-3:-1])
        else:
            yield self.end(tolerance=1e-2)


def residual_off(z: Floats, subspace: Subspace) -> Floats:
    """Residuals z - P z of z (..., p)."""
    return z - subspace.project(z)


def rms(residual: Floats) -> float:
    """Root mean square length of residuals (..., p)."""
    return float(np.sqrt(np.mean(np.sum(residual**2, axis=-1))))
