"""What a job would take, before it is one."""

from __future__ import annotations


def test_an_estimate_creates_no_job(client, files, sessions):
    estimate = client.estimate("preview-lipsync", files)

    assert (estimate.seconds, estimate.gpu_seconds, estimate.samples) == (None, None, 0)
    assert "preview-lipsync" in estimate.reason
    assert estimate.queue.position >= 1
    assert len(client.list()) == 0
