"""Loads one target after the other in the same way, keeps what was seen, and makes the report of it.

    .venv/bin/python loadtest/run.py [NAME …] [--users 100] [--spawn-rate 100] [--time 5m] [--results results]

NAME is one of those that --list shows; without any, all. Each run leaves in results/NAME:

    run_stats.csv, run_stats_history.csv, run_failures.csv, run_exceptions.csv    locust's own
    usage.csv      once a second: CPU in cores of the server's processes, of locust and of all else; the server's memory in bytes
    run.json       what was loaded, how, on which machine

A target that cannot run here, or whose run failed, leaves a run.json that says why, and the next one goes on. The exit
code is 1 where a run failed; a target that cannot run here is no failure.
"""

import argparse
import contextlib
import csv
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import psutil

from targets import ROOT, TARGETS

START_SECONDS = 60
STOP_SECONDS = 40
SETTLE_SECONDS = 3
# What locust may take beyond its time, to begin and to end.
LOCUST_SPARE_SECONDS = 60


class RunFailed(Exception):
    """A run that is no measurement: what it has left says nothing."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="the names that there are")
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--spawn-rate", type=float, default=100)
    parser.add_argument("--time", type=seconds_of, default="5m", help="of each run: 20s, 5m, 1h (default: 5m)")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "results")
    parser.add_argument("--no-report", action="store_true", help="leaves the report as it is")
    options = parser.parse_args()
    if options.list:
        for name, target in TARGETS.items():
            print(f"{name:22} {target.title}")
        return 0
    unknown = [name for name in options.names if name not in TARGETS]
    if unknown:
        parser.error(f"there is no target {', '.join(unknown)}; --list shows those that there are")
    # As an exception it ends the servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    ends = {name: run(name, options) for name in options.names or TARGETS}
    print("\n".join(["", *(f"{name:22} {end}" for name, (end, _) in ends.items())]), flush=True)
    failed = [name for name, (_, is_failure) in ends.items() if is_failure]
    if not options.no_report:
        made = subprocess.run([sys.executable, "-B", str(ROOT / "loadtest/report.py"), "--results", str(options.results)])
        if made.returncode:
            failed.append("the report")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def run(name, options):
    """Loads one target and leaves its folder. Returns how that ended, in words, and whether it is a failure."""
    target = TARGETS[name]
    folder = options.results / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    about = {"name": name, "title": target.title, "order": list(TARGETS).index(name)}
    reason = obstacle(target)
    if reason:
        keep(folder, {**about, "notMeasured": reason})
        return f"not measured: {reason}", False
    print(f"{name}: {options.users if target.user else 1} users for {options.time} s …", flush=True)
    try:
        about |= measure(target, folder, options)
    except Exception as error:  # whatever it was, the other targets are not to blame
        print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
        shutil.rmtree(folder)
        folder.mkdir()
        first = " ".join(plain(error).split())[:300] or type(error).__name__
        keep(folder, {**about, "notMeasured": f"its run failed: {first}"})
        return f"FAILED: {first}", True
    keep(folder, about)
    return "measured", False


def seconds_of(text):
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", text)
    seconds = sum(int(part or 0) * unit for part, unit in zip(found.groups(), (3600, 60, 1))) if found else 0
    if seconds == 0:
        raise argparse.ArgumentTypeError(f"{text} is no time such as 20s, 5m or 1h")
    return seconds


def obstacle(target):
    """Why a target cannot be loaded here, or None."""
    if target.address and not os.environ.get(target.address):
        return f"it does not run here, and {target.address}, which says where it does, was not set"
    for path, command in target.needs:
        if not path.exists():
            return f"`{command}` has not been run"
    return None


def measure(target, folder, options):
    """Loads the target, and gives what run.json holds of it."""
    started, known = datetime.datetime.now(datetime.timezone.utc), versions(target)
    with contextlib.ExitStack() as stack:
        data = stack.enter_context(tempfile.TemporaryDirectory(prefix="dray-load-", ignore_cleanup_errors=True))
        if target.user:
            busy_before = load_by_locust(target, folder, data, options, stack)
        else:
            busy_before = load_in_process(target, folder, data, options, stack)
    for path in folder.glob("run_*.csv"):
        path.write_text(plain(path.read_text()))
    settings = [f"{name}={value}" for name, value in target.environment]
    load = f"locust -f loadtest/locustfile.py {target.user} -u {options.users} -r {options.spawn_rate:g} -t {options.time}s"
    return {
        "user": target.user,
        "command": " ".join([*settings, *(plain(part) for part in target.command)]),
        "load": load if target.user else "",
        "busy": target.busy,
        "users": options.users if target.user else 1,
        "seconds": options.time,
        "started": started.isoformat(timespec="seconds"),
        "busyBefore": busy_before,
        "versions": known,
        "machine": machine(),
    }


def load_by_locust(target, folder, data, options, stack):
    if target.address:
        url, server = os.environ[target.address].rstrip("/"), None
    else:
        url, server = start_server(target, data, stack)
    await_ready(url + target.ready, server, target.address)
    busy_before = cores_in_use()
    busy = stack.enter_context(kept_busy(url)) if target.busy else None
    command = [
        *(sys.executable, "-B", "-m", "locust", "-f", str(ROOT / "loadtest/locustfile.py"), target.user),
        *("-H", url, "--headless", "--only-summary", "--csv", str(folder / "run"), "--csv-full-history"),
        *("-u", str(options.users), "-r", str(options.spawn_rate), "-t", f"{options.time}s"),
    ]
    log = stack.enter_context(open(pathlib.Path(data) / "locust.log", "w+"))
    locust = subprocess.Popen(command, stdout=log, stderr=log)
    stack.callback(stop, locust)
    with usage(folder / "usage.csv", server, locust):
        await_end(locust, options.time + LOCUST_SPARE_SECONDS, "locust")
    # 1: some request failed, which the statistics tell.
    if locust.returncode not in (0, 1):
        raise RunFailed(f"locust ended with {locust.returncode}:\n{tail(log)}")
    if server and server.poll() is not None:
        raise RunFailed(f"the server ended with {server.returncode} during the run:\n{tail(server.log)}")
    if busy and busy.error:
        raise RunFailed(f"the executors were not kept busy: {busy.error}")
    return busy_before


def load_in_process(target, folder, data, options, stack):
    given = {"{seconds}": str(options.time), "{csv}": str(folder / "run")}
    busy_before = cores_in_use()
    process = start([given.get(part, part) for part in target.command], target, data, stack)
    with usage(folder / "usage.csv", process, None):
        await_end(process, options.time + START_SECONDS, "the program")
    if process.returncode:
        raise RunFailed(f"the program ended with {process.returncode}:\n{tail(process.log)}")
    return busy_before


def start_server(target, data, stack):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [part.replace("{port}", str(port)).replace("{data}", data) for part in target.command]
    return f"http://127.0.0.1:{port}", start(command, target, data, stack)


def start(command, target, data, stack):
    log = stack.enter_context(open(pathlib.Path(data) / "server.log", "w+"))
    environment = {**os.environ, **dict(target.environment), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(command, cwd=ROOT / target.folder, env=environment, stdout=log, stderr=log)
    process.log = log
    stack.callback(stop, process)
    return process


def stop(process):
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def await_end(process, seconds, name):
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise RunFailed(f"{name} had not ended after {seconds:g} s") from None


def await_ready(url, server, variable):
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError) as error:
            reason = error
        if server and server.poll() is not None:
            raise RunFailed(f"the server ended with {server.returncode}:\n{tail(server.log)}")
        if time.monotonic() > until:
            raise RunFailed(f"{f'the server that {variable} names' if variable else 'the server'} does not answer: {reason}")
        time.sleep(0.2)


def tail(log):
    log.seek(0)
    return log.read()[-2000:]


class Busy:
    error = None


@contextlib.contextmanager
def kept_busy(url):
    """Products of two 3,000 x 3,000 matrices, always some more than there are executors; begins once one is computed."""
    ended = threading.Event()
    enough = 2 * (os.cpu_count() or 1)
    job = {"type": "matmul", "input": {key: {"random": {"rows": 3000, "cols": 3000, "seed": 1}} for key in "ab"}}
    busy = Busy()

    def count(status):
        with urllib.request.urlopen(f"{url}/v1/jobs?status={status}&limit={enough}", timeout=30) as answer:
            return len(json.load(answer)["jobs"])

    def submit_missing():
        for _ in range(enough - count("pending")):
            request = urllib.request.Request(f"{url}/v1/jobs", json.dumps(job).encode(), {"content-type": "application/json"})
            urllib.request.urlopen(request, timeout=30).close()

    def submit():
        try:
            while not ended.wait(0.5):
                submit_missing()
        except Exception as error:
            busy.error = error

    submit_missing()
    until = time.monotonic() + START_SECONDS
    while count("in-progress") == 0:
        if time.monotonic() > until:
            raise RunFailed("no executor began a product")
        time.sleep(0.2)
    thread = threading.Thread(target=submit, daemon=True)
    thread.start()
    try:
        yield busy
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def usage(path, server, locust):
    """Samples once a second what the processes use, and what all others on the machine use, until the block ends."""
    ended = threading.Event()
    watched = {"server": server and psutil.Process(server.pid), "locust": locust and psutil.Process(locust.pid)}

    def used_seconds():
        return {**{name: cpu_seconds(process) for name, process in watched.items()}, "all": machine_seconds()}

    def sample():
        before, last = used_seconds(), time.monotonic()
        with open(path, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["Timestamp", "Server CPU", "Server Memory", "Locust CPU", "Other CPU"])
            while not ended.wait(1):
                used, now = used_seconds(), time.monotonic()
                # A process that has ended takes its time along: that is no negative use.
                cores = {name: max(0, used[name] - before[name]) / (now - last) for name in used}
                other = max(0, cores["all"] - cores["server"] - cores["locust"])
                memory = sum_of(watched["server"], lambda process: process.memory_info().rss)
                row = [f"{cores['server']:.3f}", memory, f"{cores['locust']:.3f}", f"{other:.3f}"]
                writer.writerow([round(time.time()), *row])
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


def machine_seconds():
    """Of all cores, what was used, or kept from this machine by others on the same hardware."""
    times = psutil.cpu_times()._asdict()
    return sum(times.get(name, 0) for name in ("user", "nice", "system", "irq", "softirq", "steal"))


def cores_in_use():
    """Before the load, while the server is idle: what else this machine does."""
    before = machine_seconds()
    time.sleep(SETTLE_SECONDS)
    return round((machine_seconds() - before) / SETTLE_SECONDS, 2)


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
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory": psutil.virtual_memory().total,
        "system": f"{platform.system()} {re.match('[0-9.]*', platform.release())[0].rstrip('.')}",
        "locust": importlib.metadata.version("locust"),
        "python": platform.python_version(),
    }


def versions(target):
    """Of what was loaded, as it is installed; nothing of a server that runs elsewhere."""
    if not target.command:
        return []
    if target.command[0] == "node":
        node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
        folders = {"dray": ROOT, **{name: ROOT / "node_modules" / name for name in target.packages}}
        own = [f"{name} {json.loads((folder / 'package.json').read_text())['version']}" for name, folder in folders.items()]
        return [*own, f"Node {node.lstrip('v')}"]
    ask = (
        "import importlib.metadata as m, platform, sys\n"
        "print(*(f'{p} {d.version}' for p in sys.argv[1:] for d in m.distributions(name=p)), sep='\\n')\n"
        "print('Python', platform.python_version())"
    )
    command = [target.command[0], "-c", ask, *target.packages]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def plain(text):
    """Without where the project lies and which servers were asked: results are for others to read."""
    text = str(text)
    for folder in {str(ROOT), sys.prefix, str(pathlib.Path(sys.prefix).resolve())}:
        text = text.replace(f"{folder}/", "")
    return re.sub(r"https?://[^\s/'\",)]+", "http://…", text)


def keep(folder, about):
    (folder / "run.json").write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
