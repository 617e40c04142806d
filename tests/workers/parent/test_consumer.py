"""Events of tasks are sent several at a time, and none stays behind at the end."""

from __future__ import annotations

from types import SimpleNamespace

from kombu.asynchronous.timer import Entry

from workers.parent.consumer import EVENT_DELAY_SECONDS, Consumer


class Hub:
    def __init__(self):
        self.calls = []
        self.timers = []

    def call_repeatedly(self, delay, call):
        self.timers.append(Entry(call))
        return self.timers[-1]

    def call_later(self, delay, call):
        self.calls.append((delay, call))


def consumer():
    """A consumer with a loop and a dispatcher, which counts how often it sends."""
    made = Consumer.__new__(Consumer)
    made.hub = Hub()
    made.sent = 0
    made.event_dispatcher = SimpleNamespace(flush=lambda: setattr(made, "sent", made.sent + 1))
    return made


def test_the_events_of_half_a_second_are_sent_together():
    made = consumer()

    for _ in range(10):
        made.on_send_event_buffered()

    [(delay, send)] = made.hub.calls
    assert (delay, made.sent) == (EVENT_DELAY_SECONDS, 0)
    send()
    assert made.sent == 1


def test_later_events_are_sent_later():
    made = consumer()
    made.on_send_event_buffered()
    made.hub.calls[0][1]()

    made.on_send_event_buffered()

    assert len(made.hub.calls) == 2


def test_a_new_connection_to_the_broker_has_one_reader_of_events():
    made = consumer()
    made.blueprint = SimpleNamespace(send_all=lambda *_, **__: None)
    made.job_events = SimpleNamespace(read=lambda: ())
    hub = Hub()

    made.register_with_event_loop(hub)
    made.register_with_event_loop(hub)

    assert [timer.canceled for timer in hub.timers] == [True, False]
