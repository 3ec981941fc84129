"""The peer's worker: a product of two matrices as a Celery task, JSON in and out."""

import os

import numpy as np
from celery import Celery

app = Celery("products", broker=os.environ["BROKER_URL"], backend=os.environ["RESULT_URL"])
app.conf.update(
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    # Durable as Dray is: replicated queue, confirmed publish, a message kept until its work is done.
    task_default_queue_type="quorum",
    broker_transport_options={"confirm_publish": True},
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    broker_connection_retry_on_startup=True,
    result_expires=60,
)


@app.task
def product(a: list[list[float]], b: list[list[float]]) -> list[list[float]]:
    return (np.array(a) @ np.array(b)).tolist()


@app.task
def note(input: dict) -> dict:
    return input
