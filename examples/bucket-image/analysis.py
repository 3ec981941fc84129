"""What is computed of a file, in one pass and in memory that does not grow with it."""

import csv
import itertools
import math

# A record of a CSV file, in characters, and its columns.
LONGEST_RECORD = 1 << 20
MOST_COLUMNS = 1_000
# Every pair of columns costs time for each row; the correlations are those of the first so many that have numbers.
MOST_CORRELATED = 16


class BadFile(Exception):
    """A file that cannot be analysed; the text says why, and where."""


class Column:
    """Count, mean and spread of numbers, by Welford's method, which keeps its digits where values are large."""

    def __init__(self, name):
        self.name = name
        self.count = self.missing = self.texts = 0
        self.mean = self.squares = 0.0
        self.min, self.max = math.inf, -math.inf

    def add(self, cell):
        """Takes a cell, and returns its number or None."""
        text = cell.strip()
        if text == "" or text.lower() == "nan":
            self.missing += 1
            return None
        value = number(text)
        if value is None:
            self.texts += 1
            return None
        self.count += 1
        apart = value - self.mean
        self.mean += apart / self.count
        self.squares += apart * (value - self.mean)
        self.min, self.max = min(self.min, value), max(self.max, value)
        return value

    @property
    def numeric(self):
        return self.count > 0 and self.texts == 0

    def summary(self):
        if not self.numeric:
            return {"name": self.name, "count": self.count + self.texts, "missing": self.missing}
        deviation = math.sqrt(self.squares / (self.count - 1)) if self.count > 1 else None
        return {
            "name": self.name,
            "count": self.count,
            "missing": self.missing,
            "mean": finite(self.mean),
            "min": self.min,
            "max": self.max,
            "standardDeviation": finite(deviation),
        }


class Pair:
    """Pearson's correlation over the rows in which both columns have a number."""

    def __init__(self):
        self.count = 0
        self.mean_a = self.mean_b = self.squares_a = self.squares_b = self.products = 0.0

    def add(self, a, b):
        self.count += 1
        apart_a, apart_b = a - self.mean_a, b - self.mean_b
        self.mean_a += apart_a / self.count
        self.mean_b += apart_b / self.count
        self.squares_a += apart_a * (a - self.mean_a)
        self.squares_b += apart_b * (b - self.mean_b)
        self.products += apart_a * (b - self.mean_b)

    def correlation(self):
        """None where a column does not vary, or no two rows have both."""
        spread = math.sqrt(self.squares_a) * math.sqrt(self.squares_b)
        if not 0 < spread < math.inf:
            return None
        together = finite(self.products / spread)
        return None if together is None else max(-1.0, min(1.0, together))


def analyse_csv(text):
    """
    The columns of a CSV text, whose first record names them, and how its columns of numbers go together.

    text: a text stream, opened with newline="". Commas, semicolons or tabs between the fields, whichever the first
    line has most of. Raises BadFile.
    """
    rows = records(text)
    head = next(rows, None)
    if head is None:
        raise BadFile("there is no first line that names the columns")
    if len(head) > MOST_COLUMNS:
        raise BadFile(f"there are {len(head)} columns; at most {MOST_COLUMNS} are taken")
    columns = [Column(name.strip()) for name in head]
    pairs = {}
    count = 0
    for count, row in enumerate(rows, start=1):
        if len(row) != len(head):
            raise BadFile(f"row {count} has {len(row)} fields, and there are {len(head)} columns")
        values = [column.add(cell) for column, cell in zip(columns, row)]
        together = [(i, values[i]) for i in correlated(columns) if values[i] is not None]
        for (i, a), (j, b) in itertools.combinations(together, 2):
            pairs.setdefault((i, j), Pair()).add(a, b)
    chosen = [i for i in correlated(columns) if columns[i].numeric]
    return {
        "rows": count,
        "columns": [column.summary() for column in columns],
        "correlations": [
            {"columns": [columns[i].name, columns[j].name], "r": pairs[i, j].correlation() if (i, j) in pairs else None}
            for i, j in itertools.combinations(chosen, 2)
        ],
    }


def correlated(columns):
    """The first columns that have shown nothing but numbers so far: one that shows a text later is dropped then."""
    return itertools.islice((i for i, column in enumerate(columns) if column.numeric), MOST_CORRELATED)


def records(text):
    """The records of a CSV text that are not empty; at no time is more than one of them in memory."""
    first = read_line(text)
    taken = 0

    def lines():
        nonlocal taken
        line = first
        while line:
            taken += len(line)
            if taken > LONGEST_RECORD:
                raise BadFile(f"line {reader.line_num + 1} belongs to a record of more than {LONGEST_RECORD} characters")
            yield line
            line = read_line(text)

    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(lines(), delimiter=delimiter, strict=True)
    try:
        for record in reader:
            taken = 0
            if record:
                yield record
    except csv.Error as error:
        raise BadFile(f"line {reader.line_num}: {error}") from None


def read_line(text):
    try:
        return text.readline(LONGEST_RECORD + 1)
    except UnicodeDecodeError as error:
        raise BadFile(f"it is no UTF-8 text ({error.reason})") from None


def number(text):
    """A finite number, or None. Python's own forms, such as 1_000, are no numbers in a file."""
    if "_" in text:
        return None
    try:
        return finite(float(text))
    except ValueError:
        return None


def finite(value):
    """JSON has no word for infinity: what overflowed is null."""
    return value if value is not None and math.isfinite(value) else None
