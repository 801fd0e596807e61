"""A gate at which the threads of one run meet, and how they are started.

The gate is one counter that only grows. A thread that arrives takes a ticket and waits until all tickets of its round
are taken: no round needs a reset. Between two meetings threads may write what no other reads, and read what any thread
wrote before the first. Waiting costs some hundred nanoseconds where every thread has a core; after SPINS looks a
waiting thread offers its core to others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mfsym.accelerate import JIT_DISABLED, cgutils, intrinsic, ir, kernel, types

SPINS = 2000
"""Looks at the gate before a waiting thread offers its core."""

if JIT_DISABLED:
    _LOCK = threading.Lock()

    def _take_ticket(gate: Any) -> Any:
        with _LOCK:
            gate[0] += 1
            return int(gate[0]) - 1

    def _tickets(gate: Any) -> Any:
        return int(gate[0])

    def _offer_core() -> None:
        time.sleep(0.0)

else:

    def _counter(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, values[0]).data

    @intrinsic
    def _take_ticket(typing_context: Any, gate: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            counter = _counter(context, builder, signature, values)
            return builder.atomic_rmw("add", counter, ir.Constant(ir.IntType(64), 1), "seq_cst")

        return types.int64(gate), emit

    @intrinsic
    def _tickets(typing_context: Any, gate: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return builder.load_atomic(_counter(context, builder, signature, values), "acquire", 8)

        return types.int64(gate), emit

    @intrinsic
    def _offer_core(typing_context: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            function = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, function, "sched_yield"), [])
            return context.get_dummy_value()

        return types.none(), emit


@kernel
def meet(gate: Any, threads: Any) -> None:
    """Return when all ``threads`` threads have called this as often. gate : int64 (1,), zero at first."""
    if threads == 1:
        return
    ticket = _take_ticket(gate)
    last, spins = (ticket // threads + 1) * threads, 0
    while _tickets(gate) < last:
        spins += 1
        if spins > SPINS:
            _offer_core()


def run_threads(threads: int, part: Callable[[int], int]) -> int:
    """Call part(0), ..., part(threads - 1) at the same time; what part(0) returns."""
    if threads == 1:
        return part(0)
    with ThreadPoolExecutor(threads) as pool:
        return next(iter(list(pool.map(part, range(threads)))))
