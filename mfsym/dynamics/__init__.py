"""Training dynamics: noisy SGD of one layer or of a residual network, in mean-field time t = k / N."""

from mfsym.configurations.names import AUTO, DTYPES
from mfsym.dynamics.noises import NOISES, Noise
from mfsym.dynamics.sgd import NoisySGD, Schedule
from mfsym.dynamics.states import Dynamics, FlowState, LawState, State

__all__ = [
    "AUTO",
    "DTYPES",
    "NOISES",
    "Dynamics",
    "FlowState",
    "LawState",
    "Noise",
    "NoisySGD",
    "Schedule",
    "State",
]
