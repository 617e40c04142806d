"""Faults that tests can inject into the fake Hub."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from threading import Lock

KINDS = {"status", "cut", "flip", "short", "long", "html", "drip", "stall", "redirect", "change"}
KINDS |= {"refuse_ranges", "wrong_range"}


@dataclass(frozen=True)
class Fault:
    """One fault.

    kind        effect
    status      an error status (with `retry_after`, in seconds or as a date)
    cut         the connection closes at the fraction `at` of the file
    flip        one byte is wrong at the fraction `at`; the length is right
    short, long the file is one byte shorter or longer, in all headers too
    html        200 with an error page instead of the file
    drip        from the fraction `at` on, one byte every `every` seconds
    stall       from the fraction `at` on, nothing at all
    redirect    302 to the second host, or `to`
    change      the file has other bytes of the same length, and another ETag, from now on
    refuse_ranges  200 with the whole file in response to a range request
    wrong_range    206 with another range than requested

    `on`: GET is the response that carries the bytes, HEAD a HEAD of it, "resolve" the response of
    the Hub that redirects to the bytes (HEAD or GET), "*" all of them.
    """

    kind: str
    status: int = 0
    at: float = 0.5
    on: str = "GET"
    retry_after: str | float | None = None
    every: float = 0.05
    to: str | None = None
    permanent: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no such fault: {self.kind}")

    def reaches(self, first: int, last: int, size: int) -> bool:
        """Whether this response includes the offset of the fault."""
        return self.kind not in {"cut", "flip"} or first <= self.offset(size) <= last

    def offset(self, size: int) -> int:
        return min(int(self.at * size), size - 1)


def cut(at: float, **more) -> Fault:
    return Fault("cut", at=at, **more)


def status(code: int, **more) -> Fault:
    return Fault("status", status=code, **more)


@dataclass
class Faults:
    """The pending faults, by path."""

    pending: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    lock: Lock = field(default_factory=Lock)

    def add(self, path: str, faults: tuple[Fault | int | str, ...], **more) -> None:
        for fault in faults:
            if isinstance(fault, int):
                added = status(fault, **more)
            elif isinstance(fault, str):
                added = Fault(fault, **more)
            else:
                added = fault
            self.pending[path].append(added)

    def take(self, path: str, on: set[str], span: tuple[int, int, int]) -> Fault | None:
        """Return the next fault for this response and remove it unless it is permanent."""
        with self.lock:
            for fault in self.pending[path]:
                if fault.on in on | {"*"} and fault.reaches(*span):
                    if not fault.permanent:
                        self.pending[path].remove(fault)
                    return fault
        return None
