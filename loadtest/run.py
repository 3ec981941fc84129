"""Loads one target after the other in the same way, and keeps what was seen for the report.

    .venv/bin/python loadtest/run.py [NAME …] [--users 100] [--spawn-rate 100] [--time 5m] [--results results]

NAME is one of those that --list shows; without any, all that can run here. Each run leaves in results/NAME:

    run_stats.csv, run_stats_history.csv, run_failures.csv, run_exceptions.csv    locust's own
    usage.csv      once a second: CPU (in cores) and memory (bytes) of the server's processes, and locust's CPU
    run.json       what was loaded, how, on which machine

A target that cannot run here leaves a run.json that says why. `loadtest/report.py` makes results/report.pdf of it all.
"""

import argparse
import contextlib
import csv
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import psutil

ROOT = pathlib.Path(__file__).parents[1]
START_SECONDS = 60
STOP_SECONDS = 40
SETTLE_SECONDS = 3


@dataclasses.dataclass(frozen=True)
class Target:
    title: str
    user: str
    """Locust's class."""
    command: tuple[str, ...] = ()
    """Of the server; {port} and {data} are filled in. Empty: it runs elsewhere, at `address`."""
    ready: str = "/"
    address: str = ""
    """The variable with the address of a server that runs elsewhere."""
    folder: str = "."
    needs: tuple[str, ...] = ()
    """Files without which it cannot run, and what to do about it."""
    busy: bool = False
    """While products of matrices keep every executor busy."""


DRAY = ("node", str(ROOT / "dist/main.js"))
UVICORN = ("-m", "uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--log-level", "warning", "--no-access-log")
SERVE = (*DRAY, "serve", "--port", "{port}", "--data", "{data}", "--log-level", "warn")
BENCH_PYTHON = str(ROOT / "bench/.venv/bin/python")
MODEL_PYTHON = str(ROOT / "models/.venv/bin/python")
BUILT = (str(ROOT / "dist/main.js"), "npm run build")

TARGETS = {
    "convert-dray": Target("Conversion API, Dray", "ConvertUser", SERVE, "/readyz", needs=BUILT),
    "convert-dray-busy": Target(
        "Conversion API, Dray, every executor busy", "ConvertUser", SERVE, "/readyz", needs=BUILT, busy=True
    ),
    "convert-fastapi": Target(
        "Conversion API, FastAPI original",
        "ConvertUser",
        (BENCH_PYTHON, *UVICORN, "convert_fastapi:app"),
        "/convert/?fahrenheit=32",
        folder="bench/peers",
        needs=(BENCH_PYTHON, "node bench/peers/setup.mjs"),
    ),
    "predict-dray": Target(
        "Model over REST, Dray",
        "PredictUser",
        (*DRAY, "models", "serve", "--models", str(ROOT / "models"), "--port", "{port}"),
        "/v1/models/celsiusify",
        needs=BUILT,
    ),
    "predict-tensorflow": Target(
        "Model over REST, FastAPI and TensorFlow",
        "PredictUser",
        (MODEL_PYTHON, *UVICORN, "predict_tensorflow:app"),
        "/v1/models/celsiusify",
        folder="bench/peers",
        needs=(MODEL_PYTHON, "node scripts/setup.mjs --tensorflow"),
    ),
    "predict-tf-serving": Target(
        "Model over REST, TensorFlow Serving",
        "PredictUser",
        ready="/v1/models/celsiusify",
        address="TF_SERVING",
    ),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="the names that there are")
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--spawn-rate", type=float, default=100)
    parser.add_argument("--time", default="5m", help="of each run, as locust takes it (default: 5m)")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "results")
    options = parser.parse_args()
    if options.list:
        for name, target in TARGETS.items():
            print(f"{name:20} {target.title}")
        return 0
    unknown = [name for name in options.names if name not in TARGETS]
    if unknown:
        parser.error(f"there is no target {', '.join(unknown)}; --list shows those that there are")
    failed = []
    for name in options.names or TARGETS:
        target = TARGETS[name]
        folder = options.results / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        reason = obstacle(target)
        if reason:
            print(f"{name}: not measured: {reason}")
            keep(folder, {"name": name, "title": target.title, "notMeasured": reason})
            continue
        print(f"{name}: {options.users} users for {options.time} …", flush=True)
        try:
            keep(folder, {"name": name, **measure(target, folder, options)})
        except RunFailed as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed.append(name)
    return 1 if failed else 0


class RunFailed(Exception):
    """A run that is no measurement: what it has left says nothing."""


def obstacle(target):
    """Why a target cannot be loaded here, or None."""
    if target.address and not os.environ.get(target.address):
        return f"it does not run here; {target.address}=http://… says where it does"
    if target.needs and not pathlib.Path(target.needs[0]).exists():
        return f"{target.needs[1]} has not been run"
    return None


def measure(target, folder, options):
    """Loads the target, and gives what run.json holds of it."""
    started = datetime.datetime.now(datetime.timezone.utc)
    with contextlib.ExitStack() as stack:
        data = stack.enter_context(tempfile.TemporaryDirectory(prefix="dray-load-"))
        if target.address:
            url, server = os.environ[target.address].rstrip("/"), None
        else:
            url, server = start(target, data, stack)
        await_ready(url + target.ready, server)
        if target.busy:
            stack.enter_context(keep_busy(url))
        time.sleep(SETTLE_SECONDS)
        command = [
            *(sys.executable, "-m", "locust", "-f", str(ROOT / "loadtest/locustfile.py"), target.user),
            *("-H", url, "--headless", "--only-summary", "--csv", str(folder / "run"), "--csv-full-history"),
            *("-u", str(options.users), "-r", str(options.spawn_rate), "-t", options.time),
        ]
        locust = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        stack.callback(stop, locust)
        with usage(folder / "usage.csv", server, locust):
            output, _ = locust.communicate()
        # 1: some request failed, which the statistics tell.
        if locust.returncode not in (0, 1):
            raise RunFailed(f"locust ended with {locust.returncode}:\n{output[-2000:]}")
        if server and server.poll() is not None:
            raise RunFailed(f"the server ended with {server.returncode} during the run")
    return {
        "title": target.title,
        "user": target.user,
        "command": " ".join(plain(part) for part in target.command),
        "locust": f"locust -f loadtest/locustfile.py {target.user} -u {options.users} -r {options.spawn_rate:g} -t {options.time}",
        "busy": target.busy,
        "users": options.users,
        "time": options.time,
        "started": started.isoformat(timespec="seconds"),
        "machine": machine(),
    }


def plain(part):
    """Of a command, without where the project lies."""
    return str(part).replace(f"{ROOT}/", "")


def start(target, data, stack):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [part.replace("{port}", str(port)).replace("{data}", data) for part in target.command]
    log = stack.enter_context(open(pathlib.Path(data) / "server.log", "w+"))
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    server = subprocess.Popen(command, cwd=ROOT / target.folder, env=environment, stdout=log, stderr=log)
    server.log = log
    stack.callback(stop, server)
    return f"http://127.0.0.1:{port}", server


def stop(process):
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def await_ready(url, server):
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError) as error:
            reason = error
        if server and server.poll() is not None:
            server.log.seek(0)
            raise RunFailed(f"the server ended with {server.returncode}: {server.log.read()[-2000:]}")
        if time.monotonic() > until:
            raise RunFailed(f"{url} does not answer: {reason}")
        time.sleep(0.2)


@contextlib.contextmanager
def keep_busy(url):
    """Products of two 3,000 x 3,000 matrices, always some more than there are executors."""
    ended = threading.Event()
    enough = 2 * (os.cpu_count() or 1)
    job = {"type": "matmul", "input": {key: {"random": {"rows": 3000, "cols": 3000, "seed": 1}} for key in "ab"}}

    def waiting():
        with urllib.request.urlopen(f"{url}/v1/jobs?status=pending&limit={enough}", timeout=30) as answer:
            return len(json.load(answer)["jobs"])

    def submit():
        while not ended.wait(0.5):
            for _ in range(enough - waiting()):
                body = json.dumps(job).encode()
                request = urllib.request.Request(f"{url}/v1/jobs", body, {"content-type": "application/json"})
                urllib.request.urlopen(request, timeout=30).close()

    thread = threading.Thread(target=submit, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def usage(path, server, locust):
    """Samples once a second what the processes use, until the block ends."""
    ended = threading.Event()
    watched = {"server": server and psutil.Process(server.pid), "locust": psutil.Process(locust.pid)}

    def sample():
        before = {name: cpu_seconds(process) for name, process in watched.items()}
        last = time.monotonic()
        with open(path, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["Timestamp", "Server CPU", "Server Memory", "Locust CPU"])
            while not ended.wait(1):
                now = time.monotonic()
                used = {name: cpu_seconds(process) for name, process in watched.items()}
                # A process that has ended takes its time along: that is no negative use.
                rate = {name: max(0, used[name] - before[name]) / (now - last) for name in watched}
                memory = sum_of(watched["server"], lambda process: process.memory_info().rss)
                writer.writerow([round(time.time()), f"{rate['server']:.3f}", memory, f"{rate['locust']:.3f}"])
                before, last = used, now

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def cpu_seconds(process):
    return sum_of(process, lambda one: one.cpu_times().user + one.cpu_times().system)


def sum_of(process, of):
    """Over a process and all below it; 0 of what is not there."""
    if process is None:
        return 0
    total = 0
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += of(one)
    return total


def machine():
    model = "unknown"
    with contextlib.suppress(OSError):
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    node = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()}",
        "node": node,
        "python": platform.python_version(),
        "load before": round(os.getloadavg()[0], 2),
    }


def keep(folder, run):
    (folder / "run.json").write_text(json.dumps(run, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
