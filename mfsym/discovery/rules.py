"""Discovery of E^G from data with unknown symmetry, by increasing subspaces E_0 = {0}, E_1, ..., up to E^G.

Each step starts an unconstrained training inside E_j. With symmetric data the law stays in E^G, so directions in which
it leaves E_j lie in E^G and extend E_j to E_{j+1}. The first E_j that the law does not leave is the answer (Maass
Martínez & Fontbona 2024, section 4.2 and F.2). A rule decides whether it leaves: the paper's, a robust one, or an
oracle version of either, which knows the data law and has no sampling noise. No theorem guarantees that the law leaves
every strict subspace of E^G, so the result contains the whole trace.

If the law stays in E_j, the verdict is "kept" only if control data (``mfsym.discovery.controls``) would have moved the
law out by more than the rule's threshold; otherwise the step, and with it the discovery, is undecided.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from mfsym.arguments import as_choice
from mfsym.configurations import names
from mfsym.configurations.names import bound
from mfsym.data.teachers import Data
from mfsym.discovery.controls import asymmetric
from mfsym.discovery.residuals import cross_moment, direction_error, sampling_null
from mfsym.discovery.searches import Flow, Search, Trial, residual_off
from mfsym.ensembles import INIT_SCALE
from mfsym.metrics import distance2_to_si, rmd2_si
from mfsym.representations import Subspace
from mfsym.streams import normals, stream
from mfsym.transport import second_moment
from mfsym.typing import Floats
from mfsym.units import Unit

SAFETY = 10.0
"""The robust rule extends E_j if the residual's second moment exceeds its null level by this factor."""

WELL_DETERMINED = 0.05
"""Directions whose second moment is below this share of the largest one are left to a later step."""

ORACLE_TOLERANCE = 1e-10
"""The oracle counts residuals as zero when their relative second moment is below this."""

GAIN = 10.0
"""Assumed amplification of the error of E_j by a training. It is measured only if the residual is below this bound."""

FREE_NOISE = "projected on E_j"
"""The kind of noise in the trainings of a discovery, as recorded in results."""

TILT_FACTOR = 3.0
"""E_j is rotated by this multiple of its error to measure how much a training amplifies the error."""

CONTROL = 1.0
"""Size of the asymmetric part of the control data, relative to the standard deviation of y."""

CONTROL_TRAININGS = 4
"""Largest number of trainings on the control data."""

ROUNDING = 1e-13
"""Asymmetric part of a population force due to rounding, relative to the standard deviation of y."""

STATIONARY = 1e-12
"""Control residuals below this share of the initial law's second moment count as zero: the start is stationary."""

VERDICTS = ("left", "kept", "undecided")
"""left: the law leaves E_j. kept: it stays, and control data would have moved it. undecided: neither is established."""


@dataclass(frozen=True)
class Step:
    """One step of a discovery: the measurements in E_j and the verdict.

    subspace : E_j.
    before, after : (N, p) particles of one training.
    rmd2_before, rmd2 : RMD^2 to their projection on E_j.
    statistic, threshold : the law leaves E_j iff the first exceeds the second; both in units of RMD^2.
    spectrum : (p,) root mean square residual along its principal directions, decreasing.
    added : (p, m) orthonormal directions that extend E_j to E_{j+1}; m = 0 iff the law stays in E_j.
    tilt : estimated angle, in rad, by which sampling noise or rounding rotates E_{j+1} (robust rule, oracle).
    resolution : smallest statistic at which a departure is detectable; the threshold unless the rule measures it.
    control : the statistic of the control data, in the same units; NaN if the rule did not need it.
    doubtful : the residual is too large for the error of E_j to explain and too small to leave E_j.
    verdict : one of VERDICTS.
    reason : the reason for the verdict, in words.
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
        """Whether the law leaves E_j."""
        return self.added.shape[1] > 0


Trace = tuple[Step, ...]
"""The steps so far."""


@dataclass(frozen=True)
class Discovery:
    """The trace, and the answer: the last E_j. It is settled iff the verdict of its step is "kept"."""

    rule: str
    steps: Trace
    subspace: Subspace

    @property
    def settled(self) -> bool:
        """Whether the verdict on the last E_j is "kept", neither undecided nor stopped by ``max_steps``."""
        return self.steps[-1].verdict == "kept"

    @property
    def verdict(self) -> str:
        """ "found" if the verdict on the last E_j is "kept", "undecided" otherwise."""
        return "found" if self.settled else "undecided"

    @property
    def reason(self) -> str:
        """The reason for the verdict, in words."""
        return "the steps ran out" if self.steps[-1].left else self.steps[-1].reason


def paper_step(unit: Unit, data: Data, search: Search, subspace: Subspace, trace: Trace) -> Step:
    """The paper's rule: extend E_j along the mean residual if RMD^2 > delta (section 4.2).

    RMD^2 is averaged over ``search.trainings`` trainings from the same particles, the mean residual also over
    snapshots. With symmetric data its expectation lies in E^G for any number of samples; averaging reduces only its
    noise.
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

    return with_verdict(replace(step, rmd2=value), control)


def robust_step(unit: Unit, data: Data, search: Search, subspace: Subspace, trace: Trace) -> Step:
    """Principal directions of the residual that independent trainings share, tested against a calibrated null level.

    The cross moment of the residuals of different trainings from the same particles, averaged over pairs, has no bias
    from sampling noise. Its null level comes from the same trainings, centred and with all changes of sign: the drift
    due to sampling alone. The error of E_j, bounded by GAIN times its tilt, is no reason to leave E_j either. A
    residual between the two limits is compared with the residual of a deliberately rotated E_j.
    """
    trial = Trial(unit, data, search, subspace, len(trace))
    clouds = [trial.train(number)[-1] for number in range(search.replicates)]
    residuals = np.stack([residual_off(z, subspace) for z in clouds])
    moments = np.einsum("anp,bnq->abpq", residuals, residuals, optimize=True) / search.n
    agreed = cross_moment(moments, np.ones(search.replicates))
    scale = float(np.mean([_scale(z, subspace) for z in clouds]))
    values, vectors = np.linalg.eigh((agreed + agreed.T) / 2.0)
    tilt = trace[-1].tilt if trace else 0.0
    size = float(np.mean([second_moment(z) for z in clouds]))
    noise = SAFETY * sampling_null(moments)
    limit = max(noise, (GAIN * tilt) ** 2 * size)
    explained = 0.0
    if values[-1] <= limit and 0 < subspace.dimension < unit.p:
        explained = _tilt_moment(unit, data, search, subspace, trace, residuals[:CONTROL_TRAININGS])
    resolution = max(noise, SAFETY * explained)
    limit = resolution if resolution < values[-1] else limit
    taken = values > max(limit, WELL_DETERMINED * values[-1])
    added = Subspace(vectors[:, taken]).basis if taken.any() else np.zeros((unit.p, 0))
    step = _step(trial.start, clouds[0], subspace, values[-1] / scale, limit / scale, agreed, added)
    step = replace(step, resolution=resolution / scale, doubtful=bool(values[-1] > max(noise, explained)))

    def control() -> tuple[float, float]:
        other = Trial(unit, asymmetric(data, CONTROL), search, subspace, len(trace))
        count = min(CONTROL_TRAININGS, search.replicates)
        ends = np.stack([residual_off(other.train(search.replicates + k)[-1], subspace) for k in range(count)])
        table = cross_moment(np.einsum("anp,bnq->abpq", ends, ends, optimize=True) / search.n, np.ones(count))
        moved = float(np.linalg.eigvalsh((table + table.T) / 2.0)[-1])
        return moved / scale, float(np.mean(np.sum(ends**2, axis=2)))

    return with_verdict(replace(step, tilt=float(np.hypot(tilt, direction_error(moments, added)))), control)


def _tilt_moment(unit: Unit, data: Data, search: Search, subspace: Subspace, trace: Trace, residuals: Floats) -> float:
    """Second moment of the residual due to the estimated error of E_j, measured by trainings in rotated subspaces.

    Each training of ``residuals`` (R, N, p) is repeated with the same data and noise from an E_j rotated in a random
    direction by TILT_FACTOR times the tilt. The change is linear in the rotation and does not contain the original
    residual.
    """
    changes, index, tilt = [], len(trace), trace[-1].tilt if trace else ROUNDING
    for number, residual in enumerate(residuals):
        key = stream(search.seed, "init", search.replicate).child("part", index).child("part", number).key
        turn = residual_off(normals(key, 0, subspace.dimension, unit.p), subspace).T
        basis = subspace.basis + TILT_FACTOR * tilt * turn / np.linalg.norm(turn, 2)
        end = Trial(unit, data, search, subspace, index, basis).train(number)[-1]
        changes.append(np.mean(np.sum((residual_off(end, Subspace(basis)) - residual) ** 2, axis=1)))
    return float(np.mean(changes)) / TILT_FACTOR**2


def oracle_step(unit: Unit, data: Data, search: Search, subspace: Subspace, trace: Trace) -> Step:
    """The oracle: all directions of the population flow from the initial law inside E_j, without sampling noise.

    Residuals that rounding or the quadrature error can explain do not count.
    """
    flow = Flow(data, unit, search, subspace)
    before, after = flow.before, flow.end()
    residual = residual_off(after, subspace)
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
        other = residual_off(flow.end(asymmetric(data, CONTROL)), subspace)
        moved = float(np.linalg.eigvalsh(other.T @ other / len(other))[-1])
        return moved / scale, moved

    return with_verdict(replace(step, tilt=tilt), control)


def paper_oracle_step(unit: Unit, data: Data, search: Search, subspace: Subspace, trace: Trace) -> Step:
    """The paper's rule applied to the population flow: the mean residual, without sampling noise."""
    flow = Flow(data, unit, search, subspace)
    before, after = flow.before, flow.end()
    residual = residual_off(after, subspace)
    value, threshold = rmd2_si(after, subspace), search.delta
    if value > threshold:
        scale = _scale(after, subspace)
        threshold = max(threshold, SAFETY * max(flow.errors(after, ROUNDING)) ** 2 / scale)
    added = _direction(residual.mean(axis=0), value > threshold)
    step = _step(before, after, subspace, value, threshold, residual.T @ residual / len(after), added)

    def control() -> tuple[float, float]:
        end = flow.end(asymmetric(data, CONTROL))
        return rmd2_si(end, subspace), distance2_to_si(end, subspace)

    return with_verdict(step, control)


def _direction(mean: Floats, leaves: bool) -> Floats:
    """(p, 1) direction of a mean residual (p,), or (p, 0) if the law stays in E_j or the mean vanishes."""
    length = float(np.linalg.norm(mean))
    return (mean / length)[:, None] if leaves and length > 0.0 else np.zeros((len(mean), 0))


RULES: Mapping[str, Callable[[Unit, Data, Search, Subspace, Trace], Step]] = bound(
    names.RULES, {"paper": paper_step, "robust": robust_step, "oracle": oracle_step, "paper-oracle": paper_oracle_step}
)
"""Rules by name."""


def discover(unit: Unit, data: Data, rule: str = "robust", search: Search | None = None) -> Discovery:
    """Find E^G from data: the trace over E_0, E_1, ... and the first subspace that the law does not leave.

    rule : a name in RULES. The unit's group is not used. The answer is settled only if asymmetric data would have moved
    the law, see ``Step.verdict``. Raises MfsymError if a training diverges.
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


def with_verdict(step: Step, control: Callable[[], tuple[float, float]]) -> Step:
    """The step with its verdict and reason.

    control : returns the statistic of the control data, in the units of the step's statistic, and the second moment of
    their residual; called only if the law stays in E_j.
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
    if moved <= STATIONARY * INIT_SCALE**2:
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
