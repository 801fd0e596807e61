"""Configuration: keys, the layers that set them, the cells of a sweep, and their resource estimates."""

from mfsym.configurations.cells import Cell, axes, count, expand, extra_axes
from mfsym.configurations.layers import Resolved, resolve
from mfsym.configurations.loading import load

__all__ = ["Cell", "Resolved", "axes", "count", "expand", "extra_axes", "load", "resolve"]
