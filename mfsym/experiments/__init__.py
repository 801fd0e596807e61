"""The reference experiment: train schemes under common random numbers, measure them, and return a Dataset.

Maass Martinez & Fontbona 2024, section 4 and appendix F. One replicate gives every scheme the same start, data and
noise; only the Haar draws of sampled data augmentation are its own.
"""

from __future__ import annotations

from mfsym.configurations.cells import Cell
from mfsym.experiments.cells import dynamics_of, problem_of, start_of
from mfsym.experiments.comparisons import compare, compare_cells
from mfsym.experiments.discoveries import discover
from mfsym.experiments.distances import distance_between, distance_to
from mfsym.experiments.measures import (
    CLASS_METRICS,
    LAW_METRICS,
    MEASURES,
    MODEL_METRICS,
    law_metrics,
    measure,
    metric_names,
)
from mfsym.experiments.runs import CellResult, make_ready, run_cell
from mfsym.experiments.setups import Setup, setup_of
from mfsym.experiments.simulations import simulate, simulate_cell, snapshot_steps

__all__ = [
    "CLASS_METRICS",
    "LAW_METRICS",
    "MEASURES",
    "MODEL_METRICS",
    "Cell",
    "CellResult",
    "Setup",
    "compare",
    "compare_cells",
    "discover",
    "distance_between",
    "distance_to",
    "dynamics_of",
    "law_metrics",
    "make_ready",
    "measure",
    "metric_names",
    "problem_of",
    "run_cell",
    "setup_of",
    "simulate",
    "simulate_cell",
    "snapshot_steps",
    "start_of",
]
