"""The thread that sends heartbeats: which functions it calls, and when no more."""

from __future__ import annotations

import threading

from tests.waiting import until
from workers.child.ticker import Ticker


def test_functions_are_called_in_one_thread_until_they_are_canceled():
    ticker, threads = Ticker(), []
    slow = ticker.every(3600, lambda: threads.append("too early"))
    often = ticker.every(0.005, lambda: threads.append(threading.current_thread()))

    until(lambda: len(threads) >= 3, what="three calls")
    often.cancel()
    called = len(threads)
    later = ticker.every(0.005, lambda: threads.append(threading.current_thread()))
    until(lambda: len(threads) > called, what="a call after the thread was idle")
    later.cancel()
    slow.cancel()

    assert len(set(threads)) == 1
    assert threading.current_thread() not in threads


def test_after_a_cancel_no_call_is_in_progress():
    calls, entered, go_on = [], threading.Event(), threading.Event()

    def act():
        entered.set()
        go_on.wait(10)
        calls.append("ended")

    repetition = Ticker().every(0, act)
    entered.wait(10)
    threading.Timer(0.05, go_on.set).start()

    repetition.cancel()

    assert calls == ["ended"]


def test_a_function_that_raises_stops_neither_the_others_nor_itself():
    ticker, tries, calls = Ticker(), [], []

    def fail():
        tries.append(1)
        raise RuntimeError("no heartbeat for anybody")

    failing = ticker.every(0.005, fail)
    other = ticker.every(0.005, lambda: calls.append(1))

    until(lambda: len(tries) >= 2 and len(calls) >= 2, what="two calls of both")
    failing.cancel()
    other.cancel()
