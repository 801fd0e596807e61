"""Moves on the market: give, take back, evict."""

from __future__ import annotations

from mfsym.accelerate import exact
from mfsym.transport.kernels.packs import Market


@exact
def held(i: int, j: int, market: Market) -> int:
    """Mass that row i holds in column j."""
    if market.row[j] == i and market.flow[j] > 0:
        return market.flow[j]
    cell = market.chain[j]
    while cell >= 0:
        if market.row[cell] == i and market.flow[cell] > 0:
            return market.flow[cell]
        cell = market.chain[cell]
    return 0


@exact
def wait(i: int, market: Market) -> None:
    """Put row i on the stack of waiting rows."""
    market.waiting[market.top[0]] = i
    market.top[0] += 1


@exact
def give(i: int, j: int, mass: int, cost: float, market: Market) -> bool:
    """Add to row i's holding in column j; both must have that much open. False where no cell is left to note it."""
    cell, last = j, j
    while cell >= 0 and not (market.row[cell] == i and market.flow[cell] > 0):
        last, cell = cell, market.chain[cell]
    if cell < 0:
        cell = j
        if market.flow[j] > 0:
            cell = market.spare[0]
            if cell < 0:
                return False
            market.spare[0] = market.chain[cell]
            market.chain[cell] = -1
            market.chain[last] = cell
        market.row[cell], market.flow[cell], market.cost[cell] = i, 0, cost
    market.flow[cell] += mass
    market.free[j] -= mass
    market.deficit[i] -= mass
    return True


@exact
def take(i: int, j: int, mass: int, market: Market) -> None:
    """Take mass back from row i's holding in column j; the row does not start to wait by that."""
    cell, last = j, -1
    while not (market.row[cell] == i and market.flow[cell] > 0):
        last, cell = cell, market.chain[cell]
    market.flow[cell] -= mass
    market.free[j] += mass
    market.deficit[i] += mass
    if market.flow[cell] == 0:
        unlink(last, cell, market)


@exact
def unlink(last: int, cell: int, market: Market) -> None:
    """Unlink an emptied cell, whose forerunner is ``last`` (-1 for a column's first cell)."""
    gone = cell
    if last < 0:
        gone = market.chain[cell]
        if gone < 0:
            return
        market.row[cell], market.flow[cell], market.cost[cell] = market.row[gone], market.flow[gone], market.cost[gone]
        last = cell
    market.chain[last] = market.chain[gone]
    market.flow[gone] = 0
    market.chain[gone] = market.spare[0]
    market.spare[0] = gone


@exact
def evict(j: int, mass: int, keep: int, market: Market) -> None:
    """Free ``mass`` units of column j, sparing row ``keep``; the rows that lose them start to wait."""
    while market.free[j] < mass:
        cell = j
        if market.row[cell] == keep:
            cell = market.chain[cell]
        i = market.row[cell]
        if market.deficit[i] == 0:
            wait(i, market)
        take(i, j, min(market.flow[cell], mass - market.free[j]), market)
