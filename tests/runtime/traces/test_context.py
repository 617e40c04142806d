"""Headers of a trace: what is taken, what is ignored, and how much is kept."""

from __future__ import annotations

import pytest

from runtime.traces.context import MAX_TRACESTATE, TraceContext, parse, stored_context

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


def test_a_parent_and_its_state_are_taken():
    found = parse([PARENT], ["congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"])

    assert found == TraceContext(PARENT, "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")
    assert found.headers == {
        "traceparent": PARENT,
        "tracestate": "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7",
    }
    assert parse([PARENT]).headers == {"traceparent": PARENT}


@pytest.mark.parametrize(
    "given",
    [
        "",
        "00",
        PARENT.upper(),
        PARENT[:-1],
        f"{PARENT}0",
        f"{PARENT}-more",
        f"{PARENT} ",
        f"{PARENT}\n",
        f"ff-{TRACE}-{SPAN}-01",
        f"0g-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-0x",
        f"00_{TRACE}_{SPAN}_01",
        f"01-{TRACE}-{SPAN}-01more",
    ],
)
def test_a_malformed_parent_is_ignored(given):
    assert parse([given], ["a=1"]) is None


def test_none_or_several_parents_are_ignored():
    assert parse([]) is None
    assert parse([PARENT, PARENT]) is None


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (f"01-{TRACE}-{SPAN}-01-what-later-versions-add", PARENT),
        (f"cc-{TRACE}-{SPAN}-01", PARENT),
        (f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-00"),
        (f"00-{TRACE}-{SPAN}-ff", f"00-{TRACE}-{SPAN}-03"),
    ],
)
def test_later_versions_and_unknown_flags_are_sent_on_as_what_is_known_of_them(given, kept):
    assert parse([given]).traceparent == kept
    assert len(kept) == 55


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([""], None),
        (["a=1 , b=2 ,, "], "a=1,b=2"),
        (["a=1", "b=2"], "a=1,b=2"),
        (["0tenant@v=x y"], "0tenant@v=x y"),
        (["a=1,a=2"], None),
        (["A=1"], None),
        (["a"], None),
        (["a="], None),
        (["a=b=c"], None),
        (["a=é"], None),
        (["a=1,b=\x07"], None),
        ([",".join(f"k{number}=1" for number in range(32))], 32),
        ([",".join(f"k{number}=1" for number in range(33))], None),
        ([f"a={'x' * 257}"], None),
        ([f"{'k' * 257}=x"], None),
    ],
)
def test_a_malformed_state_is_left_out_and_the_parent_kept(given, kept):
    found = parse([PARENT], given)

    assert found.traceparent == PARENT
    if isinstance(kept, int):
        assert len(found.tracestate.split(",")) == kept
    else:
        assert found.tracestate == kept


def test_a_long_state_loses_long_members_first_and_then_the_last_ones():
    long = [f"long{number}={'x' * 200}" for number in range(2)]
    short = [f"k{number}={'y' * 60}" for number in range(6)]

    both = parse([PARENT], [",".join([long[0], *short[:3], long[1], *short[3:]])]).tracestate
    only_short = [f"m{number:02}={'z' * 60}" for number in range(20)]
    cut = parse([PARENT], [",".join(only_short)]).tracestate

    assert both == ",".join(short)
    assert cut == ",".join(only_short[:7])
    assert max(len(both), len(cut)) <= MAX_TRACESTATE


def test_columns_of_a_job_without_a_trace_are_no_context():
    assert stored_context(None, None) is None
    assert stored_context(PARENT, None) == TraceContext(PARENT)
