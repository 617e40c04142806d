"""A Celery app for monitors: it runs nothing, but knows how calls lie in the broker.

`celery -A jobs.queue.flower_app flower`, with the broker's address in `CELERY_BROKER_URL`.
"""

from celery import Celery

from jobs.queue.broker import celery_settings

app = Celery("kinomill", set_as_current=False)
app.conf.update(celery_settings())
