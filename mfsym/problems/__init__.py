"""Problems as files: a group, its representations, a unit and data, stated in TOML or in a few lines of Python."""

from mfsym.problems.building import Problem, build, load_problem, parse_text
from mfsym.problems.symmetries import FAMILIES, REPRESENTATIONS

__all__ = ["FAMILIES", "REPRESENTATIONS", "Problem", "build", "load_problem", "parse_text"]
