"""Messages as Celery itself writes them, built once per model and filled in for each job.

`Celery.send_task` takes 0.7 ms for a message; filling in a template takes 0.01 ms.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Mapping

_JOB, _TASK, _BODY = "{job}", "{task}", "{body}"


@dataclass(frozen=True)
class MessageTemplate:
    """A message to the task of one model, without the ids."""

    text: str
    """The JSON of the whole message."""
    body: str
    """The JSON of its body, which the message holds as base64."""

    @classmethod
    def create(cls, model: str, queue: str, settings: Mapping[str, Any]) -> Self:
        """Let Celery send a message to a broker in this process's memory, and take it from there.

        So the format is that of the installed version.
        """
        message = _sent_by_celery(model, queue, settings)
        body = base64.b64decode(message["body"]).decode()
        message["body"] = _BODY
        tag = message["properties"]["delivery_tag"]
        return cls(json.dumps(message).replace(tag, _TASK + "/tag"), body)

    def fill(self, job_id: str, task_id: str) -> str:
        """The message that wakes a worker for this job."""
        body = base64.b64encode(self.body.replace(_JOB, job_id).encode()).decode()
        text = self.text.replace(_TASK, task_id).replace(_JOB, job_id)
        return text.replace(_BODY, body)


def _sent_by_celery(model: str, queue: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    from celery import Celery

    own_queue = f"{queue}.{uuid4()}"  # brokers in memory share the queues of their process
    app = Celery("kinomill", broker="memory://", set_as_current=False)
    app.conf.update(settings, broker_transport_options={}, task_send_sent_event=False)
    app.send_task(model, args=(_JOB,), task_id=_TASK, queue=own_queue)
    with app.connection_for_read() as connection:
        message: dict[str, Any] = connection.default_channel._get(own_queue)
    app.close()
    message["properties"]["delivery_info"]["routing_key"] = queue
    return message
