"""Several trainings at once: replicates, and schemes, side by side on the cores of one processor.

One compiled program serves all trainings of equal shapes, and each training has a core of its own. What a training
computes is what it computes alone, bit for bit: only the time of the whole changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from mfsym.arguments import as_whole, shown
from mfsym.dynamics.sgd import NoisySGD
from mfsym.dynamics.states import State
from mfsym.engines import runs_at_once
from mfsym.errors import MfsymError


def step_together(dynamics: NoisySGD | Sequence[NoisySGD], states: Sequence[State], n: int = 1) -> list[State]:
    """The states n steps later, each as by ``dynamics.step(state, n)``, bit for bit, in their order.

    dynamics : one NoisySGD for all states, or one for each.  states : replicates, or starts of several schemes.
    With the engine "jax" on the CPU as many states advance at once as there are cores; all others advance in turn.
    A state that diverges stops alone. MfsymError where the numbers of dynamics and states differ; an error of one
    training is raised after those beside it have ended.

    >>> import numpy as np
    >>> from mfsym.data.teachers import reference_teacher
    >>> teacher = reference_teacher("wi")
    >>> dynamics = NoisySGD(teacher.unit, "fa", teacher, batch_size=4, dtype="float64")
    >>> starts = [dynamics.init(np.zeros((8, 4)), replicate=r) for r in range(3)]
    >>> [state.time for state in step_together(dynamics, starts, 4)]
    [0.5, 0.5, 0.5]
    """
    each = [dynamics] * len(states) if isinstance(dynamics, NoisySGD) else list(dynamics)
    if len(each) != len(states):
        raise MfsymError(
            f"dynamics must be one NoisySGD, or one for each of the {len(states)} states, got {shown(each)}"
        )
    n = as_whole(n, "n")
    width = min((runs_at_once(one.engine, one.device) for one in each), default=1)
    if min(width, len(states)) <= 1:
        return [one.step(state, n) for one, state in zip(each, states, strict=True)]
    with ThreadPoolExecutor(min(width, len(states))) as cores:
        return list(cores.map(lambda one, state: one.step(state, n), each, states))
