"""Work shared among threads: done once, errors raised, nothing left behind."""

import os
import threading
import time

import pytest

from y90voxel.dose.threads import share_work


def meet(barrier):
    """Return a worker whose pieces need two threads at a time."""
    return lambda: lambda piece: barrier.wait(timeout=20)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_shared_work_is_done_once(count):
    done = []
    share_work(lambda: done.append, list(range(50)), count)
    assert sorted(done) == list(range(50))
    share_work(lambda: done.append, [], count)
    assert len(done) == 50


def test_helpers_run_beside_the_caller_and_end_with_the_call():
    before = threading.active_count()
    share_work(meet(threading.Barrier(3)), range(3), 3)
    assert threading.active_count() == before


def test_no_more_threads_work_than_there_are_pieces():
    workers = []
    share_work(lambda: workers.append(threading.get_ident()) or len, ["piece"], 4)
    assert workers == [threading.get_ident()]


@pytest.mark.parametrize("in_helper", [False, True])
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_error_in_any_thread_ends_the_work_of_all_and_is_raised(error, in_helper):
    caller, both, done = threading.get_ident(), threading.Barrier(2), []

    def do(piece):
        if piece < 2:
            both.wait(timeout=20)
            if (threading.get_ident() != caller) == in_helper:
                raise error
        time.sleep(0.002)
        done.append(piece)

    before = threading.active_count()
    with pytest.raises(error):
        share_work(lambda: do, range(2000), 2)
    assert len(done) < 2000
    assert threading.active_count() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_can_share_work():
    share_work(meet(threading.Barrier(2)), range(2), 2)
    child = os.fork()
    if child == 0:
        try:
            share_work(meet(threading.Barrier(2)), range(2), 2)
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
