"""Makes results/report.pdf of what loadtest/run.py has left in results.

    .venv/bin/python loadtest/report.py [--results results]

Every figure and every sentence about figures comes from the files of the runs.
"""

import argparse
import csv
import io
import json
import pathlib
import sys

import matplotlib

matplotlib.use("Agg")  # no screen is needed

import matplotlib.pyplot as plt
from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import Image, KeepTogether, PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

ROOT = pathlib.Path(__file__).parents[1]
WIDTH = A4[0] - 40 * mm
INK, MUTED, RULE, SHADE = "#1b1f24", "#5b6570", "#c9d0d8", "#f3f5f7"
# Told apart by everybody who sees colours, and by their darkness in print.
SHARES = {"p50": "#2b6cb0", "p95": "#d98013", "p99": "#8b1e3f"}
SERVER, LOCUST = "#2b6cb0", "#98a2ad"
# Locust rounds to whole milliseconds.
FINEST_MS = 1
# What loadtest/locustfile.py has its users of conversions wait between two requests, on average.
WAIT_MS = 52.5

body = ParagraphStyle("body", fontName="Helvetica", fontSize=9.5, leading=13.5, textColor=INK, spaceAfter=6)
small = ParagraphStyle("small", parent=body, fontSize=7.8, leading=10.4, textColor=MUTED, spaceAfter=2)
cell = ParagraphStyle("cell", parent=body, fontSize=8.2, leading=10.4, spaceAfter=0)
number = ParagraphStyle("number", parent=cell, alignment=TA_RIGHT)
code = ParagraphStyle("code", parent=cell, fontName="Courier", fontSize=7.2, leading=9.2)
title = ParagraphStyle("title", parent=body, fontName="Helvetica-Bold", fontSize=20, leading=25, spaceAfter=2)
heading = ParagraphStyle("heading", parent=body, fontName="Helvetica-Bold", fontSize=13, leading=17, spaceBefore=10, spaceAfter=5)
bullet = ParagraphStyle("bullet", parent=body, leftIndent=10, bulletIndent=0, spaceAfter=4)


class Run:
    """What one run has left. Times in ms, CPU in cores, memory in bytes."""

    def __init__(self, folder):
        self.about = json.loads((folder / "run.json").read_text())
        self.name, self.title = self.about["name"], self.about["title"]
        self.why_not = self.about.get("notMeasured")
        if self.why_not:
            return
        total = rows(folder / "run_stats.csv")[-1]
        self.requests = int(total["Request Count"])
        self.failures = int(total["Failure Count"])
        self.rate = float(total["Requests/s"])
        self.p50, self.p95, self.p99 = (float(total[share]) for share in ("50%", "95%", "99%"))
        self.worst = float(total["Max Response Time"])
        history = [row for row in rows(folder / "run_stats_history.csv") if row["Name"] == "Aggregated"]
        history = [row for row in history if row["99%"] != "N/A"]
        if not history:
            raise SystemExit(f"{folder}: the run has no history: it was too short, or nothing was answered")
        start = int(history[0]["Timestamp"])
        self.seconds = [int(row["Timestamp"]) - start for row in history]
        self.rates = [float(row["Requests/s"]) for row in history]
        self.times = {name: [float(row[f"{name[1:]}%"]) for row in history] for name in SHARES}
        used = rows(folder / "usage.csv")
        self.used_seconds = [int(row["Timestamp"]) - start for row in used]
        self.cpu = [float(row["Server CPU"]) for row in used]
        self.locust_cpu = [float(row["Locust CPU"]) for row in used]
        self.memory = [int(row["Server Memory"]) for row in used]
        self.local = any(self.memory)
        self.failure_rows = rows(folder / "run_failures.csv")

    def mean_cpu(self):
        return sum(self.cpu) / len(self.cpu)


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "results")
    results = parser.parse_args().results
    runs = [Run(path.parent) for path in sorted(results.glob("*/run.json"))]
    measured = [run for run in runs if not run.why_not]
    if not measured:
        print(f"{results} holds no run: loadtest/run.py makes some", file=sys.stderr)
        return 1
    path = results / "report.pdf"
    document = SimpleDocTemplate(
        str(path),
        pagesize=A4,
        **{f"{side}Margin": 20 * mm for side in ("left", "right", "top", "bottom")},
        title="Celsiusify under load",
        author="Dray",
        invariant=1,
    )
    document.build(list(story(runs, measured)), onFirstPage=footer, onLaterPages=footer)
    print(path)
    return 0


def story(runs, measured):
    first = measured[0].about
    yield Paragraph("Celsiusify under load", title)
    yield Paragraph(
        f"The same conversion by a formula and by a trained model, on several servers: {len(measured)} runs of "
        f"{first['time']} with {first['users']} users each, begun {first['started'][:16].replace('T', ' ')} UTC.",
        body,
    )
    yield Paragraph("In short", heading)
    for sentence in conclusions(measured):
        yield Paragraph(sentence, bullet, bulletText="•")
    yield Paragraph("All runs", heading)
    yield comparison(runs)
    yield Spacer(1, 4)
    yield Paragraph(
        "Times are from a user's request to its answer, in whole milliseconds as locust counts them. CPU is the mean over "
        "the run in cores, memory the most that was seen, of the server and all of its processes.",
        small,
    )
    for run in runs:
        if run.why_not:
            yield Paragraph(f"{run.title} was not measured: {run.why_not}.", small)
    yield from setup(measured)
    yield PageBreak()
    yield Paragraph("Throughput over time", heading)
    yield Paragraph("Answers a second, each of the last ten seconds; locust's own CPU shows how near it was to its limit of one core.", body)
    yield picture(measured, draw_rates)
    yield PageBreak()
    yield Paragraph("Latency over time", heading)
    yield Paragraph("The times within which 50, 95 and 99 % of the answers of the last ten seconds came.", body)
    yield picture(measured, draw_times)
    local = [run for run in measured if run.local]
    if local:
        yield PageBreak()
        yield Paragraph("CPU and memory", heading)
        yield Paragraph("Of the server and all of its processes, once a second.", body)
        yield picture(local, draw_usage)
    yield KeepTogether([Paragraph("Failed requests", heading), *failures(measured)])


def setup(measured):
    machine = measured[0].about["machine"]
    yield Paragraph("Set-up", heading)
    facts = {
        "Machine": f"{machine['cpu']}, {machine['cores']} cores, {machine['memory'] / 2**30:.0f} GiB; {machine['system']}",
        "Versions": f"Node {machine['node']}, Python {machine['python']}",
        "Load before the first run": f"{machine['load before']} (mean of a minute)",
    }
    yield plain_table([[Paragraph(name, cell), Paragraph(value, cell)] for name, value in facts.items()], [45 * mm, None])
    yield Paragraph("Method", heading)
    yield Paragraph(
        "Each server runs by itself, on the machine on which locust runs too, and is loaded in the same way: every user "
        "waits for 5 to 100 ms, asks for the conversion of a random temperature from 0 to 1,001 °F, and checks the "
        "answer: its digits where the formula gives it, within 0.001 degrees where the model does. An answer that is "
        "wrong counts as failed. The first seconds, in which the users begin, are part of the figures. Users who wait for "
        f"{WAIT_MS:g} ms on average cannot ask more than {most(measured[0]):,.0f} times a second together: servers that come near to it differ "
        "in their times and in the CPU that they take for them, not in their rate.",
        body,
    )
    if any(run.about["busy"] for run in measured):
        yield Paragraph(
            "“Every executor busy”: all the time products of two 3,000 × 3,000 matrices wait for Dray's executors, which "
            "are processes of a lower priority than the one that answers.",
            body,
        )
    commands = [[Paragraph("Run", cell), Paragraph("Server, and load", cell)]]
    for run in measured:
        commands.append([Paragraph(run.title, cell), Paragraph(f"{run.about['command'] or 'elsewhere'}<br/>{run.about['locust']}", code)])
    yield plain_table(commands, [45 * mm, None], head=True)


def conclusions(measured):
    """Sentences that the figures choose."""
    known = {run.name: run for run in measured}
    formula, model = known.get("convert-dray"), known.get("predict-dray")
    busy, fastapi = known.get("convert-dray-busy"), known.get("convert-fastapi")
    tensorflow, serving = known.get("predict-tensorflow"), known.get("predict-tf-serving")
    if formula and model:
        yield f"<b>Formula or model.</b> {versus('Dray’s model', model, 'its formula', formula)}"
    if formula and fastapi:
        yield f"<b>Dray or the FastAPI original.</b> {versus('Dray', formula, 'the original', fastapi)}"
    if model and tensorflow:
        yield f"<b>ONNX Runtime in Dray or TensorFlow in Python.</b> {versus('Dray', model, 'FastAPI with TensorFlow', tensorflow)}"
    if model and serving:
        yield f"<b>Dray or TensorFlow Serving.</b> {versus('Dray', model, 'TensorFlow Serving', serving)}"
    if formula and busy:
        factor = busy.p99 / max(FINEST_MS, formula.p99)
        yield (
            f"<b>While matrices are multiplied</b> on every executor, 99 % of the conversions come within {ms(busy.p99)}, "
            f"which is {factor:.1f} times what they take on an idle machine ({ms(formula.p99)}), at {share(busy.rate, formula.rate)} of its rate."
        )
    limit = [run.title for run in measured if sum(run.locust_cpu) / len(run.locust_cpu) > 0.85]
    if limit:
        yield (
            f"<b>What limits.</b> Locust used more than 85 % of the one core that it can use in {len(limit)} of {len(measured)} runs "
            f"({'; '.join(limit)}): there the server could have answered more, and times hold locust's own waits."
        )
    bad = [run for run in measured if run.failures]
    yield (
        f"<b>Correctness.</b> {sum(run.requests for run in measured):,} answers were checked; "
        + (f"{sum(run.failures for run in bad):,} failed, in {', '.join(run.title for run in bad)}." if bad else "none failed.")
    )


def most(run):
    """The answers a second that its users could get if answers took no time."""
    return run.about["users"] / (WAIT_MS / 1000)


def versus(left, one, right, other):
    """How two runs compare, in a sentence or two."""
    return (
        f"{left} gave {one.rate:,.0f} answers a second, {share(one.rate, other.rate)} of what {right} gave ({other.rate:,.0f}), "
        f"with 99 % within {ms(one.p99)} against {ms(other.p99)}"
        + (f", and used {one.mean_cpu():.2f} cores against {other.mean_cpu():.2f}." if one.local and other.local else ".")
    )


def share(part, whole):
    return f"{part / whole:.0%}" if whole else "an unknown share"


def ms(value):
    return f"{value:g} ms"


def comparison(runs):
    head = ["Run", "Answers/s", "p50", "p95", "p99", "Worst, ms", "Failed", "CPU", "Memory"]
    table = [[Paragraph(head[0], cell), *(Paragraph(text, number) for text in head[1:])]]
    for run in runs:
        if run.why_not:
            table.append([Paragraph(run.title, cell), Paragraph("not measured", number), *["" for _ in head[2:]]])
            continue
        cpu = f"{run.mean_cpu():.2f}" if run.local else "–"
        memory = f"{max(run.memory) / 2**20:,.0f} MiB" if run.local else "–"
        values = [f"{run.rate:,.0f}", *(f"{value:g}" for value in (run.p50, run.p95, run.p99, round(run.worst))), f"{run.failures:,}", cpu, memory]
        table.append([Paragraph(run.title, cell), *(Paragraph(value, number) for value in values)])
    widths = [None, 19 * mm, 12 * mm, 12 * mm, 12 * mm, 17 * mm, 14 * mm, 13 * mm, 20 * mm]
    return plain_table(table, widths, head=True)


def plain_table(table, widths, head=False):
    known = sum(width for width in widths if width)
    made = Table(table, colWidths=[width or WIDTH - known for width in widths], repeatRows=int(head))
    lines = [
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, colors.HexColor(RULE)),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, -1), 3),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
        ("LEFTPADDING", (0, 0), (-1, -1), 4),
        ("RIGHTPADDING", (0, 0), (-1, -1), 4),
    ]
    made.setStyle(TableStyle([*lines, ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor(SHADE))] if head else lines))
    return made


def failures(measured):
    bad = [run for run in measured if run.failures]
    if not bad:
        return [Paragraph("None.", body)]
    table = [[Paragraph(text, cell) for text in ("Run", "What was wrong", "Times")]]
    for run in bad:
        for row in run.failure_rows[:5]:
            table.append([Paragraph(run.title, cell), Paragraph(escape(row["Error"][:200]), cell), Paragraph(row["Occurrences"], number)])
    return [plain_table(table, [45 * mm, None, 16 * mm], head=True)]


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;")


def picture(runs, draw):
    """A plot for each run, two in a row, on the same scales."""
    lines = (len(runs) + 1) // 2
    plt.rcParams.update({"font.family": "DejaVu Sans", "font.size": 8, "axes.edgecolor": RULE, "axes.labelcolor": MUTED,
                         "xtick.color": MUTED, "ytick.color": MUTED, "axes.titlesize": 8.5, "axes.titlecolor": INK})
    height = min(60, 215 / lines)
    figure, axes = plt.subplots(lines, 2, figsize=(WIDTH / 72, lines * height * mm / 72), sharex=True, sharey=True, squeeze=False)
    flat = list(axes.flat)
    for one, run in zip(flat, runs):
        draw(one, run)
        one.set_title(run.title, loc="left")
        one.grid(axis="y", color=RULE, linewidth=0.4)
        one.spines[["top", "right"]].set_visible(False)
    for one in flat[len(runs):]:
        one.set_visible(False)
    for one in flat[max(0, len(runs) - 2):len(runs)]:
        one.set_xlabel("seconds")
        one.tick_params(labelbottom=True)
    figure.tight_layout()
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=200)
    plt.close(figure)
    file.seek(0)
    return Image(file, WIDTH, lines * height * mm)


def draw_rates(axes, run):
    axes.plot(run.seconds, run.rates, color=SERVER, linewidth=1.3)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("answers/s")
    mean = sum(run.locust_cpu) / len(run.locust_cpu)
    axes.text(0.98, 0.06, f"locust: {mean:.2f} of a core", transform=axes.transAxes, ha="right", color=MUTED, fontsize=7)


def draw_times(axes, run):
    for name, colour in SHARES.items():
        # 0 is what locust makes of less than half a millisecond, and has no place on a logarithmic scale.
        axes.plot(run.seconds, [max(value, FINEST_MS) for value in run.times[name]], color=colour, linewidth=1.2, label=name)
    axes.set_yscale("log")
    axes.set_ylabel("ms")
    axes.legend(frameon=False, ncols=3, fontsize=7, loc="upper right")


def draw_usage(axes, run):
    axes.plot(run.used_seconds, run.cpu, color=SERVER, linewidth=1.2, label="server, cores")
    axes.plot(run.used_seconds, run.locust_cpu, color=LOCUST, linewidth=1, label="locust, cores")
    axes.plot(run.used_seconds, [value / 2**30 for value in run.memory], color=SHARES["p95"], linewidth=1.2, label="server, GiB")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("cores, GiB")
    axes.legend(frameon=False, fontsize=7, loc="upper right")


def footer(canvas, document):
    canvas.saveState()
    canvas.setFont("Helvetica", 7.5)
    canvas.setFillColor(colors.HexColor(MUTED))
    canvas.drawString(20 * mm, 12 * mm, "Celsiusify under load")
    canvas.drawRightString(A4[0] - 20 * mm, 12 * mm, str(document.page))
    canvas.restoreState()


if __name__ == "__main__":
    sys.exit(main())
