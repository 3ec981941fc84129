"""Load on the doors of the existing client families, with every answer checked.

    locust -f loadtest/locustfile.py -H http://127.0.0.1:8080 --headless

100 users, 100 more a second, for 5 minutes, unless -u, -r and -t, their variables or the web page say otherwise. The
names of classes choose families: `locust -f loadtest/locustfile.py ConvertUser -H …`.

    MODEL           the model that PredictUser asks, celsiusify
    MATRIX_A_SIZE   rows and columns of the random matrices of service A, 100
    MATRIX_B_ROWS   the most rows and columns of the matrices sent to service B, 8
    JOB_TIMEOUT     how long a job may take until it counts as a failure, in seconds, 60
"""

import os
import random
import re
import time

import gevent
from locust import FastHttpUser, between, events, task
from locust.exception import ResponseError

MODEL = os.environ.get("MODEL", "celsiusify")
MATRIX_A_SIZE = int(os.environ.get("MATRIX_A_SIZE", "100"))
MATRIX_B_ROWS = int(os.environ.get("MATRIX_B_ROWS", "8"))
JOB_TIMEOUT = float(os.environ.get("JOB_TIMEOUT", "60"))
POLL_SECONDS = 0.2

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
APP_IDENTIFIER = re.compile(r"[A-Za-z0-9]{8}(-[A-Za-z0-9]{8}){3}")
IPV4 = re.compile(r"\d{1,3}(\.\d{1,3}){3}")


@events.init_command_line_parser.add_listener
def default_load(parser):
    """Of runs without a web page, and what the fields of the page hold at first."""
    parser.set_defaults(num_users=100, spawn_rate=100, run_time="5m")


def expect(holds, message):
    """Inside of a request: makes it a failure that says what was wrong."""
    if not holds:
        raise ResponseError(message)


def reason(body):
    """The words of a refusal without what differs from one to the next, so that equal ones count as one."""
    return str(body.get("detail") or body.get("message") or body)[:300] if isinstance(body, dict) else str(body)


class DoorUser(FastHttpUser):
    """A client of one family. Statistics are kept by the given names, so that ids do not make rows of their own."""

    abstract = True

    def ask(self, method, path, *, name, status=200, check, json=None):
        """Gives the answer's JSON, or None where the request failed, which the statistics then tell."""
        with self.client.request(method, path, name=name, json=json, catch_response=True) as response:
            if response.status_code == 0:
                raise ResponseError(f"no answer: {response.error}")
            try:
                body = response.json()
            except ValueError:
                raise ResponseError(f"{response.status_code}, not JSON: {(response.text or '')[:300]}") from None
            expect(response.status_code == status, f"{response.status_code}: {reason(body)}")
            check(body)
            return body
        return None

    def until(self, final, ask, name):
        """Asks again until the status is final; the time from now until then is a row `name` of its own."""
        started = time.perf_counter()
        exception = None
        while True:
            body = ask()
            if body is None or body["status"] in final:
                break
            if time.perf_counter() - started > JOB_TIMEOUT:
                exception = ResponseError(f"{body['status']} after {JOB_TIMEOUT:g} s")
                break
            gevent.sleep(POLL_SECONDS)
        self.environment.events.request.fire(
            request_type="JOB",
            name=name,
            response_time=(time.perf_counter() - started) * 1000,
            response_length=0,
            exception=exception if body is not None else ResponseError("its status could not be read"),
            context={},
        )


class ConvertUser(DoorUser):
    """Celsiusify: as many conversions as come."""

    weight = 4
    wait_time = between(0.005, 0.1)

    @task
    def convert(self):
        fahrenheit = random.randint(0, 10_010) / 10
        wanted = f"{(fahrenheit - 32) * 5 / 9:.6f}"

        def check(body):
            expect(body["celsius"] == wanted, f"{fahrenheit} gave {body['celsius']}, not {wanted}")
            expect(APP_IDENTIFIER.fullmatch(body["app_identifier"]), f"identifier {body['app_identifier']}")

        self.ask("GET", f"/convert/?fahrenheit={fahrenheit}", name="/convert/", check=check)


class PredictUser(DoorUser):
    """The same conversion by the model: TensorFlow Serving's REST API, whoever serves it."""

    weight = 4
    wait_time = between(0.005, 0.1)

    @task
    def predict(self):
        fahrenheit = random.randint(0, 10_010) / 10
        wanted = (fahrenheit - 32) * 5 / 9

        def check(body):
            [[celsius]] = body["predictions"]
            expect(abs(celsius - wanted) < 1e-3, f"{fahrenheit} gave {celsius}, not {wanted:.3f}")

        path = f"/v1/models/{MODEL}:predict"
        self.ask("POST", path, name=path, json={"instances": [[fahrenheit]]}, check=check)


class MatrixAUser(DoorUser):
    """Matrix service A: submits and goes on; nobody asks what became of the job."""

    weight = 2
    wait_time = between(0.005, 0.1)

    @task
    def submit(self):
        def check(body):
            expect(body["status"] == "submitted" and UUID.fullmatch(body["id"]), f"submitted, but {body}")

        path = "/matrix-multiplication/submit-job/"
        self.ask("POST", path, name=path, status=202, json={"size": MATRIX_A_SIZE}, check=check)


class MatrixBUser(DoorUser):
    """Matrix service B: submits, asks until the job has ended, and compares the product with its own."""

    weight = 2
    wait_time = between(0.1, 0.5)

    @task
    def multiply(self):
        rows, inner, cols = (random.randint(2, max(2, MATRIX_B_ROWS)) for _ in range(3))
        a, b = whole_numbers(rows, inner), whole_numbers(inner, cols)

        def accepted(body):
            expect(body["status"] == "pending" and UUID.fullmatch(body["id"]), f"accepted, but {body}")

        path = "/matrix_multiplication/"
        job = self.ask("POST", path, name=path, status=202, json={"A": a, "B": b}, check=accepted)
        if job is None:
            return

        def check(body):
            expect(body["status"] != "failed", f"the job failed: {body.get('error')}")
            if body["status"] == "completed" and not body.get("simulated"):
                self.check_product(body, a, b)

        self.until(
            {"completed"},
            lambda: self.ask("GET", path + job["id"], name=f"{path}[id]", check=check),
            f"{path} until completed",
        )

    def check_product(self, job, a, b):
        if job["result"] is not None:
            expect(job["result"] == product(a, b), "a wrong product")
        else:
            self.ask(
                "GET",
                job["result_url"],
                name="/matrix_multiplication/[id]/result",
                check=lambda rows: expect(rows == product(a, b), "a wrong product"),
            )


class StartEndUser(DoorUser):
    """Start/end jobs: submits, asks until the job is complete, and wants to know who ran it."""

    weight = 2
    wait_time = between(0.2, 1)

    @task
    def start_end(self):
        given = {"start": random.choice(["go!", "ready?"]), "end": random.choice(["stop!", "enough"])}

        def submitted(body):
            expect(body == {"status": "submitted", **given, "id": body["id"]}, f"submitted, but {body}")

        job = self.ask("POST", "/jobs", name="/jobs", json=given, check=submitted)
        if job is None:
            return

        def check(body):
            expect(body["status"] in ("submitted", "in progress", "complete"), f"the job is {body['status']}")
            expect({key: body[key] for key in given} == given, f"another job's words: {body}")
            if body["status"] == "complete":
                expect(IPV4.fullmatch(body.get("worker", "")), f"worker {body.get('worker')}")

        self.until(
            {"complete"},
            lambda: self.ask("GET", f"/jobs/{job['id']}", name="/jobs/[id]", check=check),
            "/jobs until complete",
        )


def whole_numbers(rows, cols):
    """Small enough that products are exact in doubles, whatever the order of the sums."""
    return [[random.randint(-9, 9) for _ in range(cols)] for _ in range(rows)]


def product(a, b):
    columns = list(zip(*b))
    return [[sum(x * y for x, y in zip(row, column)) for column in columns] for row in a]
