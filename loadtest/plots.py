"""The report's plots: each over all runs, and each run by itself on the same scales."""

import dataclasses

import matplotlib

matplotlib.use("Agg")  # no screen is needed

import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from findings import FINEST_MS
from runs import SHARES

INK, MUTED, RULE = "#1b1f24", "#5b6570", "#c9d0d8"
# Told apart by everybody who sees colours, and by their darkness in print.
SHARE_COLOURS = dict(zip(SHARES, ("#2b6cb0", "#d98013", "#8b1e3f")))
SERVER, LOCUST, OTHERS, MEMORY = "#2b6cb0", "#d98013", "#8b1e3f", "#2f855a"
RUN_COLOURS = ("#2b6cb0", "#8b1e3f", "#d98013", "#2f855a", "#6b46c1", "#0987a0")
DASHES = ("-", "--", ":")
DPI = 200
MM = 1 / 25.4

plt.rcParams.update(
    {
        "font.family": "DejaVu Sans",
        "font.size": 7.5,
        "axes.edgecolor": RULE,
        "axes.labelcolor": MUTED,
        "axes.titlecolor": INK,
        "axes.titlesize": 8,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "grid.color": RULE,
        "grid.linewidth": 0.4,
        "legend.frameon": False,
        "legend.fontsize": 7,
    }
)


@dataclasses.dataclass(frozen=True)
class Picture:
    name: str
    figure: plt.Figure
    width_mm: float
    height_mm: float


def pictures(measured, width_mm):
    """All plots of the runs that have figures, by name."""
    colours = style(measured)
    end = max(max(run.seconds[-1], run.used_seconds[-1]) for run in measured)
    # One caller in process is no number of users: its rate is on another scale.
    loaded = [run for run in measured if run.by_locust]
    local = [run for run in measured if run.local]
    made = [
        rates_together(loaded, colours, width_mm, end) if loaded else None,
        each_run("rates", measured, width_mm, end, 138, draw_rates, "answers/s", scale_of_rates(loaded)),
        shares_together(measured, width_mm),
        times_together(measured, colours, width_mm, end),
        each_run("times", measured, width_mm, end, 215, draw_times, "ms", scale_of_times(measured)),
    ]
    if local:
        highest = max(max(map(max, (run.cpu, run.locust_cpu, run.other_cpu))) for run in local)
        most = max(max(run.memory) for run in local) / 2**20
        made += [
            costs_together(local, width_mm),
            each_run("cpu", local, width_mm, end, 138, draw_cpu, "cores", from_zero(highest)),
            each_run("memory", local, width_mm, end, 215, draw_memory, "MiB", from_zero(most)),
        ]
    return {picture.name: picture for picture in made if picture}


def save(picture, target):
    """As PNG, to a path or a file."""
    picture.figure.savefig(target, format="png", dpi=DPI)


def panels(picture):
    """Of each plot in a picture: its kind and its box in pixels from the top left of the PNG."""
    picture.figure.canvas.draw()
    width, height = (round(side * DPI) for side in picture.figure.get_size_inches())
    for axes in picture.figure.axes:
        box = axes.get_position()
        yield {
            "kind": axes.get_label(),
            "box": [round(box.x0 * width), round((1 - box.y1) * height), round(box.x1 * width), round((1 - box.y0) * height)],
        }


def style(runs):
    """A run's colour and dashes, the same in all pictures of a report."""
    return {
        run.name: {"color": RUN_COLOURS[i % len(RUN_COLOURS)], "linestyle": DASHES[i // len(RUN_COLOURS) % len(DASHES)]}
        for i, run in enumerate(runs)
    }


def rates_together(runs, colours, width_mm, end):
    def draw(axes):
        for run in runs:
            axes.plot(run.seconds, run.rates, linewidth=1.4, label=run.title, **colours[run.name])
        axes.set_ylim(bottom=0)
        axes.set_ylabel("answers/s")

    return together("rates-together", runs, width_mm, end, draw)


def times_together(runs, colours, width_mm, end):
    def draw(axes):
        for run in runs:
            axes.plot(run.seconds, visible(run, run.times["99%"]), linewidth=1.4, label=run.title, **colours[run.name])
        logarithmic_ms(axes)
        axes.set_ylabel("p99, ms")

    return together("times-together", runs, width_mm, end, draw)


def together(name, runs, width_mm, end, draw):
    """One plot with a line for each run, and below it whose line is whose."""
    legend_mm = 3.9 * ((len(runs) + 1) // 2) + 2
    height_mm = 58 + legend_mm
    figure = plt.figure(figsize=(width_mm * MM, height_mm * MM))
    axes = figure.add_axes((0.085, (legend_mm + 10) / height_mm, 0.9, 1 - (legend_mm + 13) / height_mm), label="lines")
    draw(axes)
    axes.set_xlim(0, end)
    axes.grid(axis="y")
    axes.set_xlabel("seconds")
    figure.legend(loc="lower left", bbox_to_anchor=(0.07, 0), ncols=2, handlelength=3)
    return Picture(name, figure, width_mm, height_mm)


def shares_together(runs, width_mm):
    """p50, p95 and p99 of the whole run, run below run."""
    height_mm = 7 * len(runs) + 17
    figure, axes = plt.subplots(figsize=(width_mm * MM, height_mm * MM))
    axes.set_label("marks")
    for row, run in enumerate(runs):
        values = visible(run, [run.p50, run.p95, run.p99])
        axes.plot([values[0], values[-1]], [row, row], color=RULE, linewidth=2.5, solid_capstyle="round", zorder=1)
        for share, value in zip(SHARES, values):
            axes.scatter([value], [row], s=26, color=SHARE_COLOURS[share], zorder=2, label=named(share) if row == 0 else None)
    name_rows(axes, runs)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("ms")
    axes.grid(axis="x")
    figure.subplots_adjust(left=0.34, right=0.98, top=1 - 7 / height_mm, bottom=10 / height_mm)
    figure.legend(loc="upper right", ncols=3, handletextpad=0.2)
    return Picture("shares-together", figure, width_mm, height_mm)


def costs_together(runs, width_mm):
    """Bars: cores in use, CPU time for an answer, the most memory."""
    height_mm = 6.5 * len(runs) + 14
    figure, all_axes = plt.subplots(1, 3, figsize=(width_mm * MM, height_mm * MM), sharey=True)
    columns = (
        ("CPU, cores on average", [run.mean_cpu for run in runs], "{:.2f}", SERVER),
        ("CPU for an answer, ms", [run.cpu_ms for run in runs], "{:.2f}", LOCUST),
        ("most memory, MiB", [max(run.memory) / 2**20 for run in runs], "{:,.0f}", MEMORY),
    )
    for axes, (title, values, form, colour) in zip(all_axes, columns):
        axes.set_label("marks")
        bars = axes.barh(range(len(runs)), values, color=colour, height=0.6)
        axes.bar_label(bars, [form.format(value) for value in values], padding=2, fontsize=7, color=INK)
        axes.set_xlim(right=max(values) * 1.22)
        axes.xaxis.set_major_locator(MaxNLocator(4, prune="upper"))
        axes.set_title(title)
        axes.grid(axis="x")
    name_rows(all_axes[0], runs)
    figure.subplots_adjust(left=0.34, right=0.98, top=1 - 6 / height_mm, bottom=8 / height_mm, wspace=0.15)
    return Picture("costs-together", figure, width_mm, height_mm)


def name_rows(axes, runs):
    axes.set_yticks(range(len(runs)), [run.title for run in runs], color=INK)
    axes.set_ylim(len(runs) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def each_run(name, runs, width_mm, end, most_mm, draw, unit, scale):
    """A plot for each run, two beside each other. `scale` sets each one's y axis, after all is drawn."""
    lines = (len(runs) + 1) // 2
    above_mm = 6
    height_mm = min(lines * 52, most_mm - above_mm) + above_mm
    figure, grid = plt.subplots(lines, 2, figsize=(width_mm * MM, height_mm * MM), squeeze=False)
    for axes, run in zip(grid.flat, runs):
        axes.set_label("lines")
        draw(axes, run)
        scale(axes, run)
        axes.set_xlim(0, end)
        axes.set_title(run.title)
        axes.set_ylabel(unit)
        axes.grid(axis="y")
    for axes in list(grid.flat)[len(runs) :]:
        axes.remove()
    for axes in list(grid.flat)[: len(runs)][-2:]:
        axes.set_xlabel("seconds")
    figure.tight_layout(rect=(0, 0, 1, 1 - above_mm / height_mm))
    handles, labels = grid[0][0].get_legend_handles_labels()
    if len(labels) > 1:
        figure.legend(handles, labels, loc="upper right", ncols=len(labels))
    return Picture(name, figure, width_mm, height_mm)


def draw_rates(axes, run):
    axes.plot(run.seconds, run.rates, color=SERVER, linewidth=1.2)


def draw_times(axes, run):
    for share, colour in SHARE_COLOURS.items():
        axes.plot(run.seconds, visible(run, run.times[share]), color=colour, linewidth=1.1, label=named(share))


def draw_cpu(axes, run):
    axes.plot(run.used_seconds, run.other_cpu, color=OTHERS, linewidth=0.8, label="all else")
    axes.plot(run.used_seconds, run.locust_cpu, color=LOCUST, linewidth=0.9, label="locust")
    axes.plot(run.used_seconds, run.cpu, color=SERVER, linewidth=1.2, label="server")


def draw_memory(axes, run):
    axes.plot(run.used_seconds, [value / 2**20 for value in run.memory], color=MEMORY, linewidth=1.2)


def from_zero(top):
    return lambda axes, run: axes.set_ylim(0, top * 1.08)


def scale_of_rates(loaded):
    top = max((max(run.rates) for run in loaded), default=0)
    return lambda axes, run: axes.set_ylim(0, (top if run.by_locust else max(run.rates)) * 1.08)


def scale_of_times(runs):
    lowest = min(min(visible(run, run.times[SHARES[0]])) for run in runs)
    highest = max(max(visible(run, run.times[SHARES[-1]])) for run in runs)

    def scale(axes, run):
        logarithmic_ms(axes)
        axes.set_ylim(max(0.01, lowest) / 1.5, highest * 1.5)

    return scale


def visible(run, times):
    """0 is what locust makes of less than half a millisecond, and has no place on a logarithmic scale."""
    return [max(value, FINEST_MS) for value in times] if run.by_locust else times


def logarithmic_ms(axes):
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def named(share):
    return f"p{share[:-1]}"
