"""Sources in a local folder."""

from __future__ import annotations

import os

import pytest

from tests.weights.read_source import read
from weights.errors import AccessDenied, RemoteChanged, SourceNotFound, SourceUnavailable
from weights.sources.folder import FolderBody, FolderSource

CONTENT = os.urandom(100_000)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(CONTENT)
    return path


def test_any_range_can_be_read(path):
    source = FolderSource(path)
    remote = source.stat()

    assert (remote.size_bytes, remote.sha256, remote.ranges) == (len(CONTENT), None, True)
    assert read(source, remote) == CONTENT
    assert read(source, remote, 10, 20) == CONTENT[10:20]


def test_a_modified_file_is_detected(path):
    source = FolderSource(path)
    remote = source.stat()

    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(1, 1))

    with pytest.raises(RemoteChanged, match=r"weights\.bin was modified"):
        read(source, remote)


def test_a_file_truncated_while_it_is_read_is_detected(path):
    source = FolderSource(path)

    with source.open(source.stat(), 0, len(CONTENT)) as body:
        os.truncate(path, 5)
        assert body.readinto(memoryview(bytearray(10))) == 5
        with pytest.raises(RemoteChanged, match="shorter"):
            body.readinto(memoryview(bytearray(10)))


@pytest.mark.parametrize("name", ["none.bin", ".", "weights.bin/below"])
def test_a_path_that_is_not_a_file_is_not_found(path, name):
    with pytest.raises(SourceNotFound):
        FolderSource(path.parent / name).stat()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (FileNotFoundError(2, "gone"), SourceNotFound),
        (PermissionError(13, "denied"), AccessDenied),
        (OSError(5, "Input/output error"), SourceUnavailable),
    ],
)
def test_each_os_error_is_converted(path, error, expected):
    source = FolderSource(path)

    assert isinstance(source.convert(error), expected)
    assert "weights.bin" in str(source.convert(error))


def test_an_error_during_a_read_is_converted(tmp_path):
    with (tmp_path / "x").open("wb", buffering=0) as write_only:
        body = FolderBody(write_only, FolderSource(tmp_path / "x"), 10)

        with pytest.raises(SourceUnavailable):
            body.readinto(memoryview(bytearray(10)))
