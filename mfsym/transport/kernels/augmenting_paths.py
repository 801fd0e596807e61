"""Shortest augmenting paths in phases: they assign what an auction leaves unassigned.

A phase runs Dijkstra's algorithm over the reduced costs c_ij - u_i - v_j >= 0 from all unassigned rows at once, one
tree for each root, until the trees have reached enough residual demand; longer paths are pruned. Then the duals of
settled columns decrease, and those of labelled rows rise, by the difference of their distances to the last one: every
path becomes tight, and flow is augmented along the paths that still have capacity (after Jonker & Volgenant 1987,
doi:10.1007/BF02278710, and Hopcroft & Karp 1973, doi:10.1137/0202019). The slack c_ij - u_i - v_j of a pair with flow
does not change: epsilon-complementary slackness is kept, and backward edges have length zero.

Candidate lists make it lazy. A labelled row relaxes its listed columns only and pushes a *virtual* item at distance
tau_i - u_i that stands for all others. When that item is popped, the row's next nearest unsettled columns are searched,
twice as many each time. No column is missed; since the duals v only decrease, lists stay certificates.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import uintp as U

from mfsym.accelerate import exact
from mfsym.transport.kernels.binary_heap import Heap, clear, pop, push
from mfsym.transport.kernels.blocking_flows import DepthFirstSearch, saturate
from mfsym.transport.kernels.candidate_lists import best_value
from mfsym.transport.kernels.couplings import assign, assigned, withdraw
from mfsym.transport.kernels.dual_fits import fit_bounds
from mfsym.transport.kernels.neighbour_search import nearest
from mfsym.transport.kernels.packs import ColumnTree, Floats, Ints, Numbers, PartialCoupling, SolverState

FIRST_SEARCH = 4
"""Number of columns that a row's first search beyond its list asks for."""

SINKS = 128
"""Number of unsaturated columns after which a Dijkstra phase stops: the last distance prunes its paths."""

STALLED = 20
"""Number of consecutive phases without any augmentation after which the solver gives up."""


class ShortestPaths(NamedTuple):
    """Labels of one Dijkstra phase. Items of the heap: column j as j, row i's virtual item as M + i."""

    heap: Heap
    distance: Floats  # (M,) tentative distance of each column, inf where not reached
    predecessor: Numbers  # (M,) row before the column on its path
    edge_cost: Floats  # (M,) cost c_ij of the edge between them
    parent: Numbers  # (N,) column before the row on its path, -1 for a root, -2 where not labelled
    root: Numbers  # (N,) root of the row's tree
    offset: Floats  # (N,) distance minus dual of the row
    unmet: Ints  # (N,) excess of a root for which its tree has found no residual demand
    targets: Numbers  # (M,) unsaturated columns that end an augmenting path
    reached: Numbers  # (M,) columns with a finite distance
    settled: Numbers  # (M,) columns whose distance is final
    rows: Numbers  # (N,) labelled rows
    next_size: Numbers  # (N,) number of columns that the row's next search asks for
    counts: Ints  # (4,) lengths of reached, settled, rows, targets
    sinks: Floats  # (SINKS,) smallest tentative distances of unsaturated columns, in increasing order
    search: DepthFirstSearch  # augments flow along further tight pairs


@exact
def hide_column(j: int, columns: ColumnTree) -> None:
    """Hide column j from searches, and every node whose atoms are all hidden."""
    for t in range(columns.place.shape[1]):
        columns.dual[columns.place[j, t]] = -np.inf
        h = columns.first + columns.place[j, t] // (8 * columns.octets)
        while h > 0:
            columns.visible[h - 1] -= 1
            if columns.visible[h - 1] > 0:
                break
            columns.upper[h - 1] = -np.inf
            h = (h - 1) >> 3


@exact
def show_column(j: int, columns: ColumnTree) -> None:
    """Show column j to searches again, with its present dual."""
    for t in range(columns.place.shape[1]):
        columns.dual[columns.place[j, t]] = columns.v[j]
        h = columns.first + columns.place[j, t] // (8 * columns.octets)
        while h > 0:
            columns.visible[h - 1] += 1
            if columns.visible[h - 1] > 1:
                break
            columns.upper[h - 1] = columns.constant[h - 1]
            h = (h - 1) >> 3


@exact
def record_sink(before: float, distance: float, sinks: Floats) -> None:
    """Insert the distance of an unsaturated column among the smallest; it replaces that column's earlier one."""
    last = sinks.size - 1
    place = last
    while place > 0 and sinks[place] != before:
        place -= 1
    place = place if sinks[place] == before else last
    while place > 0 and sinks[place - 1] > distance:
        sinks[place] = sinks[place - 1]
        place -= 1
    sinks[place] = distance


@exact
def relax_columns(
    i: int, now: float, numbers: Numbers, costs: Floats, coupling: PartialCoupling, v: Floats, paths: ShortestPaths
) -> None:
    """Relax the edges from row i to the given columns, unless that makes them farther than the last sink."""
    offset, sinks = paths.offset[i], paths.sinks
    last = sinks.size - 1
    for s in range(numbers.size):
        t = U(s)
        j = U(numbers[t])
        distance = max(offset + costs[t] - v[j], now)
        if distance < paths.distance[j] and distance <= sinks[last]:
            if coupling.residual[j] > 0:
                record_sink(paths.distance[j], distance, sinks)
            if paths.distance[j] == np.inf:
                paths.reached[paths.counts[0]] = numbers[t]
                paths.counts[0] += 1
            paths.distance[j], paths.predecessor[j], paths.edge_cost[j] = distance, i, costs[t]
            push(numbers[t], distance, paths.heap)


@exact
def relax_row(i: int, now: float, state: SolverState, paths: ShortestPaths) -> None:
    """Relax the edges from row i to its listed columns; its virtual item stands for the others."""
    lists, v = state.lists, state.columns.v
    begin, end = lists.start[i], lists.start[i] + lists.size[i]
    relax_columns(i, now, lists.column[begin:end], lists.cost[begin:end], state.coupling, v, paths)
    further = paths.offset[i] + lists.tau[i]
    if further < np.inf and further <= paths.sinks[-1]:
        push(v.size + i, max(further, now), paths.heap)


@exact
def label_row(i: int, parent: int, root: int, offset: float, paths: ShortestPaths) -> None:
    """Label row i as reached from column ``parent``."""
    paths.next_size[i] = FIRST_SEARCH
    paths.parent[i], paths.root[i], paths.offset[i] = parent, root, offset
    paths.rows[paths.counts[2]] = i
    paths.counts[2] += 1


@exact
def search_further(i: int, now: float, state: SolverState, paths: ShortestPaths) -> None:
    """Search row i's next nearest unsettled columns, and relax the edges to them.

    If the buffers cannot hold more columns, the next search comes only after all columns found here are settled, also
    where rounding makes them tie: before that it would find the same columns again.
    """
    columns, found = state.columns, state.found
    k = min(paths.next_size[i], found.value.size)
    paths.next_size[i] = min(2 * k, found.value.size)
    count = nearest(state.x[i], columns, k, paths.sinks[-1] - paths.offset[i], found)
    relax_columns(i, now, found.column[:count], found.cost[:count], state.coupling, columns.v, paths)
    if count == k:
        further = max(paths.offset[i] + found.value[count - 1], now)
        if k == found.value.size:
            for t in range(count):
                further = max(further, paths.offset[i] + found.cost[t] - columns.v[found.column[t]])
            further = np.nextafter(further, np.inf)
        push(columns.v.size + i, further, paths.heap)


@exact
def set_roots(wanted: int, k: int, state: SolverState, paths: ShortestPaths) -> None:
    """Make every unassigned row the root of a tree at distance 0; a phase looks for ``wanted`` units of demand."""
    coupling = state.coupling
    paths.sinks[:] = np.inf
    paths.sinks[: max(0, SINKS - wanted)] = -np.inf
    for t in range(coupling.queued[0]):
        i = coupling.queue[t]
        state.u[i] = best_value(i, k, state)
        label_row(i, -1, i, -state.u[i], paths)
        paths.unmet[i] = coupling.excess[i]
        relax_row(i, 0.0, state, paths)


@exact
def dijkstra(wanted: int, state: SolverState, paths: ShortestPaths) -> float:
    """Run Dijkstra's algorithm until the trees reach ``wanted`` units of demand; returns the last distance."""
    columns, coupling, heap = state.columns, state.coupling, paths.heap
    now, reached = 0.0, 0
    while heap.size[0] > 0 and reached < wanted:
        if heap.key[heap.item[0]] > paths.sinks[-1]:
            break
        j = pop(heap)
        now = heap.key[j]
        if j >= columns.v.size:
            search_further(j - columns.v.size, now, state, paths)
            continue
        paths.settled[paths.counts[1]] = j
        paths.counts[1] += 1
        hide_column(j, columns)
        root = paths.root[paths.predecessor[j]]
        mass = min(coupling.residual[j], paths.unmet[root])
        if mass > 0:
            paths.targets[paths.counts[3]] = j
            paths.counts[3] += 1
            paths.unmet[root] -= mass
            reached += mass
        cell = j
        while cell >= 0 and coupling.flow[cell] > 0:
            i = coupling.row[cell]
            if paths.parent[i] == -2:
                label_row(i, j, root, now - state.u[i], paths)
                relax_row(i, now, state, paths)
            cell = coupling.chain[cell]
    return now


@exact
def bottleneck(j: int, root: int, coupling: PartialCoupling, paths: ShortestPaths) -> int:
    """Residual capacity of the path from the root to column j."""
    mass = min(coupling.excess[root], coupling.residual[j])
    i = paths.predecessor[j]
    while i != root and mass > 0:
        mass = min(mass, assigned(i, paths.parent[i], coupling))
        i = paths.predecessor[paths.parent[i]]
    return mass


@exact
def augment_path(j: int, mass: int, coupling: PartialCoupling, paths: ShortestPaths) -> bool:
    """Augment flow along the path from its root to column j; False where no spare cell was left."""
    while j >= 0:
        i = paths.predecessor[j]
        back = paths.parent[i]
        if back >= 0:
            withdraw(i, back, mass, coupling)
        if not assign(i, j, mass, paths.edge_cost[j], coupling):
            return False
        j = back
    return True


@exact
def augment(last: float, state: SolverState, paths: ShortestPaths) -> bool:
    """Update the duals of settled columns and labelled rows, and augment flow along the paths to the targets."""
    columns, coupling = state.columns, state.coupling
    for t in range(paths.counts[1]):
        j = paths.settled[t]
        columns.v[j] -= last - paths.distance[j]
        show_column(j, columns)
    for t in range(paths.counts[2]):
        i = paths.rows[t]
        state.u[i] = last - paths.offset[i]
    kept, stored = 0, True
    for t in range(paths.counts[3]):
        j = paths.targets[t]
        mass = bottleneck(j, paths.root[paths.predecessor[j]], coupling, paths)
        if stored and mass > 0:
            stored = augment_path(j, mass, coupling, paths)
    for t in range(coupling.queued[0]):
        i = coupling.queue[t]
        if coupling.excess[i] > 0:
            coupling.queue[kept] = i
            kept += 1
    coupling.queued[0] = kept
    return stored


@exact
def reset(paths: ShortestPaths) -> None:
    """Remove all labels of the phase."""
    for t in range(paths.counts[0]):
        paths.distance[paths.reached[t]] = np.inf
    for t in range(paths.counts[2]):
        paths.parent[paths.rows[t]] = -2
    for t in range(4):
        paths.counts[t] = 0
    clear(paths.heap)


@exact
def total_excess(coupling: PartialCoupling) -> int:
    """Total excess of the unassigned rows."""
    mass = 0
    for t in range(coupling.queued[0]):
        mass += coupling.excess[coupling.queue[t]]
    return mass


@exact
def augment_all(share: float, k: int, state: SolverState, paths: ShortestPaths) -> int:
    """Run phases until every row is assigned, each until ``share`` of the excess is reached. Returns their number.

    No pair with flow gains slack: the result is optimal if all of them are tight beforehand (``withdraw_violations``
    with epsilon = 0). The number is negative if spare cells ran out, or if STALLED consecutive phases augmented nothing
    because the duals are so large that path lengths are lost in their rounding.
    """
    coupling, columns = state.coupling, state.columns
    phases, since, stalled, remaining = 0, 0, 0, total_excess(coupling)
    splits = coupling.row.size > columns.v.size
    if splits and not saturate(state, paths.search):
        return -1
    while coupling.queued[0] > 0:
        wanted = max(1, int(share * total_excess(coupling)))
        set_roots(wanted, k, state, paths)
        last = dijkstra(wanted, state, paths)
        phases, since = phases + 1, since + paths.counts[1]
        stored = augment(last, state, paths)
        reset(paths)
        if splits and stored:
            stored = saturate(state, paths.search)
        before, remaining = remaining, total_excess(coupling)
        stalled = stalled + 1 if remaining == before else 0
        if not stored or stalled == STALLED:
            return -1
        if since > columns.v.size * columns.place.shape[1]:
            fit_bounds(columns)
            since = 0
    return phases
