"""Discovering E^G from data whose symmetry is not known: E_0 = {0} inside E_1 inside ... up to E^G.

Each step starts a free training inside E_j. With symmetric data the law stays in E^G, so what leaves E_j points into
E^G and joins E_{j+1}; an E_j that is not left is the answer (Maass Martínez & Fontbona 2024, section 4.2 and F.2).
Rules decide: the paper's, a robust one, and oracles of both that know the data law and have no sampling noise. No
theorem says that every strict subspace of E^G is left, so the whole trace is handed back.

An E_j that is not left is called kept only if control data (``mfsym.discovery.controls``) would have moved the law out
of it by more than the rule's threshold; otherwise the step is undecided, and so is the discovery.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_choice
from mfsym.configurations import names
from mfsym.configurations.names import bound
from mfsym.data.teachers import Data
from mfsym.discovery.controls import asymmetric
from mfsym.discovery.residuals import between, direction_error, sampling_null
from mfsym.discovery.searches import Flow, Search, Trial, off
from mfsym.ensembles import INIT_SCALE
from mfsym.metrics import distance2_to_si, rmd2_si
from mfsym.representations import Subspace
from mfsym.streams import normals, stream
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
"""How much a training may enlarge the error of E_j itself: such residuals do not count as leaving unmeasured."""

FREE_NOISE = "projected on E_j"
"""What noise the trainings of a discovery feel, as results record it."""

TURN = 3.0
"""E_j is turned by this many times its own error to measure how much a training enlarges that."""

CONTROL = 1.0
"""Size of the asymmetric part of the control data, relative to how much y varies."""

CONTROL_TRAININGS = 4
"""Trainings on the control data, at most."""

ROUNDING = 1e-13
"""Asymmetric part of a population force that rounding makes, relative to the variation of y."""

STILL = 1e-12
"""Residuals of the control data below this share of the start law's second moment have not moved at all."""

VERDICTS = ("left", "kept", "undecided")
"""left: the law leaves E_j. kept: it stays, and control data would have moved it. undecided: neither can be said."""


@dataclass(frozen=True)
class Step:
    """One step: what was seen in E_j and what was decided.

    subspace : E_j.  before, after : (N, p) particles of one training.  rmd2_before, rmd2 : to their projection on E_j.
    statistic, threshold : E_j is left iff the first exceeds the second; both in units of RMD^2.
    spectrum : (p,) root mean square residual along its principal directions, decreasing.
    added : (p, m) orthonormal directions that join E_{j+1}; m = 0 iff E_j is not left.
    tilt : estimated angle, in rad, by which sampling noise or rounding has turned E_{j+1} (robust rule, oracle).
    resolution : the least statistic that a departure would be told by; the threshold unless the rule measures it.
    control : the statistic that control data give, in the same units; NaN where the rule did not need it.
    doubtful : the residual is neither as small as the error of E_j explains nor large enough to leave.
    verdict : one of VERDICTS.  reason : why, in words.
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
    resolution: float = float("nan")
    control: float = float("nan")
    doubtful: bool = False
    verdict: str = "left"
    reason: str = "the residual exceeds the threshold"

    @property
    def left(self) -> bool:
        """Whether E_j is left."""
        return self.added.shape[1] > 0


Trace = tuple[Step, ...]
"""The steps so far."""


@dataclass(frozen=True)
class Discovery:
    """The trace, and the answer: the last E_j, which is settled iff its step says that it is kept."""

    rule: str
    steps: Trace
    subspace: Subspace

    @property
    def settled(self) -> bool:
        """Whether the last E_j was kept: not so if its step is undecided, or if the steps ran out."""
        return self.steps[-1].verdict == "kept"

    @property
    def verdict(self) -> str:
        """ "found" where the last E_j was kept, "undecided" otherwise."""
        return "found" if self.settled else "undecided"

    @property
    def reason(self) -> str:
        """Why, in words."""
        return "the steps ran out" if self.steps[-1].left else self.steps[-1].reason


def paper_step(unit: Unit, data: Data, search: Search, subspace: Subspace, trace: Trace) -> Step:
    """The paper's rule: leave E_j if RMD^2 > delta, along the mean residual (section 4.2).

    RMD^2 is a mean over ``search.trainings`` trainings from the same particles, the mean residual also over snapshots.
    With symmetric data its expectation lies in E^G for any number of samples: averages remove only its noise.
    """
    trial = Trial(unit, data, search, subspace, len(trace))
    clouds = np.stack([trial.train(number, search.snapshots) for number in range(search.trainings)])
    residuals = clouds - subspace.project(clouds.reshape(-1, unit.p)).reshape(clouds.shape)
    ends = residuals[:, -1].reshape(-1, unit.p)
    value = float(np.mean([rmd2_si(z, subspace) for z in clouds[:, -1]]))
    added = _direction(residuals.mean(axis=(0, 1, 2)), value > search.delta)
    step = _step(trial.start, clouds[0, -1], subspace, value, search.delta, ends.T @ ends / len(ends), added)

    def control() -> tuple[float, float]:
        (end,) = Trial(unit, asymmetric(data, CONTROL), search, subspace, len(trace)).train(search.trainings)
        return rmd2_si(end, subspace), distance2_to_si(end, subspace)

    return judged(replace(step, rmd2=value), control)


def robust_step(unit: Unit, data: Data, search: Search, subspace: Subspace, trace: Trace) -> Step:
    """Principal directions of the residual that independent trainings agree on, against a calibrated null.

    The second moment of the residual between different trainings from the same particles, averaged over pairs, has no
    bias from sampling noise. Its null is what the same trainings give after their mean is taken out and their signs
    are changed in all ways: the drift that sampling alone produces. The error of E_j itself, GAIN times its tilt, is
    not a reason to leave either; a residual between the two limits is compared with what an E_j that is turned on
    purpose gives.
    """
    trial = Trial(unit, data, search, subspace, len(trace))
    clouds = [trial.train(number)[-1] for number in range(search.replicates)]
    residuals = np.stack([off(z, subspace) for z in clouds])
    moments = np.einsum("anp,bnq->abpq", residuals, residuals, optimize=True) / search.n
    agreed = between(moments, np.ones(search.replicates))
    scale = float(np.mean([_scale(z, subspace) for z in clouds]))
    values, vectors = np.linalg.eigh((agreed + agreed.T) / 2.0)
    tilt = trace[-1].tilt if trace else 0.0
    size = float(np.mean([second_moment(z) for z in clouds]))
    noise = SAFETY * sampling_null(moments)
    limit = max(noise, (GAIN * tilt) ** 2 * size)
    explained = 0.0
    if values[-1] <= limit and 0 < subspace.dimension < unit.p:
        explained = _turned_moment(unit, data, search, subspace, trace, residuals[:CONTROL_TRAININGS])
    resolution = max(noise, SAFETY * explained)
    limit = resolution if resolution < values[-1] else limit
    taken = values > max(limit, WELL_DETERMINED * values[-1])
    added = Subspace(vectors[:, taken]).basis if taken.any() else np.zeros((unit.p, 0))
    step = _step(trial.start, clouds[0], subspace, values[-1] / scale, limit / scale, agreed, added)
    step = replace(step, resolution=resolution / scale, doubtful=bool(values[-1] > max(noise, explained)))

    def control() -> tuple[float, float]:
        other = Trial(unit, asymmetric(data, CONTROL), search, subspace, len(trace))
        count = min(CONTROL_TRAININGS, search.replicates)
        ends = np.stack([off(other.train(search.replicates + k)[-1], subspace) for k in range(count)])
        table = between(np.einsum("anp,bnq->abpq", ends, ends, optimize=True) / search.n, np.ones(count))
        moved = float(np.linalg.eigvalsh((table + table.T) / 2.0)[-1])
        return moved / scale, float(np.mean(np.sum(ends**2, axis=2)))

    return judged(replace(step, tilt=float(np.hypot(tilt, direction_error(moments, added)))), control)


def _turned_moment(
    unit: Unit, data: Data, search: Search, subspace: Subspace, trace: Trace, residuals: Floats
) -> float:
    """Second moment of the residual that an error of E_j of this size makes, from trainings in turned subspaces.

    Each training of ``residuals`` (R, N, p) is done again, data and noise the same, from an E_j that is turned at
    random by TURN times the tilt: what changes is linear in the turn, and free of the residual that was there.
    """
    changes, index, tilt = [], len(trace), trace[-1].tilt if trace else ROUNDING
    for number, residual in enumerate(residuals):
        key = stream(search.seed, "init", search.replicate).child("part", index).child("part", number).key
        turn = off(normals(key, 0, subspace.dimension, unit.p), subspace).T
        basis = subspace.basis + TURN * tilt * turn / np.linalg.norm(turn, 2)
        end = Trial(unit, data, search, subspace, index, basis).train(number)[-1]
        changes.append(np.mean(np.sum((off(end, Subspace(basis)) - residual) ** 2, axis=1)))
    return float(np.mean(changes)) / TURN**2


def oracle_step(unit: Unit, data: Data, search: Search, subspace: Subspace, trace: Trace) -> Step:
    """The population flow from the start law inside E_j, without sampling noise: every direction it takes.

    Directions whose residual the flow can make from rounding, or from the error of its quadrature, do not count.
    """
    flow = Flow(data, unit, search, subspace)
    before, after = flow.before, flow.end()
    residual = off(after, subspace)
    moment = residual.T @ residual / len(after)
    values, vectors = np.linalg.eigh(moment)
    scale, tilt = _scale(after, subspace), trace[-1].tilt if trace else 0.0
    limit = ORACLE_TOLERANCE * scale
    grown, refined = flow.errors(after, max(tilt, ROUNDING)) if values[-1] > limit else (0.0, 0.0)
    limit = max(limit, SAFETY * max(grown, refined) ** 2)
    taken = values > limit
    if taken.any():
        tilt = max(tilt, grown / float(np.sqrt(values[taken][0])))
    step = _step(before, after, subspace, values[-1] / scale, limit / scale, moment, vectors[:, taken])

    def control() -> tuple[float, float]:
        other = off(flow.end(asymmetric(data, CONTROL)), subspace)
        moved = float(np.linalg.eigvalsh(other.T @ other / len(other))[-1])
        return moved / scale, moved

    return judged(replace(step, tilt=tilt), control)


def paper_oracle_step(unit: Unit, data: Data, search: Search, subspace: Subspace, trace: Trace) -> Step:
    """The paper's rule on the population flow: the mean residual, without sampling noise."""
    flow = Flow(data, unit, search, subspace)
    before, after = flow.before, flow.end()
    residual = off(after, subspace)
    value, threshold = rmd2_si(after, subspace), search.delta
    if value > threshold:
        scale = _scale(after, subspace)
        threshold = max(threshold, SAFETY * max(flow.errors(after, ROUNDING)) ** 2 / scale)
    added = _direction(residual.mean(axis=0), value > threshold)
    step = _step(before, after, subspace, value, threshold, residual.T @ residual / len(after), added)

    def control() -> tuple[float, float]:
        end = flow.end(asymmetric(data, CONTROL))
        return rmd2_si(end, subspace), distance2_to_si(end, subspace)

    return judged(step, control)


def _direction(mean: Floats, leaves: bool) -> Floats:
    """(p, 1) direction of a mean residual (p,), or (p, 0) where E_j is kept or the mean vanishes."""
    length = float(np.linalg.norm(mean))
    return (mean / length)[:, None] if leaves and length > 0.0 else np.zeros((len(mean), 0))


RULES: Mapping[str, Callable[[Unit, Data, Search, Subspace, Trace], Step]] = bound(
    names.RULES, {"paper": paper_step, "robust": robust_step, "oracle": oracle_step, "paper-oracle": paper_oracle_step}
)
"""The rules by name."""


def discover(unit: Unit, data: Data, rule: str = "robust", search: Search | None = None) -> Discovery:
    """Find E^G from data: the trace over E_0, E_1, ... and the subspace that was not left.

    The unit's group is not used. rule : a name in RULES. Raises MfsymError if a training diverges.
    The answer is settled only where the data could have moved the law: see ``Step.verdict``.
    """
    as_choice(rule, "rule", RULES)
    search = Search() if search is None else search
    subspace = Subspace(np.zeros((unit.p, 1))) if search.start is None else search.start
    steps: list[Step] = []
    for _ in range(search.max_steps or unit.p + 1):
        steps.append(RULES[rule](unit, data, search, subspace, tuple(steps)))
        if not steps[-1].left:
            break
        subspace = Subspace(np.hstack([subspace.basis, steps[-1].added]))
    return Discovery(rule, tuple(steps), subspace)


def judged(step: Step, control: Callable[[], tuple[float, float]]) -> Step:
    """The step with its verdict and reason.

    control : gives the statistic of the control data, in units of the step's, and their residual's second moment; it
    is asked only where E_j is not left.
    """
    if step.left:
        return step
    if step.statistic > step.threshold:
        return replace(step, verdict="undecided", reason="the residual exceeds the threshold, but its mean vanishes")
    if step.subspace.dimension == step.subspace.ambient:
        return replace(step, verdict="kept", reason="nothing lies outside the whole space")
    if step.doubtful:
        return replace(step, verdict="undecided", reason="the residual exceeds its known errors, but not clearly")
    statistic, moved = control()
    if moved <= STILL * INIT_SCALE**2:
        verdict, reason = "undecided", "a stationary start: asymmetric data do not move the law out of it either"
    elif statistic <= step.resolution:
        verdict, reason = "undecided", "asymmetric data do not exceed the threshold either"
    else:
        verdict, reason = "kept", "the law stays, and asymmetric data move it out"
    return replace(step, control=statistic, verdict=verdict, reason=reason)


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
        resolution=float(threshold),
        spectrum=spectrum,
        added=added,
    )
