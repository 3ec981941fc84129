"""Run with: python -m pytest examples/bucket-image"""

import io
import itertools
import random
import statistics
import tracemalloc

import pytest

import analysis
from analysis import BadFile, analyse_csv


def analysed(text):
    return analyse_csv(io.StringIO(text, newline=""))


def columns(text):
    return {column["name"]: column for column in analysed(text)["columns"]}


class Endless(io.TextIOBase):
    """Lines that are made as they are read."""

    def __init__(self, lines):
        self.lines = iter(lines)

    def readline(self, size=-1):
        return next(self.lines, "")


def test_numbers_agree_with_the_standard_library():
    rng = random.Random(7)
    rows = [(rng.gauss(1e9, 1), rng.random()) for _ in range(1000)]
    result = analysed("a,b\r\n" + "".join(f"{a!r},{b!r}\r\n" for a, b in rows))
    assert result["rows"] == 1000
    for column, values in zip(result["columns"], zip(*rows)):
        assert column["count"] == 1000 and column["missing"] == 0
        assert (column["min"], column["max"]) == (min(values), max(values))
        assert column["mean"] == pytest.approx(statistics.fmean(values), rel=1e-12)
        assert column["standardDeviation"] == pytest.approx(statistics.stdev(values), rel=1e-6)
    (pair,) = result["correlations"]
    assert pair["columns"] == ["a", "b"]
    assert pair["r"] == pytest.approx(statistics.correlation(*zip(*rows)), abs=1e-6)


def test_correlations_are_exact_where_columns_depend_on_each_other():
    result = analysed("x,up,down,flat\n" + "".join(f"{i},{2 * i + 3},{-i},5\n" for i in range(50)))
    found = {tuple(pair["columns"]): pair["r"] for pair in result["correlations"]}
    assert found["x", "up"] == pytest.approx(1)
    assert found["x", "down"] == found["up", "down"] == pytest.approx(-1)
    assert found["x", "flat"] is None


def test_texts_and_gaps_are_no_numbers():
    found = columns("n,gaps,text,late\n1,,Oslo,4\n2,nan,7,5\n3,8,Rome,-\n")
    assert found["n"]["mean"] == 2
    assert found["gaps"] == {
        "name": "gaps",
        "count": 1,
        "missing": 2,
        "mean": 8,
        "min": 8,
        "max": 8,
        "standardDeviation": None,
    }
    assert found["text"] == {"name": "text", "count": 3, "missing": 0}
    assert found["late"] == {"name": "late", "count": 3, "missing": 0}
    assert [pair["columns"] for pair in analysed("n,late\n1,4\n2,-\n")["correlations"]] == []


def test_a_pair_is_correlated_over_the_rows_that_have_both():
    (pair,) = analysed("a,b\n1,2\n2,\n3,6\n,9\n5,10\n")["correlations"]
    assert pair["r"] == pytest.approx(1)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators_quotes_and_byte_order_marks_are_understood(separator):
    text = f'"a{separator}1"{separator}b\n"x\ny"{separator}2\n'
    stream = io.TextIOWrapper(io.BytesIO(text.encode("utf-8-sig")), encoding="utf-8-sig", newline="")
    result = analyse_csv(stream)
    assert [column["name"] for column in result["columns"]] == [f"a{separator}1", "b"]
    assert result["rows"] == 1


@pytest.mark.parametrize(
    "text, reason",
    [
        ("", "no first line"),
        ("a,b\n1,2\n\n3\n", "row 2 has 1 fields, and there are 2 columns"),
        ('a,b\n1,"2"3\n', "line 2"),
        ('a,b\n1,"2', "line 2"),
        (",".join("x" * 1001), "1001 columns"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_place(text, reason):
    with pytest.raises(BadFile, match=reason):
        analysed(text)


def test_bytes_that_are_no_text_are_refused():
    stream = io.TextIOWrapper(io.BytesIO(b"a\n\xff\n"), encoding="utf-8-sig", newline="")
    with pytest.raises(BadFile, match="no UTF-8 text"):
        analyse_csv(stream)


@pytest.mark.parametrize("lines", [["a\n", "x" * 2_000_000], ["a\n", '"', *["x\n"] * 600_000]])
def test_a_record_without_end_is_refused(lines):
    with pytest.raises(BadFile, match="more than 1048576 characters|field larger than"):
        analyse_csv(Endless(lines))


def test_what_json_cannot_say_is_null():
    found = columns("a\n1e308\n-1e308\n1e308\n-1e308\n")["a"]
    assert found["standardDeviation"] is None
    assert columns("a,b\ninf,1_000\n")["b"] == {"name": "b", "count": 1, "missing": 0}


def test_only_the_first_columns_of_numbers_are_correlated():
    wide = ",".join(f"c{i}" for i in range(30))
    result = analysed(f"{wide}\n" + "".join(",".join([str(i)] * 30) + "\n" for i in range(3)))
    most = analysis.MOST_CORRELATED
    assert len(result["correlations"]) == most * (most - 1) // 2
    assert all(pair["r"] == pytest.approx(1) for pair in result["correlations"])


def test_memory_does_not_grow_with_the_rows():
    def peak(rows):
        tracemalloc.start()
        analyse_csv(Endless(itertools.chain(["a,b\n"], (f"{i},{i}\n" for i in range(rows)))))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)
    assert peak(20_000) < peak(1_000) + 20_000
