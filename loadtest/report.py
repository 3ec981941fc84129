"""Makes results/report.pdf of what loadtest/run.py has left in results.

    .venv/bin/python loadtest/report.py [--results results] [--pictures FOLDER]

Every figure and every sentence about figures comes from the files of the runs: loadtest/findings.py has the rules.
With --pictures the plots are written as PNG too, with panels.json, which tells where in each of them the plots are.
"""

import argparse
import io
import json
import pathlib
import re
import sys

from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import CondPageBreak, HRFlowable, Image, KeepTogether, PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

import findings
import plots
from runs import all_runs

ROOT = pathlib.Path(__file__).parents[1]
TITLE = "Celsiusify under load"
MARGIN = 20 * mm  # of what is written: the frame around it is FRAME points wider on each side
FRAME = 6
WIDTH = A4[0] - 2 * MARGIN
INK, MUTED, RULE, SHADE, ACCENT = "#1b1f24", "#5b6570", "#c9d0d8", "#f3f5f7", "#2b6cb0"
MOST_FAILURE_ROWS = 5

body = ParagraphStyle("body", fontName="Helvetica", fontSize=9.5, leading=13.5, textColor=INK, spaceAfter=6)
lead = ParagraphStyle("lead", parent=body, fontSize=12, leading=17, textColor=MUTED, spaceAfter=10)
small = ParagraphStyle("small", parent=body, fontSize=7.8, leading=10.4, textColor=MUTED, spaceAfter=2)
cell = ParagraphStyle("cell", parent=body, fontSize=8.2, leading=10.4, spaceAfter=0)
faint = ParagraphStyle("faint", parent=cell, textColor=MUTED)
number = ParagraphStyle("number", parent=cell, alignment=TA_RIGHT)
code = ParagraphStyle("code", parent=cell, fontName="Courier", fontSize=7, leading=9)
title = ParagraphStyle("title", parent=body, fontName="Helvetica-Bold", fontSize=27, leading=33, spaceBefore=24 * mm, spaceAfter=4)
heading = ParagraphStyle("heading", parent=body, fontName="Helvetica-Bold", fontSize=14, leading=18, spaceBefore=12, spaceAfter=6)
caption = ParagraphStyle("caption", parent=body, fontName="Helvetica-Bold", fontSize=9.5, leading=12, spaceBefore=5, spaceAfter=3)
finding = ParagraphStyle("finding", parent=body, leftIndent=10, bulletIndent=0, spaceAfter=5)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "results")
    parser.add_argument("--pictures", type=pathlib.Path, help="a folder for the plots as PNG")
    options = parser.parse_args()
    runs = all_runs(options.results)
    if not runs:
        print(f"{options.results} holds no run: loadtest/run.py makes some", file=sys.stderr)
        return 1
    measured = [run for run in runs if run.measured]
    pictures = plots.pictures(measured, WIDTH / mm) if measured else {}
    if options.pictures:
        keep(pictures, options.pictures)
    path = options.results / "report.pdf"
    document = SimpleDocTemplate(
        str(path),
        pagesize=A4,
        **{f"{side}Margin": MARGIN - FRAME for side in ("left", "right", "top", "bottom")},
        title=TITLE,
        author="Dray",
        pageCompression=0,  # its words can be searched for without a reader of PDF
        invariant=1,
    )
    document.build(list(story(runs, measured, pictures)), canvasmaker=NumberedCanvas)
    print(path)
    return 0


def keep(pictures, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        plots.save(picture, folder / f"{name}.png")
    where = {name: list(plots.panels(picture)) for name, picture in pictures.items()}
    (folder / "panels.json").write_text(json.dumps(where, indent=2) + "\n")


def story(runs, measured, pictures):
    yield from cover(runs, measured)
    yield Paragraph("What was found", heading)
    for question, answer in findings.findings(runs):
        yield Paragraph(f"<b>{question}.</b> {escape(answer)}", finding, bulletText="•")
    yield CondPageBreak(120 * mm)
    yield Paragraph("All runs", heading)
    yield comparison(runs)
    yield Spacer(1, 4)
    yield Paragraph(
        "Times are in milliseconds, from a user's request to its answer. Locust counts them in whole milliseconds, those "
        "above 100 ms to two digits, and less than half of one as 0; only the mean is finer. Cores are those that "
        "the server and all of its processes used, on average over the run; CPU ms is the same CPU time for each answer. "
        "Memory is the most that was seen of these processes.",
        small,
    )
    yield KeepTogether([Paragraph("Failed requests", heading), *failures(measured)])
    yield from method(runs)
    if measured:
        yield from set_up(measured)
    sections = [
        (
            "Throughput",
            "Answers a second, each value of the last ten seconds. One caller in process has a scale of its own.",
            {"rates-together": "All runs that users load", "rates": "Run by run"},
        ),
        (
            "Latency",
            "The times within which 50, 95 and 99 % of the answers came, on logarithmic scales. Over time, each value is of the "
            "last ten seconds.",
            {"shares-together": "The whole runs", "times-together": "p99 over time, all runs", "times": "p50, p95 and p99 over time, run by run"},
        ),
        (
            "CPU and memory",
            "Of the server and all of its processes, of locust, and of all else that this machine did meanwhile, once a second.",
            {"costs-together": "The whole runs", "cpu": "CPU over time, run by run", "memory": "Memory of the server over time, run by run"},
        ),
    ]
    for name, text, shown in sections:
        there = {one: words for one, words in shown.items() if one in pictures}
        if there:
            yield PageBreak()
            yield Paragraph(name, heading)
            yield Paragraph(text, body)
        for one, words in there.items():
            yield KeepTogether([Paragraph(words, caption), placed(pictures[one])])


def cover(runs, measured):
    yield Paragraph(TITLE, title)
    yield Paragraph(
        "The same conversion of temperatures by a formula and by a trained model, behind Dray and behind the servers that "
        "it stands in for, under the same load.",
        lead,
    )
    yield HRFlowable(width="100%", thickness=1.2, color=colors.HexColor(ACCENT), spaceAfter=8)
    facts = {"Runs": f"{len(measured)} measured, {len(runs) - len(measured)} not"}
    if measured:
        begun = sorted(run.about["started"][:16].replace("T", " ") for run in measured)
        facts["Begun"] = f"{begun[0]} UTC" if begun[0] == begun[-1] else f"{begun[0]} to {begun[-1]} UTC"
        loads = {f"{users} users for {length(seconds)}" for users, seconds in (run.load for run in measured if run.by_locust)}
        if loads:
            facts["Load"] = "; ".join(sorted(loads))
        facts |= machines(measured)
    yield plain_table([[Paragraph(name, faint), Paragraph(escape(value), cell)] for name, value in facts.items()], [30 * mm, None])
    yield Spacer(1, 4 * mm)


def machines(measured):
    """One line of each kind where all runs were on one machine, as they should be."""
    found = [run.about["machine"] for run in measured]
    lines = {
        "Machine": [f"{one['cpu']}, {one['cores']} cores, {one['memory'] / 2**30:.0f} GiB, {one['system']}" for one in found],
        "Locust": [f"{one['locust']} on Python {one['python']}" for one in found],
    }
    return {name: "; ".join(dict.fromkeys(values)) for name, values in lines.items()}


def length(seconds):
    return f"{seconds // 60} minutes" if seconds % 60 == 0 and seconds > 60 else f"{seconds} s"


def method(runs):
    yield Paragraph("Method", heading)
    yield Paragraph(
        "Each server runs by itself, one after the other, on the machine on which locust runs too, and is loaded in the same "
        "way. Users of conversions and of the model wait for 5 to 100 ms, ask for a random temperature from 0 to 1,001 °F, "
        "and check the answer: its digits where a formula gives it, within 0.001 degrees where the model does. Users of "
        "matrices submit a job after the same waits, and check that it was accepted. What is wrong, refused or missing "
        "counts as failed. A user asks again only when it has its answer, so a slow server is asked less often. The first "
        "seconds, in which the users begin, are part of the figures.",
        body,
    )
    for run in runs:
        if run.measured and run.by_locust and run.about["user"] in ("ConvertUser", "PredictUser"):
            yield Paragraph(
                f"{run.about['users']:,} users who wait for {findings.WAIT_MS:g} ms on average cannot get more than "
                f"{findings.most(run):,.0f} answers a second together. Servers that come near to it differ in their times and "
                "in the CPU that they take, not in their rates.",
                body,
            )
            break
    if any(run.measured and not run.local for run in runs):
        yield Paragraph("A server that runs elsewhere has neither CPU nor memory in this report, and a network on its way.", body)
    special = {
        "executors busy": ("convert-dray-busy", "all the time products of two 3,000 × 3,000 matrices wait for Dray's executors, which are processes of a lower priority than the one that answers. Its CPU is that of the products too."),
        "in process": ("tensorflow-in-process", "one caller asks TensorFlow for one row after the other, in one Python process without HTTP: what a server around it can at best reach on one core. Its times are exact to 0.01 ms."),
        "work simulated": ("submit-dray-simulated", "with SIMULATE_WORKLOAD_DURATION_IN_SEC a job holds its place for that time and computes nothing, so that what is measured is the way of a job into the queue."),
    }
    there = {run.name for run in runs if run.measured}
    for name, (run, text) in special.items():
        if run in there:
            yield Paragraph(f"“{name}”: {text}", body)


def set_up(measured):
    yield CondPageBreak(90 * mm)
    yield Paragraph("Set-up", heading)
    commands = [[Paragraph("Run", cell), Paragraph("What was started, and what loaded it", cell)]]
    for run in measured:
        lines = [run.about["command"] or "a server that runs elsewhere", run.about["load"]]
        what = [Paragraph("<br/>".join(escape(line) for line in lines if line), code)]
        if run.about["versions"]:
            what.append(Paragraph(", ".join(run.about["versions"]), small))
        commands.append([Paragraph(run.title, cell), what])
    yield plain_table(commands, [45 * mm, None], head=True)


def comparison(runs):
    head = ["Run", "Answers/s", "Mean", "p50", "p95", "p99", "Worst", "Failed", "Cores", "CPU ms", "Memory"]
    table = [[Paragraph(head[0], cell), *(Paragraph(text, number) for text in head[1:])]]
    spans = []
    for run in runs:
        if not run.measured:
            spans.append(len(table))
            table.append([Paragraph(run.title, cell), Paragraph(f"not measured: {escape(run.why_not)}", faint), *["" for _ in head[2:]]])
            continue
        usage = [f"{run.mean_cpu:.2f}", f"{run.cpu_ms:.2f}", f"{max(run.memory) / 2**20:,.0f} MiB"] if run.local else ["–"] * 3
        worst = round(run.worst) if run.by_locust else run.worst
        times = [f"{run.mean:.2f}" if run.mean < 10 else f"{run.mean:,.0f}", *(f"{value:,g}" for value in (run.p50, run.p95, run.p99, worst))]
        values = [f"{run.rate:,.0f}", *times, f"{run.failures:,}", *usage]
        table.append([Paragraph(run.title, cell), *(Paragraph(value, number) for value in values)])
    widths = [None, *(size * mm for size in (17, 12, 12, 12, 12, 14, 13, 12, 14, 17))]
    return plain_table(table, widths, head=True, spans=spans)


def plain_table(table, widths, head=False, spans=()):
    """`spans` are the rows whose second cell takes all the others."""
    known = sum(width for width in widths if width)
    made = Table(table, colWidths=[width or WIDTH - known for width in widths], repeatRows=int(head))
    lines = [
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, colors.HexColor(RULE)),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, -1), 3),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
        ("LEFTPADDING", (0, 0), (-1, -1), 3),
        ("RIGHTPADDING", (0, 0), (-1, -1), 3),
        *(("SPAN", (1, row), (-1, row)) for row in spans),
    ]
    made.setStyle(TableStyle([*lines, ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor(SHADE))] if head else lines))
    return made


def failures(measured):
    bad = [run for run in measured if run.failures]
    if not measured:
        return [Paragraph("Nothing was measured.", body)]
    if not bad:
        return [Paragraph("None in any run.", body)]
    table = [[Paragraph("Run", cell), Paragraph("What was wrong", cell), Paragraph("Times", number)]]
    for run in bad:
        common = sorted(run.failure_rows, key=lambda row: -int(row["Occurrences"]))
        for row in common[:MOST_FAILURE_ROWS]:
            table.append([Paragraph(run.title, cell), Paragraph(escape(row["Error"][:200]), cell), Paragraph(f"{int(row['Occurrences']):,}", number)])
    return [plain_table(table, [50 * mm, None, 18 * mm], head=True)]


def escape(text):
    """For a paragraph, in which no line begins with a unit."""
    kept = re.sub(r"(?<=\d) (?=(?:ms|s|MiB)\b)", "\u00a0", re.sub(r"(?<=\d) ?%", "\u00a0%", text))
    return kept.replace("&", "&amp;").replace("<", "&lt;")


def placed(picture):
    file = io.BytesIO()
    plots.save(picture, file)
    file.seek(0)
    return Image(file, picture.width_mm * mm, picture.height_mm * mm)


class NumberedCanvas(Canvas):
    """Writes its pages only at the end, when it is known how many there are."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.__pages = []

    def showPage(self):
        self.__pages.append(dict(self.__dict__))
        self._startPage()

    def save(self):
        for page in self.__pages:
            self.__dict__.update(page)
            self.setFont("Helvetica", 7.5)
            self.setFillColor(colors.HexColor(MUTED))
            self.drawString(MARGIN, 12 * mm, TITLE)
            self.drawRightString(A4[0] - MARGIN, 12 * mm, f"{self.getPageNumber()} of {len(self.__pages)}")
            super().showPage()
        super().save()


if __name__ == "__main__":
    sys.exit(main())
