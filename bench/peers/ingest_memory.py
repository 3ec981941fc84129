"""Reads a job's body with orjson into a numpy array, from memory: no HTTP, no validation, nothing stored.

Usage: ingest_memory.py FILE. Each line on standard input is one run, answered by a line of JSON.
"""

import gc
import json
import resource
import sys
import time

import numpy as np
import orjson

with open(sys.argv[1], "rb") as file:
    body = file.read()

for _ in sys.stdin:
    start = time.perf_counter()
    matrix = np.array(orjson.loads(body)["input"]["a"], dtype=np.float64)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "shape": matrix.shape, "peakMemory": peak}), flush=True)
    del matrix
    gc.collect()
