"""Reads what loadtest/run.py has left of its runs."""

import csv
import json
import pathlib

SHARES = ("50%", "95%", "99%")


class Run:
    """One run. Times are in ms, CPU in cores, memory in bytes; `why_not` says why there are no figures, or is None."""

    def __init__(self, folder):
        self.about = json.loads((folder / "run.json").read_text())
        self.name, self.title = self.about["name"], self.about["title"]
        self.why_not = self.about.get("notMeasured") or self.read(folder)

    def read(self, folder):
        """Returns why there are no figures, or None."""
        lacking = [file for file in ("run_stats.csv", "run_stats_history.csv", "run_failures.csv", "usage.csv") if not (folder / file).exists()]
        if lacking:
            return f"{', '.join(lacking)} is missing"
        total = next((row for row in rows(folder / "run_stats.csv") if row["Name"] == "Aggregated"), None)
        if total is None or int(total["Request Count"]) == 0:
            return "no request was answered"
        self.requests = int(total["Request Count"])
        self.failures = int(total["Failure Count"])
        self.rate = float(total["Requests/s"])
        self.mean = float(total["Average Response Time"])
        self.worst = float(total["Max Response Time"])
        self.p50, self.p95, self.p99 = (float(total[share]) for share in SHARES)
        history = [row for row in rows(folder / "run_stats_history.csv") if row["Name"] == "Aggregated"]
        history = [row for row in history if row["99%"] != "N/A"]
        if len(history) < 2:
            return "the run was too short for a history"
        start = int(history[0]["Timestamp"])
        # Locust knows a rate, and times of the last seconds, once two seconds are over.
        while len(history) > 2 and float(history[0]["Requests/s"]) == 0:
            history.pop(0)
        self.seconds = [int(row["Timestamp"]) - start for row in history]
        self.rates = [float(row["Requests/s"]) for row in history]
        self.times = {share: [float(row[share]) for row in history] for share in SHARES}
        # While the load was there: before it programs start, after it they end.
        used = [row for row in rows(folder / "usage.csv") if 0 <= int(row["Timestamp"]) - start <= self.seconds[-1] + 1]
        if len(used) < 2:
            return "its CPU and memory were not sampled"
        self.used_seconds = [int(row["Timestamp"]) - start for row in used]
        self.cpu, self.locust_cpu, self.other_cpu = (
            [float(row[name]) for row in used] for name in ("Server CPU", "Locust CPU", "Other CPU")
        )
        self.memory = [int(row["Server Memory"]) for row in used]
        self.failure_rows = rows(folder / "run_failures.csv")
        return None

    @property
    def measured(self):
        return self.why_not is None

    @property
    def local(self):
        """Whether its processes could be watched: not where the server runs elsewhere."""
        return any(self.memory)

    @property
    def by_locust(self):
        return bool(self.about["user"])

    @property
    def failed_share(self):
        return self.failures / self.requests

    @property
    def mean_cpu(self):
        return mean(self.cpu)

    @property
    def cpu_ms(self):
        """CPU time of the server for one answer, in ms."""
        return self.mean_cpu / self.rate * 1000

    @property
    def load(self):
        """Runs under unlike loads are not compared."""
        return self.about["users"], self.about["seconds"]


def mean(values):
    return sum(values) / len(values)


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def all_runs(results: pathlib.Path):
    """In the order of run.py's targets, those without figures too."""
    return sorted((Run(path.parent) for path in results.glob("*/run.json")), key=lambda run: run.about["order"])
