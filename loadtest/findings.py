"""What the figures say: each rule looks at the runs and gives a sentence, or none. No sentence is written beforehand."""

from runs import mean

# Locust counts in whole milliseconds, and rounds what is longer than 100 ms to two digits.
FINEST_MS = 1
# What loadtest/locustfile.py has its users of conversions wait between two requests, on average.
WAIT_MS = 52.5
# Runs with more failures than this are not compared: who refuses is fast.
MOST_FAILURES = 0.01
# Nearer than this, two figures of one machine say the same.
SAME = 0.05
# Of the one core that locust's one process can use.
LOCUST_LIMIT = 0.85
# Cores in use by others, on average over a run.
NOISE_CORES = 0.2
# The promise for conversions while matrices are multiplied.
BUSY_FACTOR = 3
# Who grows by more than this from the second fifth of a run to its last has not settled.
GROWTH = 0.2

# Pairs that answer a question: the question, and of each the run and how sentences call it.
PAIRS = (
    ("Formula or model", ("predict-dray", "Dray’s model"), ("convert-dray", "its formula")),
    ("Dray or the FastAPI original", ("convert-dray", "Dray"), ("convert-fastapi", "the original")),
    (
        "ONNX Runtime in Dray or TensorFlow in Python",
        ("predict-dray", "Dray"),
        ("predict-tensorflow", "FastAPI with TensorFlow"),
    ),
    ("Dray or TensorFlow Serving", ("predict-dray", "Dray"), ("predict-tf-serving", "TensorFlow Serving")),
    (
        "Matrices computed or simulated",
        ("submit-dray-simulated", "Dray with simulated work"),
        ("submit-dray", "Dray that computes"),
    ),
)


def findings(runs):
    """Pairs of a heading and a text, in the order of the report."""
    measured = [run for run in runs if run.measured]
    if not measured:
        return [("Nothing was measured", "None of the runs gave figures; the table says why.")]
    sound = {run.name: run for run in measured if run.failed_share <= MOST_FAILURES}
    found = [
        *(compared(question, one, other, sound) for question, one, other in PAIRS),
        while_busy(sound),
        around_the_model(sound),
        waits_set_the_rate(measured),
        locust_limits(measured),
        noise(measured),
        growth(measured),
        correctness(measured),
        missing(runs),
    ]
    return [finding for finding in found if finding]


def compared(question, one, other, sound):
    (left_name, left), (right_name, right) = one, other
    if left_name not in sound or right_name not in sound:
        return None
    first, second = sound[left_name], sound[right_name]
    if first.load != second.load:
        return question, f"{sentence_case(left)} and {right} ran under unlike loads and are not compared."
    text = f"{sentence_case(left)} {rates(first, second, right)}. {times(first, second)}"
    return question, f"{text} {costs(first, second, left, right)}".strip()


def rates(first, second, right):
    numbers = f"({first.rate:,.0f} against {second.rate:,.0f} a second)"
    if same(first.rate, second.rate):
        return f"gave as many answers as {right} {numbers}"
    more = first.rate > second.rate
    by = max(first.rate, second.rate) / max(1e-9, min(first.rate, second.rate))
    if by >= 1.5:
        return f"gave {by:.1f} times as many answers as {right} {numbers}" if more else (
            f"gave {1 / by:.0%} of the answers that {right} gave {numbers}"
        )
    return f"gave {abs(first.rate / second.rate - 1):.0%} {'more' if more else 'fewer'} answers than {right} {numbers}"


def times(first, second):
    numbers = f"{ms(first.p99)} against {ms(second.p99)}"
    if abs(first.p99 - second.p99) <= FINEST_MS:
        return f"99 % of the answers came within {numbers}, which is no difference that whole milliseconds can show."
    if same(first.p99, second.p99):
        return f"99 % of the answers came within {numbers}, which is about the same."
    ratio = max(FINEST_MS, first.p99) / max(FINEST_MS, second.p99)
    return f"99 % of the answers came within {numbers}: {factor(ratio)} as long."


def costs(first, second, left, right):
    """Rates are alike wherever the users' waits set them; what an answer takes of the CPU still differs."""
    if not (first.local and second.local) or first.about["busy"] or second.about["busy"]:
        return ""
    numbers = f"{first.cpu_ms:.2f} ms against {second.cpu_ms:.2f} ms"
    if same(first.cpu_ms, second.cpu_ms):
        return f"An answer cost both the same CPU time ({numbers})."
    dear, cheap = (left, right) if first.cpu_ms > second.cpu_ms else (right, left)
    by = max(first.cpu_ms, second.cpu_ms) / max(1e-9, min(first.cpu_ms, second.cpu_ms))
    return f"An answer cost {dear} {by:.1f} times the CPU time that it cost {cheap} ({numbers})."


def while_busy(sound):
    idle, busy = sound.get("convert-dray"), sound.get("convert-dray-busy")
    if not (idle and busy) or idle.load != busy.load:
        return None
    ratio = max(FINEST_MS, busy.p99) / max(FINEST_MS, idle.p99)
    verdict = "within" if ratio <= BUSY_FACTOR else "beyond"
    return (
        "Conversions while matrices are multiplied",
        f"With every executor busy, 99 % of the conversions came within {ms(busy.p99)}; without jobs it was {ms(idle.p99)}. "
        f"That is {ratio:.1f} times as long, {verdict} the {BUSY_FACTOR} times that Dray promises, at {busy.rate / idle.rate:.0%} of the rate.",
    )


def around_the_model(sound):
    """What HTTP and a framework cost around a model that takes next to no time."""
    bare, served = sound.get("tensorflow-in-process"), sound.get("predict-tensorflow")
    if not bare:
        return None
    text = f"Called from Python with nothing around it, TensorFlow gave {bare.rate:,.0f} answers a second to one caller, half of them within {ms(bare.p50)}."
    if served and served.local and bare.local:
        text += (
            f" A call took {bare.cpu_ms:.2f} ms of CPU time; behind FastAPI an answer took {served.cpu_ms:.2f} ms, "
            f"of which {max(0, 1 - bare.cpu_ms / served.cpu_ms):.0%} went into everything but the model."
        )
    return "TensorFlow with nothing around it", text


def waits_set_the_rate(measured):
    near = [run for run in measured if run.by_locust and run.rate > 0.9 * most(run)]
    if not near:
        return None
    return (
        "What set the rate",
        f"More than 90 % of the answers that the users can ask for between their waits came in {some(near, measured)}. Look at their times and at their CPU, not at their rates, to tell them apart.",
    )


def locust_limits(measured):
    limited = [run for run in measured if run.by_locust and mean(run.locust_cpu) > LOCUST_LIMIT]
    if not limited:
        return None
    return (
        "What limited the load",
        f"Locust itself used more than {LOCUST_LIMIT:.0%} of the one core that it can use in {some(limited, measured)}. There the server could have given more, and the times hold waits of locust's own.",
    )


def noise(measured):
    noisy = [run for run in measured if mean(run.other_cpu) > NOISE_CORES or run.about["busyBefore"] > NOISE_CORES]
    if not noisy:
        return None
    return (
        "Noise",
        f"Other work than the server's and locust's used more than {NOISE_CORES:g} cores of the machine during, or just before, "
        f"{some(noisy, measured)}. Their times may be longer than on a quiet machine.",
    )


def growth(measured):
    """Of times and memory, from the second fifth of a run on: the first one is the start."""
    slower = [run for run in measured if grown([max(FINEST_MS, time) for time in run.times["99%"]], at_least=2 * FINEST_MS)]
    larger = [run for run in measured if run.local and grown(run.memory, at_least=16 * 2**20)]
    words = [
        *([f"The times within which 99 % of the answers came grew by more than {GROWTH:.0%} in {titles(slower)}."] if slower else []),
        *([f"Memory grew by more than {GROWTH:.0%} in {titles(larger)}."] if larger else []),
    ]
    if words:
        return "From the second fifth of the runs to the last", " ".join(words)
    return "Steadiness", f"From its second fifth to its last no run became slower or larger by more than {GROWTH:.0%}."


def grown(values, at_least):
    fifth = len(values) // 5
    if fifth == 0:
        return False
    early, late = mean(values[fifth : 2 * fifth]), mean(values[-fifth:])
    return late > early * (1 + GROWTH) and late - early >= at_least


def correctness(measured):
    asked = f"{sum(run.requests for run in measured):,} answers were checked"
    bad = [run for run in measured if run.failures]
    if not bad:
        return "Correctness", f"{asked}; none was wrong, refused or missing."
    text = f"{asked}; {sum(run.failures for run in bad):,} were wrong, refused or missing, in {titles(bad)}."
    left_out = [run for run in bad if run.failed_share > MOST_FAILURES]
    if left_out:
        text += f" With more than {MOST_FAILURES:.0%} of them {titles(left_out)} {'is' if len(left_out) == 1 else 'are'} not compared above."
    return "Correctness", text


def missing(runs):
    absent = [run for run in runs if not run.measured]
    if not absent:
        return None
    return "Not measured", " ".join(f"{run.title}: {run.why_not}." for run in absent)


def most(run):
    """The answers a second that its users could get if answers took no time."""
    return run.about["users"] / (WAIT_MS / 1000)


def same(one, other):
    return abs(one - other) <= SAME * max(one, other)


def some(chosen, measured):
    if len(chosen) == len(measured):
        return "every run"
    return f"{len(chosen)} of {len(measured)} runs: {titles(chosen)}"


def titles(runs):
    return "; ".join(run.title for run in runs)


def factor(ratio):
    return f"{ratio:.1f} times" if ratio >= 0.1 else f"{ratio:.2f} times"


def sentence_case(text):
    return text[0].upper() + text[1:]


def ms(value):
    return f"{value:,g} ms" if value > 0 else f"less than {FINEST_MS} ms"
