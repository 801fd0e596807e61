"""Operations on a partial coupling: assign, withdraw, enqueue, evict."""

from __future__ import annotations

from mfsym.accelerate import exact
from mfsym.transport.kernels.packs import PartialCoupling


@exact
def assigned(i: int, j: int, coupling: PartialCoupling) -> int:
    """Flow from row i to column j."""
    if coupling.row[j] == i and coupling.flow[j] > 0:
        return coupling.flow[j]
    cell = coupling.chain[j]
    while cell >= 0:
        if coupling.row[cell] == i and coupling.flow[cell] > 0:
            return coupling.flow[cell]
        cell = coupling.chain[cell]
    return 0


@exact
def enqueue(i: int, coupling: PartialCoupling) -> None:
    """Append row i to the queue of unassigned rows."""
    coupling.queue[coupling.queued[0]] = i
    coupling.queued[0] += 1


@exact
def assign(i: int, j: int, mass: int, cost: float, coupling: PartialCoupling) -> bool:
    """Add flow from row i to column j, at most the row's excess and the residual demand; False without a spare cell."""
    cell, last = j, j
    while cell >= 0 and not (coupling.row[cell] == i and coupling.flow[cell] > 0):
        last, cell = cell, coupling.chain[cell]
    if cell < 0:
        cell = j
        if coupling.flow[j] > 0:
            cell = coupling.spare[0]
            if cell < 0:
                return False
            coupling.spare[0] = coupling.chain[cell]
            coupling.chain[cell] = -1
            coupling.chain[last] = cell
        coupling.row[cell], coupling.flow[cell], coupling.cost[cell] = i, 0, cost
    coupling.flow[cell] += mass
    coupling.residual[j] -= mass
    coupling.excess[i] -= mass
    return True


@exact
def withdraw(i: int, j: int, mass: int, coupling: PartialCoupling) -> None:
    """Remove flow from row i to column j; the row is not enqueued."""
    cell, last = j, -1
    while not (coupling.row[cell] == i and coupling.flow[cell] > 0):
        last, cell = cell, coupling.chain[cell]
    coupling.flow[cell] -= mass
    coupling.residual[j] += mass
    coupling.excess[i] += mass
    if coupling.flow[cell] == 0:
        unlink(last, cell, coupling)


@exact
def unlink(last: int, cell: int, coupling: PartialCoupling) -> None:
    """Unlink an empty cell whose predecessor in the chain is ``last`` (-1 for a column's first cell)."""
    gone = cell
    if last < 0:
        gone = coupling.chain[cell]
        if gone < 0:
            return
        coupling.row[cell], coupling.flow[cell], coupling.cost[cell] = (
            coupling.row[gone],
            coupling.flow[gone],
            coupling.cost[gone],
        )
        last = cell
    coupling.chain[last] = coupling.chain[gone]
    coupling.flow[gone] = 0
    coupling.chain[gone] = coupling.spare[0]
    coupling.spare[0] = gone


@exact
def evict(j: int, mass: int, spared: int, coupling: PartialCoupling) -> None:
    """Withdraw flow from column j, but not from row ``spared``, until ``mass`` fits; enqueue the rows that lose it."""
    while coupling.residual[j] < mass:
        cell = j
        if coupling.row[cell] == spared:
            cell = coupling.chain[cell]
        i = coupling.row[cell]
        if coupling.excess[i] == 0:
            enqueue(i, coupling)
        withdraw(i, j, min(coupling.flow[cell], mass - coupling.residual[j]), coupling)
