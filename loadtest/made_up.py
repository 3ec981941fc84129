"""Results of runs that never were, in run.py's files, for tests of the report."""

import csv
import json

from targets import TARGETS


def make_run(results, name, *, rate=1000.0, p50=2, p95=5, p99=9, requests=None, failures=0, seconds=20, users=100, cpu=0.5,
             locust_cpu=0.4, other_cpu=0.05, memory=100 * 2**20, busy_before=0.02, rises=1.0):
    """`rises`: p99 and memory of the last second over those of the first."""
    requests = round(rate * seconds) if requests is None else requests
    folder = results / name
    folder.mkdir(parents=True)
    target = TARGETS[name]
    about = {
        **heading(name),
        "user": target.user,
        "command": "node dist/main.js serve",
        "load": "locust -f loadtest/locustfile.py",
        "busy": target.busy,
        "users": users,
        "seconds": seconds,
        "started": "2026-01-02T03:04:05+00:00",
        "busyBefore": busy_before,
        "machine": {"cpu": "A CPU", "cores": 2, "memory": 8 * 2**30, "system": "Linux 6.1", "locust": "2.47.0", "python": "3.11.2"},
        "versions": ["dray 0.1.0"],
    }
    (folder / "run.json").write_text(json.dumps(about))
    shares = {"50%": p50, "95%": p95, "99%": p99}
    stats = {
        **{"Type": "", "Name": "Aggregated", "Request Count": requests, "Failure Count": failures},
        **{"Average Response Time": p50, "Max Response Time": p99 * 3, "Requests/s": rate if requests else 0},
        **(shares if requests else dict.fromkeys(shares, "N/A")),
    }
    write(folder / "run_stats.csv", [stats])
    growth = [1 + (rises - 1) * second / (seconds - 1) for second in range(seconds)]
    history = [
        {"Timestamp": 1000 + second, "User Count": users, "Type": "", "Name": "Aggregated", "Requests/s": rate, **shares, "99%": p99 * by}
        for second, by in enumerate(growth)
    ]
    write(folder / "run_stats_history.csv", history if requests else [{**row, **dict.fromkeys(shares, "N/A")} for row in history])
    write(
        folder / "usage.csv",
        [
            {"Timestamp": 1000 + second, "Server CPU": cpu, "Server Memory": round(memory * by), "Locust CPU": locust_cpu, "Other CPU": other_cpu}
            for second, by in enumerate(growth)
        ],
    )
    error = {"Method": "GET", "Name": "/convert/", "Error": "503: <too> busy & sorry", "Occurrences": failures, "First Seen": "", "Last Seen": ""}
    write(folder / "run_failures.csv", [error] if failures else [], head=error)


def make_missing(results, name, why):
    folder = results / name
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({**heading(name), "notMeasured": why}))


def heading(name):
    return {"name": name, "title": TARGETS[name].title, "order": list(TARGETS).index(name)}


def write(path, rows, head=None):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(head or rows[0]))
        writer.writeheader()
        writer.writerows(rows)
