"""Who waits for compiled code is told how long, once: the kernels that take seconds, and what a first use needs."""

from __future__ import annotations

from typing import NamedTuple

from mfsym.runtime.notices import tell


class Wait(NamedTuple):
    """What is waited for, and about how many seconds all of it takes where nothing is kept yet."""

    what: str
    seconds: int


TRAINING = Wait("the training loop", 6)
POPULATION = Wait("the flow of the limit", 4)
TRANSPORT = Wait("the transport solver", 16)

WAITS = {
    "mfsym.kernels.sgd.advance": TRAINING,
    "mfsym.kernels.population.sweep_population": POPULATION,
    "mfsym.transport.kernels.kd_tree.tree_order": TRANSPORT,
    "mfsym.transport.kernels.auction.auction": TRANSPORT,
    "mfsym.transport.kernels.augmenting_paths.augment_all": TRANSPORT,
}
"""The kernels that take longest, and the first of the solver, by name; those of one Wait are told of together."""


def announce(kernel: str) -> None:
    """Say that a kernel, given by its full name, is compiled now, if that takes seconds."""
    wait = WAITS.get(kernel)
    if wait is not None:
        tell(f"compiling {wait.what} for this machine, about {wait.seconds} s, once")
