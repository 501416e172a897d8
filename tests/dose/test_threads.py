"""Work shared among helper threads: done once, errors raised, helpers reused, never waited for in vain."""

import gc
import os
import threading
import time
import weakref
from collections import deque
from contextlib import suppress
from functools import partial
from queue import SimpleQueue

import pytest

from y90voxel.dose import threads
from y90voxel.dose.threads import share_work


def is_idle_soon(count):
    """Wait until so many helpers have nothing to do, 20 s at most."""
    for _ in range(2000):
        if len(threads._IDLE) == count:
            return True
        time.sleep(0.01)
    return False


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
    barrier, met = threading.Barrier(4), []

    def call():
        share_work(
            lambda: lambda piece: (barrier.wait(timeout=20), met.append(threading.get_ident())), range(2), 2
        )

    other = threading.Thread(target=call)
    other.start()
    call()
    other.join()
    assert len(set(met)) == len(met) == 4


def test_a_helper_that_does_not_wake_in_time_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(threads, "_IDLE", deque())
    awake = threading.Event()
    task = threads._Task(awake.wait)
    threads._IDLE.append(task._helper)
    done = []
    waker = threading.Timer(20, awake.set)
    waker.start()
    share_work(lambda: done.append, list(range(50)), 2)
    assert sorted(done) == list(range(50))
    assert not awake.is_set()
    assert list(threads._IDLE) == [task._helper]
    waker.cancel()
    awake.set()
    task.finish()


def test_an_interrupted_call_gives_its_helpers_back(monkeypatch):
    monkeypatch.setattr(threads, "_IDLE", deque())
    begun, go_on = threading.Event(), threading.Event()
    task = threads._Task(lambda: (begun.set(), go_on.wait(20)))
    assert begun.wait(20)
    helper = task._helper
    del task  # as an exception in the caller does
    assert not threads._IDLE
    go_on.set()
    assert is_idle_soon(1)
    assert list(threads._IDLE) == [helper]


@pytest.mark.parametrize("count", [1, 3])
def test_a_crew_does_its_jobs_and_what_is_shared_once(count):
    jobs, done = [], []
    with threads.Crew(count, map(jobs.append, range(30))) as crew:
        crew.share(lambda: done.append, range(40))
    assert (sorted(jobs), sorted(done)) == (list(range(30)), list(range(40)))


def test_helpers_of_a_crew_begin_before_the_caller_shares():
    begun = SimpleQueue()
    with threads.Crew(2, map(begun.put, range(1))) as crew:
        assert begun.get(timeout=20) == 0
        crew.finish()


@pytest.mark.parametrize("count", [1, 2])
def test_the_error_of_a_job_is_raised_where_the_crew_shares(count):
    with threads.Crew(count, map(int, ["1", "x", "2"])) as crew, pytest.raises(ValueError, match="'x'"):
        crew.finish()


def test_helpers_are_free_again_when_the_caller_fails_before_it_shares(monkeypatch):
    monkeypatch.setattr(threads, "_IDLE", deque())
    begun, done = threading.Event(), []

    def job(number):
        done.append(number)
        begun.set()
        time.sleep(0.01)

    def fail():
        with threads.Crew(2, map(job, range(500))):
            assert begun.wait(20)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert is_idle_soon(1)
    assert len(done) < 500


@pytest.mark.parametrize("count", [2, 3])
def test_an_interrupt_while_helpers_work_leaves_none_behind(count, monkeypatch):
    monkeypatch.setattr(threads, "_IDLE", deque())
    all_begun, go_on, caller = threading.Barrier(count), threading.Event(), threading.get_ident()
    waits = iter([KeyboardInterrupt])

    def finish(task, finish=threads._Task.finish):
        for interrupt in waits:
            raise interrupt
        finish(task)

    monkeypatch.setattr(threads._Task, "finish", finish)

    def work(_):
        all_begun.wait(20)
        if threading.get_ident() != caller:
            assert go_on.wait(20)

    def share():
        with threads.Crew(count, iter(())) as crew:
            assert is_idle_soon(count - 1)  # no jobs: helpers have gone, and are asked again
            crew.share(lambda: work, range(count))

    with pytest.raises(KeyboardInterrupt):
        share()
    assert not threads._IDLE
    go_on.set()
    assert is_idle_soon(count - 1)


@pytest.mark.parametrize("jobs", [None, iter(())])
def test_helpers_are_free_again_when_another_cannot_be_started(jobs, monkeypatch):
    monkeypatch.setattr(threads, "_IDLE", deque([threads._Helper()]))

    def refuse():
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threads, "_Helper", refuse)
    with pytest.raises(RuntimeError, match="new thread"):
        threads.Crew(3, jobs).share(lambda: len, ["piece"])
    assert is_idle_soon(1)


class Held:
    """Something that work refers to."""


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("awake", [False, True])
def test_nothing_is_kept_of_work_that_is_done(count, fails, awake, monkeypatch):
    monkeypatch.setattr(threads, "_IDLE", deque())
    busy = threading.Event()
    if awake:
        busy.set()
    first = threads._Task(busy.wait)
    threads._IDLE.append(first._helper)
    held = Held()
    seen = weakref.ref(held)

    def work(held):
        def do(piece):
            if fails:
                raise ZeroDivisionError(held)

        return do

    gc.disable()
    try:
        with suppress(ZeroDivisionError), threads.Crew(count, map(bool, [held])) as crew:
            crew.share(partial(work, held), range(3))
        del held, crew
        assert seen() is None
    finally:
        gc.enable()
        busy.set()


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
