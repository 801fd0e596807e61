"""What a study is given as an object and no cell can hold: schemes, start particles, a step schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mfsym.dynamics.sgd import Floats, Schedule
from mfsym.schemes import AnyScheme


@dataclass(frozen=True, eq=False)
class Own:
    """Objects of one's own, which trainings and flows use instead of what a cell names.

    schemes : by the name under which results know them.  start : particles (N, p), instead of a start law.
    schedule : t (S,) -> factors (S,) of alpha, instead of 1.
    """

    schemes: Mapping[str, AnyScheme] = field(default_factory=dict)
    start: Floats | None = None
    schedule: Schedule | None = None

    def scheme(self, name: str) -> AnyScheme:
        """The scheme that results know by this name: one's own, or the name itself."""
        return self.schemes.get(name, name)


NOTHING = Own()
"""Nothing of one's own."""
