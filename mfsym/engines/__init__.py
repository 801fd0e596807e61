"""Engines, which advance particles: the contract of an engine, the compiled engine, and the choice of one."""

from mfsym.engines.choices import as_engine, make_engine
from mfsym.engines.contract import Engine, LiftedBatches, StepParameters
from mfsym.engines.cpu import CpuEngine

__all__ = ["CpuEngine", "Engine", "LiftedBatches", "StepParameters", "as_engine", "make_engine"]
