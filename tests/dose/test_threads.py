"""Work shared among helper threads: done once, errors raised, helpers reused, never waited for in vain."""

import os
import threading

import pytest

from y90voxel.dose import threads
from y90voxel.dose.threads import share_work


def meet(barrier):
    """Return a worker whose pieces need two threads at a time."""
    return lambda: lambda piece: barrier.wait(timeout=20)


def test_shared_work_is_done_once_and_its_first_error_is_raised():
    done = []
    share_work(lambda: done.append, list(range(50)), 3)
    assert sorted(done) == list(range(50))

    def fail(piece):
        if piece == 7:
            raise ZeroDivisionError(piece)

    with pytest.raises(ZeroDivisionError, match="7"):
        share_work(lambda: fail, list(range(50)), 3)


def test_helpers_run_beside_the_caller_and_are_used_again():
    share_work(meet(threading.Barrier(2)), range(2), 2)
    before = threading.active_count()
    for _ in range(20):
        share_work(meet(threading.Barrier(2)), range(2), 2)
    assert threading.active_count() == before


def test_two_callers_at_once_do_not_share_a_helper():
    barrier = threading.Barrier(4)
    other = threading.Thread(target=share_work, args=(meet(barrier), range(2), 2))
    other.start()
    share_work(meet(barrier), range(2), 2)
    other.join()


def test_a_helper_that_does_not_wake_in_time_is_not_waited_for(monkeypatch):
    late, awake = threads._Helper(), threading.Event()
    late.begin(awake.wait)
    monkeypatch.setattr(threads._Helper, "idle", [late])
    done = []
    share_work(lambda: done.append, list(range(50)), 2)
    assert sorted(done) == list(range(50))
    awake.set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_has_helpers_of_its_own():
    share_work(meet(threading.Barrier(2)), range(2), 2)
    child = os.fork()
    if child == 0:
        try:
            share_work(meet(threading.Barrier(2)), range(2), 2)
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
