"""Times numpy's product of two random square matrices, with as many threads as numpy takes by itself.

Usage: numpy_dot.py N. Each line on standard input is one run, answered by a line of JSON.
"""

import json
import sys
import time

import numpy as np

n = int(sys.argv[1])
random = np.random.default_rng(1)
a = random.random((n, n))
b = random.random((n, n))
c = np.empty((n, n))
np.dot(a, b, out=c)  # pages of the result and the threads' buffers are touched outside of the timing

for _ in sys.stdin:
    start = time.perf_counter()
    np.dot(a, b, out=c)
    seconds = time.perf_counter() - start
    print(json.dumps({"gflops": 2 * n**3 / seconds / 1e9}), flush=True)
