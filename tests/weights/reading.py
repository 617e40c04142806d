"""Reading a source as the mover does."""

from __future__ import annotations


def read(source, remote=None, start=0, end=None, *, came=None):
    """Return the bytes of a range; `came` has those that came before an error."""
    remote = remote or source.stat()
    came = bytearray() if came is None else came
    buffer = memoryview(bytearray(1024 * 1024))
    with source.open(remote, start, remote.size_bytes if end is None else end) as body:
        while count := body.readinto(buffer):
            came += buffer[:count]
    return bytes(came)
