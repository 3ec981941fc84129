"""The model in TensorFlow with nothing around it: one caller, one row a call, no HTTP. It needs models/.venv.

    models/.venv/bin/python loadtest/in_process.py --seconds 20 --csv results/tensorflow-in-process/run

It writes the same files as locust does with --csv and --csv-full-history, with those of their columns that the report
reads. Times are in milliseconds, as locust's, but to the hundredth.
"""

import argparse
import collections
import csv
import os
import pathlib
import random
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read when TensorFlow is imported

import tensorflow as tf

FOLDER = pathlib.Path(__file__).parents[1] / "models/celsiusify/1"
NAME = "celsiusify, in process"
# As locust counts: of the last ten seconds, once a second.
WINDOW_SECONDS = 10
FINEST_MS = 0.01
SHARES = (50, 95, 99)


class Second:
    """What was called in one second: how often each time was seen, in steps of FINEST_MS."""

    def __init__(self):
        self.times = collections.Counter()
        self.sum_ms = 0.0
        self.wrong = 0

    def add(self, ms, right):
        self.times[round(ms / FINEST_MS)] += 1
        self.sum_ms += ms
        self.wrong += not right

    def count(self):
        return self.times.total()


def merged(seconds):
    total = Second()
    for one in seconds:
        total.times.update(one.times)
        total.sum_ms += one.sum_ms
        total.wrong += one.wrong
    return total


def percentile(times, share):
    """In ms: the least time within which this share, in percent, of the calls ended."""
    wanted = times.total() * share / 100
    seen = 0
    for step in sorted(times):
        seen += times[step]
        if seen >= wanted:
            return round(step * FINEST_MS, 2)
    return 0.0


def call_for(seconds):
    """Returns when the first call began, in seconds since 1970, and what was called in each second from then."""
    model = tf.saved_model.load(str(FOLDER))  # what it loads lives only as long as it does
    predict = model.signatures["serving_default"]
    started, begun = time.time(), time.perf_counter()
    history = []
    while (now := time.perf_counter()) - begun < seconds:
        if now - begun >= len(history):
            history.append(Second())
        fahrenheit = random.randint(0, 10_010) / 10
        before = time.perf_counter()
        [[celsius]] = predict(fahrenheit=tf.constant([[fahrenheit]], tf.float32))["celsius"].numpy().tolist()
        took = time.perf_counter() - before
        history[-1].add(took * 1000, abs(celsius - (fahrenheit - 32) * 5 / 9) < 1e-3)
    return started, history


def write(path, head, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([head, *rows])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--csv", required=True, help="what the names of the files begin with")
    options = parser.parse_args()
    started, history = call_for(options.seconds)
    total = merged(history)
    shares = [f"{share}%" for share in SHARES]
    write(
        f"{options.csv}_stats.csv",
        ["Type", "Name", "Request Count", "Failure Count", "Average Response Time", "Max Response Time", "Requests/s", *shares],
        [
            [
                *("", "Aggregated", total.count(), total.wrong),
                *(round(total.sum_ms / total.count(), 4), round(max(total.times) * FINEST_MS, 2), round(total.count() / options.seconds, 2)),
                *(percentile(total.times, share) for share in SHARES),
            ]
        ],
    )
    rows = []
    for second in range(1, len(history) + 1):
        window = history[max(0, second - WINDOW_SECONDS) : second]
        last = merged(window)
        rate, wrong = last.count() / len(window), last.wrong / len(window)
        times = [percentile(last.times, share) for share in SHARES]
        rows.append([round(started + second), 1, "", "Aggregated", round(rate, 2), round(wrong, 2), *times])
    write(f"{options.csv}_stats_history.csv", ["Timestamp", "User Count", "Type", "Name", "Requests/s", "Failures/s", *shares], rows)
    failed = [["CALL", NAME, "a wrong temperature", total.wrong, "", ""]] if total.wrong else []
    write(f"{options.csv}_failures.csv", ["Method", "Name", "Error", "Occurrences", "First Seen", "Last Seen"], failed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
