"""Engines, which advance particles: the contract of an engine, and the compiled engine."""

from mfsym.engines.contract import Engine, LiftedBatches, StepParameters
from mfsym.engines.cpu import CpuEngine

__all__ = ["CpuEngine", "Engine", "LiftedBatches", "StepParameters"]
