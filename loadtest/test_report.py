"""The rules of the report, on runs that never were: `python -m pytest loadtest`."""

import json
import pathlib
import re
import subprocess
import sys
import types

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import findings
import run as load
from made_up import make_missing, make_run
from runs import all_runs
from targets import TARGETS, Target

HERE = pathlib.Path(__file__).parent
PAGE = (load.ROOT / "docs/load-tests.md").read_text()


@pytest.fixture
def results(tmp_path):
    return tmp_path


def found(results):
    return dict(findings.findings(all_runs(results)))


def reported(results):
    """The words on the pages of the report, and the plots of each picture."""
    subprocess.run(
        [sys.executable, "-B", str(HERE / "report.py"), "--results", str(results), "--pictures", str(results / "pictures")],
        check=True,
        capture_output=True,
    )
    return (results / "report.pdf").read_bytes(), json.loads((results / "pictures/panels.json").read_text())


def test_runs_come_in_the_order_of_the_targets(results):
    for name in reversed(TARGETS):
        make_run(results, name)
    assert [run.name for run in all_runs(results)] == list(TARGETS)


def test_a_row_that_could_not_be_measured_says_why(results):
    make_run(results, "convert-dray")
    make_missing(results, "predict-tf-serving", "it does not run here")
    assert found(results)["Not measured"] == "Model over REST, TensorFlow Serving: it does not run here."
    pdf, panels = reported(results)
    assert pdf.startswith(b"%PDF") and len(panels["rates"]) == 1


def test_a_report_of_nothing_but_missing_targets_has_its_pages(results):
    make_missing(results, "predict-dray", "`npm run build` has not been run")
    assert list(found(results)) == ["Nothing was measured"]
    pdf, panels = reported(results)
    assert pdf.startswith(b"%PDF") and panels == {}


def test_a_run_without_an_answer_is_no_measurement(results):
    make_run(results, "convert-dray", requests=0)
    [run] = all_runs(results)
    assert not run.measured and run.why_not == "no request was answered"
    assert list(found(results)) == ["Nothing was measured"]


def test_a_run_whose_files_are_not_all_there_is_no_measurement(results):
    make_run(results, "convert-dray")
    (results / "convert-dray/usage.csv").unlink()
    [run] = all_runs(results)
    assert run.why_not == "usage.csv is missing"


def test_a_run_of_a_second_is_no_measurement(results):
    make_run(results, "convert-dray", seconds=2)
    path = results / "convert-dray/run_stats_history.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    [run] = all_runs(results)
    assert run.why_not == "the run was too short for a history"


def test_what_was_used_before_and_after_the_load_does_not_count(results):
    make_run(results, "convert-dray", cpu=0.5)
    path = results / "convert-dray/usage.csv"
    head, *lines = path.read_text().splitlines()
    path.write_text("\n".join([head, "998,2,1,0,0", *lines, "1090,2,1,0,0", ""]))
    [run] = all_runs(results)
    assert run.mean_cpu == 0.5 and run.used_seconds[0] == 0


def test_failures_are_counted_and_told_and_shown(results):
    make_run(results, "convert-dray", requests=10_000, failures=3)
    make_run(results, "convert-fastapi", requests=10_000)
    assert found(results)["Correctness"] == (
        "20,000 answers were checked; 3 were wrong, refused or missing, in Conversion, Dray."
    )
    assert reported(results)[0].startswith(b"%PDF")  # with "<too> busy & sorry" in it


def test_a_run_with_many_failures_is_not_compared(results):
    make_run(results, "convert-dray", requests=10_000, failures=101, rate=9000)
    make_run(results, "convert-fastapi", requests=10_000)
    told = found(results)
    assert "Dray or the FastAPI original" not in told
    assert told["Correctness"].endswith("With more than 1% of them Conversion, Dray is not compared above.")


def test_runs_under_unlike_loads_are_not_compared(results):
    make_run(results, "convert-dray", users=10)
    make_run(results, "convert-fastapi", users=100)
    assert found(results)["Dray or the FastAPI original"] == "Dray and the original ran under unlike loads and are not compared."


@pytest.mark.parametrize(
    "ours, theirs, words",
    [
        (1000, 1000, "Dray gave as many answers as the original (1,000 against 1,000 a second)"),
        (1040, 1000, "Dray gave as many answers as the original"),
        (1200, 1000, "Dray gave 20% more answers than the original"),
        (800, 1000, "Dray gave 20% fewer answers than the original"),
        (2500, 1000, "Dray gave 2.5 times as many answers as the original"),
        (250, 1000, "Dray gave 25% of the answers that the original gave"),
    ],
)
def test_rates_are_told_as_they_are(results, ours, theirs, words):
    make_run(results, "convert-dray", rate=ours)
    make_run(results, "convert-fastapi", rate=theirs)
    assert found(results)["Dray or the FastAPI original"].startswith(words)


@pytest.mark.parametrize(
    "ours, theirs, words",
    [
        (5, 6, "no difference that whole milliseconds can show"),
        (0, 1, "less than 1 ms against 1 ms, which is no difference"),
        (5, 10, "5 ms against 10 ms: 0.5 times as long"),
        (200, 210, "200 ms against 210 ms, which is about the same"),
        (90, 30, "90 ms against 30 ms: 3.0 times as long"),
        (4, 200, "4 ms against 200 ms: 0.02 times as long"),
    ],
)
def test_times_are_told_as_finely_as_they_were_taken(results, ours, theirs, words):
    make_run(results, "convert-dray", p99=ours)
    make_run(results, "convert-fastapi", p99=theirs)
    assert words in found(results)["Dray or the FastAPI original"]


def test_equal_rates_are_told_apart_by_the_cpu_of_an_answer(results):
    make_run(results, "convert-dray", cpu=0.3)
    make_run(results, "convert-fastapi", cpu=0.9)
    assert "An answer cost the original 3.0 times the CPU time that it cost Dray (0.30 ms against 0.90 ms)." in (
        found(results)["Dray or the FastAPI original"]
    )


def test_a_server_that_runs_elsewhere_has_no_cpu_in_the_comparison(results):
    make_run(results, "predict-dray")
    make_run(results, "predict-tf-serving", cpu=0, memory=0)
    assert "CPU" not in found(results)["Dray or TensorFlow Serving"]
    assert len(reported(results)[1]["cpu"]) == 1


@pytest.mark.parametrize("busy, verdict", [(30, "3.0 times as long, within the 3 times"), (31, "3.1 times as long, beyond the 3 times")])
def test_the_promise_of_conversions_while_matrices_are_multiplied_is_judged(results, busy, verdict):
    make_run(results, "convert-dray", p99=10)
    make_run(results, "convert-dray-busy", p99=busy)
    assert verdict in found(results)["Conversions while matrices are multiplied"]


def test_what_limited_a_run_is_told(results):
    make_run(results, "convert-dray", rate=1850, locust_cpu=0.9)
    make_run(results, "convert-fastapi", rate=900)
    told = found(results)
    assert "in 1 of 2 runs: Conversion, Dray. Look" in told["What set the rate"]
    assert "one core that it can use in 1 of 2 runs: Conversion, Dray. There" in told["What limited the load"]


@pytest.mark.parametrize("noise", [{"other_cpu": 0.3}, {"busy_before": 0.3}])
def test_a_machine_that_was_not_quiet_is_told(results, noise):
    make_run(results, "convert-dray", **noise)
    assert "during, or just before, every run. Their" in found(results)["Noise"]
    make_run(results, "predict-dray")
    assert "during, or just before, 1 of 2 runs: Conversion, Dray. Their" in found(results)["Noise"]


def test_a_quiet_machine_a_fast_server_and_no_growth_are_no_news(results):
    make_run(results, "convert-dray")
    told = found(results)
    assert set(told) == {"Steadiness", "Correctness"} and told["Correctness"].endswith("none was wrong, refused or missing.")


def test_growing_times_and_memory_are_told(results):
    make_run(results, "convert-dray", rises=3)
    told = found(results)["From the second fifth of the runs to the last"]
    assert "The times within which 99 %" in told and "Memory grew" in told


def test_the_model_in_process_is_set_against_the_model_behind_http(results):
    make_run(results, "tensorflow-in-process", rate=5000, p50=0.2, cpu=1, users=1)
    make_run(results, "predict-tensorflow", rate=500, cpu=1)
    told = found(results)["TensorFlow with nothing around it"]
    assert "5,000 answers a second to one caller, half of them within 0.2 ms" in told
    assert "A call took 0.20 ms of CPU time; behind FastAPI an answer took 2.00 ms, of which 90%" in told


def test_every_run_has_its_plots(results):
    for name in TARGETS:
        make_run(results, name)
    panels = reported(results)[1]
    assert {name: len(boxes) for name, boxes in panels.items()} == {
        **{"rates-together": 1, "shares-together": 1, "times-together": 1, "costs-together": 3},
        **dict.fromkeys(("rates", "times", "cpu", "memory"), len(TARGETS)),
    }


@pytest.mark.parametrize("text, seconds", [("20s", 20), ("90", 90), ("5m", 300), ("1h30m", 5400)])
def test_times_are_read_as_locust_reads_them(text, seconds):
    assert load.seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "soon", "5 m", "-3s"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(load.argparse.ArgumentTypeError):
        load.seconds_of(text)


def options(results):
    return types.SimpleNamespace(results=results, users=1, spawn_rate=1.0, time=1)


def test_a_target_that_lacks_something_says_what_to_do(results, monkeypatch):
    lacking = Target("Lacking", "ConvertUser", needs=((results / "not-there", "make it"),))
    monkeypatch.setitem(load.TARGETS, "lacking", lacking)
    assert load.run("lacking", options(results)) == ("not measured: `make it` has not been run", False)
    assert all_runs(results)[0].why_not == "`make it` has not been run"


def test_a_server_that_ends_is_a_failure_of_its_run_alone_and_names_no_paths(results, monkeypatch):
    words = f"raise SystemExit('{load.ROOT}/file is broken, see http://some.host:81/x')"
    monkeypatch.setitem(load.TARGETS, "broken", Target("Broken", "ConvertUser", (sys.executable, "-c", words)))
    end, is_failure = load.run("broken", options(results))
    assert is_failure and end == "FAILED: the server ended with 1: file is broken, see http://…/x"
    assert all_runs(results)[0].why_not == "its run failed: the server ended with 1: file is broken, see http://…/x"


def test_the_page_about_load_tests_has_every_target_and_every_user():
    named = set(re.findall(r"^\| `([\w-]+)` ", PAGE, re.MULTILINE))
    users = re.findall(r"^class (\w+User)\(DoorUser\)", (HERE / "locustfile.py").read_text(), re.MULTILINE)
    assert {*TARGETS, *users} <= named
    assert {target.user for target in TARGETS.values() if target.user} <= set(users)
