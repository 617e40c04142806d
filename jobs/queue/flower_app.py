"""A Celery app for monitors: it runs no tasks, and knows how messages are stored in the broker.

`python -m cli.flower` starts Flower with it; the URL of the broker is in `CELERY_BROKER_URL`.
"""

from celery import Celery

from jobs.queue.broker import celery_settings

app = Celery("kinomill", set_as_current=False)
app.conf.update(celery_settings())
