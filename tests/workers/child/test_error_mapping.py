"""Errors map to a code for the caller, and fatal ones end the process."""

from __future__ import annotations

import errno

import pytest

from models.errors import InputRejected, WeightsInvalid
from runtime.files import ScratchUnwritable
from storage.base import ObjectNotFound, StorageDenied, StorageFull, StorageUnavailable
from tests.workers.script import OutOfMemoryError
from weights.errors import AccessDenied, DiskFull, SourceUnavailable
from workers.child.error_mapping import is_fatal_to_process, to_attempt_failed, without_folders

FULL = OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
STRAY = RuntimeError("CUDA error: an illegal memory access was encountered")


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (InputRejected("no_face", "There is no face."), "no_face", False),
        (OSError(errno.ENOSPC, "full"), "disk_full", True),
        (OSError(errno.EDQUOT, "full"), "disk_full", True),
        (ScratchUnwritable("Read-only file system"), "disk_unwritable", True),
        (StorageFull("full"), "storage_full", True),
        (DiskFull("The volume needs 2 GB more."), "disk_full", True),
        (AccessDenied("set HF_TOKEN"), "weights_unavailable", False),
        (SourceUnavailable("503"), "weights_unavailable", True),
        (ObjectNotFound("gone"), "file_not_found", False),
        (StorageUnavailable("503"), "storage_unavailable", True),
        (StorageDenied("no rights"), "storage_unavailable", False),
        (FULL, "gpu_oom", False),
        (STRAY, "internal_error", True),
        (MemoryError(), "internal_error", True),
        (RuntimeError("a secret"), "internal_error", False),
    ],
)
def test_an_error_has_a_code_and_a_sentence(error, code, retryable):
    failure = to_attempt_failed(error)

    assert (failure.code, failure.retryable) == (code, retryable)
    assert failure.detail
    assert "secret" not in failure.detail


def caused_by(cause):
    error = RuntimeError("the sampler failed")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("cause", [FULL, STRAY, MemoryError(), RuntimeError("CUDA error: x")])
def test_memory_and_gpu_errors_are_fatal_to_the_process_also_as_a_cause(cause):
    assert is_fatal_to_process(cause)
    assert is_fatal_to_process(caused_by(cause))


def test_a_full_disk_is_recognized_also_as_a_cause():
    assert to_attempt_failed(caused_by(OSError(errno.ENOSPC, "full"))).code == "disk_full"


def test_a_full_gpu_is_recognized_also_as_a_cause():
    assert to_attempt_failed(caused_by(FULL)).code == "gpu_oom"


@pytest.mark.parametrize("error", [RuntimeError("odd"), OSError(errno.ENOSPC, "full")])
def test_other_errors_are_not_fatal_to_the_process(error):
    assert not is_fatal_to_process(error)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/srv/weights/wan/lora/a.safetensors does not fit", "lora/a.safetensors does not fit"),
        ("/w/vae/x.json: see (/w/other/vae/y.json)", "vae/x.json: see (vae/y.json)"),
        ("/data/4step.safetensors is missing", "/data/4step.safetensors is missing"),
        ("pull from https://host/a/b/c 24/7/365", "pull from https://host/a/b/c 24/7/365"),
    ],
)
def test_the_folders_of_a_server_are_not_shown(text, shown):
    assert without_folders(text) == shown
    assert to_attempt_failed(WeightsInvalid(text)).detail == shown
