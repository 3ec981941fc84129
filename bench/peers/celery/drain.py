"""Lets jobs wait and be worked off. A line with a number of jobs is answered with the seconds that it took."""

import os
import sys
import time

import redis
from tasks import app, note

results = redis.from_url(os.environ["RESULT_URL"])

for line in sys.stdin:
    jobs = int(line)
    app.control.cancel_consumer("celery", reply=True)
    results.flushdb()
    for order in range(jobs):
        note.delay({"to": "someone@example.org", "order": order})
    started = time.perf_counter()
    app.control.add_consumer("celery")
    # A job has ended when its result is there.
    while results.dbsize() < jobs:
        if time.perf_counter() - started > 120:
            raise TimeoutError(f"{results.dbsize()} of {jobs} jobs have ended")
        time.sleep(0.005)
    print(time.perf_counter() - started, flush=True)
