"""Reads a source as a download does."""

from __future__ import annotations


def read(source, remote=None, start=0, end=None, *, received=None):
    """Return the bytes of a range; `received` also has those that came before an error."""
    remote = remote or source.stat()
    received = bytearray() if received is None else received
    buffer = memoryview(bytearray(1024 * 1024))
    with source.open(remote, start, remote.size_bytes if end is None else end) as body:
        while count := body.readinto(buffer):
            received += buffer[:count]
    return bytes(received)
