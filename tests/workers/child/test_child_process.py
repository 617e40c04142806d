"""What a child of the pool prepares before its first job."""

from __future__ import annotations

from structlog.testing import capture_logs

from workers.child.process import ChildProcess
from workers.shared.served_models import served_cards


def test_an_unavailable_object_storage_is_logged_and_tried_again_by_the_first_job(
    worker_settings, monkeypatch
):
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    settings = worker_settings.model_copy(update={"storage": "gs://nobodys-bucket"})
    child = ChildProcess(settings, served_cards(settings))

    with capture_logs() as logs:
        child.prepare_first_job()

    assert "credentials" in logs[0]["error"]
    assert "storage" not in vars(child)
