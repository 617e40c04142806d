"""Each field of the log is explained."""

from __future__ import annotations

from docs.log_events import OPEN, events, field_meanings


def test_each_field_of_an_event_is_explained_and_no_other():
    meanings = field_meanings()
    used = set().union(*(event.fields for event in events().values())) - {OPEN}
    context = set(meanings["context"])

    assert used - context - set(meanings["fields"]) == set()
    assert set(meanings["fields"]) - used == {"process"}  # of `cold start`, in open fields
    assert context & set(meanings["fields"]) == set()
