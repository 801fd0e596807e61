"""Configuration: the keys, the layers they come from, the cells they make, and what these need."""

from mfsym.configurations.cells import Cell, axes, count, expand, extra_axes
from mfsym.configurations.layers import Resolved, resolve
from mfsym.configurations.loading import load

__all__ = ["Cell", "Resolved", "axes", "count", "expand", "extra_axes", "load", "resolve"]
