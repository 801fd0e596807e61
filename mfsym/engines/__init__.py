"""Engines, which advance particles: the contract of an engine, the compiled engine, and the choice of one."""

from mfsym.engines.choices import as_engine, make_engine, make_layers, runs_at_once
from mfsym.engines.contract import Engine, Layers, LiftedBatches, StepParameters
from mfsym.engines.cpu import CpuEngine

__all__ = [
    "CpuEngine",
    "Engine",
    "Layers",
    "LiftedBatches",
    "StepParameters",
    "as_engine",
    "make_engine",
    "make_layers",
    "runs_at_once",
]
