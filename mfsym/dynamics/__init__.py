"""Training dynamics: noisy SGD of one layer or of a residual network, in mean-field time t = k / N."""

from mfsym.dynamics.sgd import AUTO, DTYPES, NOISES, NoisySGD, Schedule
from mfsym.dynamics.states import Dynamics, FlowState, LawState, State

__all__ = ["AUTO", "DTYPES", "NOISES", "Dynamics", "FlowState", "LawState", "NoisySGD", "Schedule", "State"]
