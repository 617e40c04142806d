"""The trace that a request belongs to, as W3C headers: read strictly, stored with a job, sent on.

https://www.w3.org/TR/trace-context/. What is malformed is ignored, as it says, never an error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
MAX_TRACESTATE: Final = 512
"""Letters of a tracestate that are kept, at least; vendors must pass on that many."""
_MAX_MEMBERS, _LONG_MEMBER = 32, 128
_FLAGS = 0b11
"""Sampled, and that the trace id is random: what we know of the flags, and pass on."""
_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_MEMBER = re.compile(
    r"(?:[a-z0-9][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)


class TraceContext(NamedTuple):
    """A span of a trace, of which what follows is a part."""

    traceparent: str
    """`00-<trace id>-<span id>-<flags>`: 55 letters."""
    tracestate: str | None = None
    """What vendors add to it, up to `MAX_TRACESTATE` letters."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a request that goes on with this trace."""
        state = {} if self.tracestate is None else {TRACESTATE: self.tracestate}
        return {TRACEPARENT: self.traceparent} | state


def stored_context(traceparent: str | None, tracestate: str | None) -> TraceContext | None:
    """The context that two columns hold. None: there is none."""
    return None if traceparent is None else TraceContext(traceparent, tracestate)


def parse(traceparents: Sequence[str], tracestates: Sequence[str] = ()) -> TraceContext | None:
    """The context of the headers of a request, by all their values. None: none, or malformed."""
    found = _PARENT.fullmatch(traceparents[0]) if len(traceparents) == 1 else None
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more is not None):
        return None
    if not int(trace_id, 16) or not int(span_id, 16):
        return None
    known = int(flags, 16) & _FLAGS
    return TraceContext(f"00-{trace_id}-{span_id}-{known:02x}", _tracestate(tracestates))


def _tracestate(values: Sequence[str]) -> str | None:
    """The members of all values in one, as many as fit. None: none, or one is malformed."""
    listed = [member.strip(" \t") for value in values for member in value.split(",")]
    members = [member for member in listed if member]
    names = {member.partition("=")[0] for member in members}
    if len(members) > _MAX_MEMBERS or len(names) < len(members):
        return None
    if not all(map(_MEMBER.fullmatch, members)):
        return None
    return ",".join(_fitting(members)) or None


def _fitting(members: list[str]) -> list[str]:
    """Without long members, the last ones first, and then without the last, until all fit."""
    kept = members[:]
    for member in [*(one for one in reversed(members) if len(one) > _LONG_MEMBER), *members[::-1]]:
        if len(",".join(kept)) <= MAX_TRACESTATE:
            break
        if member in kept:
            kept.remove(member)
    return kept
