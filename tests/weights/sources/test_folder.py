"""Files of a local folder."""

from __future__ import annotations

import os

import pytest

from tests.weights.reading import read
from weights.errors import AccessDenied, NotAtSource, RemoteChanged, SourceUnavailable
from weights.sources.folder import FolderBody, FolderFile

CONTENT = os.urandom(100_000)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(CONTENT)
    return path


def test_any_range_can_be_read(path):
    source = FolderFile(path)
    remote = source.stat()

    assert (remote.size_bytes, remote.sha256, remote.ranges) == (len(CONTENT), None, True)
    assert read(source, remote) == CONTENT
    assert read(source, remote, 10, 20) == CONTENT[10:20]


def test_a_file_that_was_written_since_is_another_one(path):
    source = FolderFile(path)
    remote = source.stat()

    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(1, 1))

    with pytest.raises(RemoteChanged, match=r"weights\.bin has been written"):
        read(source, remote)


def test_a_file_that_becomes_shorter_while_it_is_read_is_another_one(path):
    source = FolderFile(path)

    with source.open(source.stat(), 0, len(CONTENT)) as body:
        os.truncate(path, 5)
        assert body.readinto(memoryview(bytearray(10))) == 5
        with pytest.raises(RemoteChanged, match="shorter"):
            body.readinto(memoryview(bytearray(10)))


@pytest.mark.parametrize("name", ["none.bin", ".", "weights.bin/below"])
def test_what_is_no_file_is_not_there(path, name):
    with pytest.raises(NotAtSource):
        FolderFile(path.parent / name).stat()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (FileNotFoundError(2, "gone"), NotAtSource),
        (PermissionError(13, "denied"), AccessDenied),
        (OSError(5, "Input/output error"), SourceUnavailable),
    ],
)
def test_each_fault_of_a_share_has_its_error(path, fault, error):
    source = FolderFile(path)

    assert isinstance(source.fault(fault), error)
    assert "weights.bin" in str(source.fault(fault))


def test_a_share_that_fails_while_it_is_read(tmp_path):
    with (tmp_path / "x").open("wb", buffering=0) as write_only:
        body = FolderBody(write_only, FolderFile(tmp_path / "x"), 10)

        with pytest.raises(SourceUnavailable):
            body.readinto(memoryview(bytearray(10)))
