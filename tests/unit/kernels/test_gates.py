"""mfsym.kernels.gates: threads wait for each other, round after round, and see what the others wrote before."""

import threading

import numpy as np

from mfsym.accelerate import kernel
from mfsym.kernels.gates import meet, run_threads
from tests.sizes import sized


@kernel
def _pass_on(gate, slots, rounds, thread):
    """Rounds in which a thread writes the number of the round; how often another's was not seen."""
    threads, wrong = slots.shape[0], 0
    for s in range(rounds):
        slots[thread] = s
        meet(gate, threads)
        for other in range(threads):
            wrong += slots[other] != s
        meet(gate, threads)
    return wrong


def test_threads_see_what_others_wrote_before_they_met():
    rounds = sized(20_000, 50)
    for threads in (1, 2, 3):
        gate, slots = np.zeros(1, np.int64), np.zeros(threads, np.int64)
        wrong = np.full(threads, -1)

        def part(thread, gate=gate, slots=slots, wrong=wrong):
            wrong[thread] = _pass_on(gate, slots, rounds, thread)
            return thread

        assert run_threads(threads, part) == 0
        assert (wrong == 0).all()
        assert gate[0] == (0 if threads == 1 else 2 * rounds * threads)


def test_a_thread_waits_until_all_have_come():
    gate = np.zeros(1, np.int64)
    meet(np.zeros(1, np.int64), 1)
    first = threading.Thread(target=meet, args=(gate, 2))
    first.start()
    first.join(0.2)
    assert first.is_alive()
    meet(gate, 2)
    first.join(10.0)
    assert not first.is_alive()
    assert gate[0] == 2
