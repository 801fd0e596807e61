"""Sweeps: a grid of cells, run anywhere, resumed by default, collected into one Dataset."""

from mfsym.stores.datasets import open_result, save_result
from mfsym.sweeps.collection import collect, verify
from mfsym.sweeps.plans import Shard, inspect, recorded
from mfsym.sweeps.runs import How, Summary
from mfsym.sweeps.sweeping import Options, execute, finish, preview, sweep

__all__ = [
    "How",
    "Options",
    "Shard",
    "Summary",
    "collect",
    "execute",
    "finish",
    "inspect",
    "open_result",
    "preview",
    "recorded",
    "save_result",
    "sweep",
    "verify",
]
