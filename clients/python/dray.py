"""Dray's client for Python, in one file: numpy and the standard library are all it needs.

    import dray
    C = dray.matmul(A, B)

The server's address comes from the argument `server`, else from the variable DRAY_SERVER, else it is
http://127.0.0.1:8080, where `dray serve` listens by default. The API key, where the server needs one, comes from
the argument `api_key`, else from the variable DRAY_API_KEY.

Arrays go over the wire as .npy, straight from their own memory and straight into the memory of the result:
no second copy of a large array is made, except of one that is not contiguous.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import time
import urllib.parse
from typing import Any, Iterator, Sequence

import numpy as np

__all__ = [
    "Client",
    "DrayError",
    "JobFailed",
    "ProblemError",
    "ServerUnreachable",
    "WaitTimeout",
    "matmul",
]

DEFAULT_SERVER = "http://127.0.0.1:8080"
_LONG_POLL = 30.0  # seconds that one request may wait for a job
_PATIENCE = 30.0  # seconds that a wait puts up with a server that does not answer, as in a restart
_FINAL = ("completed", "failed", "cancelled")


class DrayError(Exception):
    """The base of all errors of this module."""


class ServerUnreachable(DrayError):
    """No answer came: nothing listens at the address, or the connection broke."""


class ProblemError(DrayError):
    """The server refused a request. `code` is stable (docs/errors.md); `field` names what is to blame, or is None."""

    def __init__(self, status: int, code: str, detail: str, field: str | None = None):
        super().__init__(f"{code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.field = field


class JobFailed(DrayError):
    """The job failed for good, or was cancelled (`code` is then "cancelled"). `job` is its last state."""

    def __init__(self, code: str, message: str, job: dict[str, Any]):
        super().__init__(f"job {job['id']}: {code}: {message}")
        self.code = code
        self.message = message
        self.job = job


class WaitTimeout(DrayError, TimeoutError):
    """The wait ended before the job did. The job goes on: `job_id` gets at it later."""

    def __init__(self, job_id: str, seconds: float):
        super().__init__(f"job {job_id} was not final after {seconds:g} s; it goes on")
        self.job_id = job_id


def matmul(
    a: np.ndarray,
    b: np.ndarray,
    server: str | None = None,
    dtype: Any = None,
    verify: bool = True,
    timeout: float | None = None,
    api_key: str | None = None,
) -> np.ndarray:
    """The product of two matrices, computed by a Dray server.

    a, b     two-dimensional arrays of floats or integers; `a` has as many columns as `b` has rows.
    server   the server's address (see the module).
    dtype    of the product: "float64" or "float32"; the server's default where None.
    verify   let the server check the product (Freivalds, a small part of the product's own time).
    timeout  seconds to wait for the job, unbounded where None.
    api_key  the server's API key (see the module).

    Raises ValueError or TypeError for arrays that cannot be sent, ProblemError where the server refuses them,
    JobFailed, WaitTimeout, ServerUnreachable.
    """
    client = Client(server, api_key)
    a, b = _as_matrix(a, "a"), _as_matrix(b, "b")
    if a.shape[1] != b.shape[0]:
        raise ValueError(f"shapes do not fit: a is {a.shape}, b is {b.shape}")
    uploaded: list[str] = []
    try:
        for array in (a, b):
            uploaded.append(client.upload(array)["id"])
        job_input: dict[str, Any] = {"a": {"blob": uploaded[0]}, "b": {"blob": uploaded[1]}, "verify": bool(verify)}
        if dtype is not None:
            job_input["dtype"] = np.dtype(dtype).name
        job = client.submit("matmul", job_input)
    except DrayError:
        # No job uses them, so nobody else would remove them soon.
        for blob in uploaded:
            try:
                client.delete_blob(blob)
            except DrayError:
                pass
        raise
    client.wait(job["id"], timeout)
    return client.result(job["id"], array=True)


class Client:
    """One server. Jobs are dicts, as the server's /docs describes them. Safe to share between threads."""

    def __init__(self, server: str | None = None, api_key: str | None = None):
        address = server or os.environ.get("DRAY_SERVER") or DEFAULT_SERVER
        parts = urllib.parse.urlsplit(address if "://" in address else f"http://{address}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not an http or https address: {address!r}")
        self.server = address
        self._https = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._base = parts.path.rstrip("/")
        self._api_key = api_key or os.environ.get("DRAY_API_KEY")

    def submit(
        self,
        type: str,
        input: Any = None,
        retry: dict[str, Any] | None = None,
        timeout_ms: int | None = None,
        priority: str | None = None,
        delay_ms: int | None = None,
        run_at: str | None = None,
        concurrency_key: str | None = None,
        max_concurrency: int | None = None,
        labels: dict[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """Submits a job and returns it, accepted and durable.

        retry            {"attempts", "baseMs", "factor", "capMs"}.
        priority         "high", "normal" or "low".
        delay_ms         do not run it before so many ms from now; or `run_at`, an RFC 3339 time.
        concurrency_key  of the jobs of one type and key at most `max_concurrency` run at a time, 1 by default.
        labels           names and what they say; `list` finds the job by them.
        idempotency_key  sent again under the same key, the same submission gives the same job.
        """
        rest = {
            "input": input,
            "retry": retry,
            "timeoutMs": timeout_ms,
            "priority": priority,
            "delayMs": delay_ms,
            "runAt": run_at,
            "concurrencyKey": concurrency_key,
            "maxConcurrency": max_concurrency,
            "labels": labels,
        }
        body = {"type": type, **{name: value for name, value in rest.items() if value is not None}}
        return self._json("POST", "/v1/jobs", body, idempotency_key=idempotency_key)

    def submit_batch(self, jobs: Sequence[dict[str, Any]], idempotency_key: str | None = None) -> list[dict[str, Any]]:
        """Submits 1 to 1,000 jobs, all of them or none, and returns them in their order.

        Each is as the API takes it: {"type", "input", "priority", "labels", …}.
        """
        answer = self._json("POST", "/v1/jobs/batch", {"jobs": [*jobs]}, idempotency_key=idempotency_key)
        return answer["jobs"]

    def get(self, job_id: str) -> dict[str, Any]:
        return self._json("GET", _job_path(job_id))

    def list(
        self, status: str | None = None, type: str | None = None, label: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """All jobs that fit, newest first, read page by page as they are taken. `label` is "name=value"."""
        query = {"status": status, "type": type, "label": label, "limit": 200, "cursor": None}
        while True:
            given = {name: value for name, value in query.items() if value is not None}
            page = self._json("GET", f"/v1/jobs?{urllib.parse.urlencode(given)}")
            yield from page["jobs"]
            if page["nextCursor"] is None:
                return
            query["cursor"] = page["nextCursor"]

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Cancels a job that is not final yet; running work is stopped."""
        return self._json("POST", f"{_job_path(job_id)}/cancel")

    def redrive(self, job_id: str) -> dict[str, Any]:
        """Gives a failed job new attempts."""
        return self._json("POST", f"{_job_path(job_id)}/redrive")

    def wait(self, job_id: str, timeout: float | None = None) -> dict[str, Any]:
        """Waits until the job is completed and returns it. Raises JobFailed, or WaitTimeout after `timeout` seconds.

        A server that goes away meanwhile, as in a restart, has half a minute to come back.
        """
        start = time.monotonic()
        silent_since: float | None = None
        while True:
            asked = time.monotonic()
            left = _LONG_POLL if timeout is None else timeout - (asked - start)
            try:
                poll = max(0, min(_LONG_POLL, left))
                job = self._json("GET", f"{_job_path(job_id)}?wait={int(1000 * poll)}ms")
                silent_since = None
                if job["status"] in _FINAL:
                    return _completed(job)
            except (ServerUnreachable, ProblemError) as error:
                if isinstance(error, ProblemError) and error.code != "unavailable":
                    raise
                silent_since = silent_since or asked
                if time.monotonic() - silent_since > _PATIENCE:
                    raise
            if timeout is not None and time.monotonic() - start >= timeout:
                raise WaitTimeout(job_id, timeout)
            # A server that answers at once, or not at all, must not be asked in a tight loop.
            if time.monotonic() - asked < 0.2:
                time.sleep(0.2)

    def result(self, job_id: str, array: bool = False) -> Any:
        """The result of a completed job: parsed JSON, or with `array` the .npy result as an array."""
        accept = "application/x-npy" if array else "application/json"
        connection = self._connect()
        try:
            response = self._exchange(connection, "GET", f"{_job_path(job_id)}/result", {"Accept": accept})
            return _read_array(response) if array else json.loads(response.read())
        except (OSError, http.client.HTTPException) as error:
            raise self._broken(error) from error
        finally:
            connection.close()

    def upload(self, array: np.ndarray) -> dict[str, Any]:
        """Stores a matrix as a .npy blob, {"id", "size", "digest", "mediaType"}, that jobs can name as {"blob": id}."""
        array = _as_matrix(array, "array")
        # A Fortran-ordered array is the transpose of a C-ordered one over the same memory.
        fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        flat = array.T if fortran else np.ascontiguousarray(array)
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": array.dtype.str, "fortran_order": bool(fortran), "shape": array.shape}
        )
        parts = [header.getbuffer(), memoryview(flat).cast("B")]
        return self._json("POST", "/v1/blobs", parts=parts, content_type="application/x-npy")

    def delete_blob(self, blob_id: str) -> None:
        self._json("DELETE", f"/v1/blobs/{urllib.parse.quote(blob_id, safe='')}")

    def _json(
        self,
        method: str,
        path: str,
        body: Any = None,
        parts: list[memoryview] | None = None,
        content_type: str = "application/json",
        idempotency_key: str | None = None,
    ) -> Any:
        if body is not None:
            parts = [memoryview(json.dumps(body).encode())]
        headers = {"Accept": "application/json"}
        if parts is not None:
            headers["Content-Type"] = content_type
            headers["Content-Length"] = str(sum(part.nbytes for part in parts))
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        connection = self._connect()
        try:
            text = self._exchange(connection, method, path, headers, parts or []).read()
        except (OSError, http.client.HTTPException) as error:
            raise self._broken(error) from error
        finally:
            connection.close()
        return json.loads(text) if text else None

    def _connect(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._https else http.client.HTTPConnection
        return kind(self._host, self._port, blocksize=1 << 20)

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        headers: dict[str, str],
        parts: list[memoryview] = [],
    ) -> http.client.HTTPResponse:
        connection.putrequest(method, self._base + path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if self._api_key:
            connection.putheader("Authorization", f"Bearer {self._api_key}")
        if method == "POST" and not parts:
            connection.putheader("Content-Length", "0")
        connection.endheaders()
        try:
            for part in parts:
                connection.send(part)
        except (BrokenPipeError, ConnectionResetError):
            pass  # A server that refuses an upload half-way may have said why: the answer is read below.
        response = connection.getresponse()
        if response.status >= 400:
            raise _problem(response)
        return response

    def _broken(self, error: Exception) -> ServerUnreachable:
        if isinstance(error, ConnectionRefusedError):
            return ServerUnreachable(f"no dray server at {self.server}; start one with `dray serve`")
        return ServerUnreachable(f"the connection to {self.server} broke: {error or type(error).__name__}")


def _job_path(job_id: str) -> str:
    return f"/v1/jobs/{urllib.parse.quote(job_id, safe='')}"


def _completed(job: dict[str, Any]) -> dict[str, Any]:
    if job["status"] == "completed":
        return job
    if job["status"] == "cancelled":
        raise JobFailed("cancelled", "the job was cancelled", job)
    error = job.get("error") or {"code": "unknown", "message": "no reason is recorded"}
    raise JobFailed(error["code"], error["message"], job)


def _problem(response: http.client.HTTPResponse) -> ProblemError:
    text = response.read()
    try:
        problem = json.loads(text)
        return ProblemError(response.status, problem["code"], problem["detail"], problem.get("field"))
    except (ValueError, KeyError, TypeError):
        excerpt = text[:120].decode("utf-8", "replace")
        return ProblemError(response.status, "unexpected", f"not an answer of a Dray server: {excerpt}")


def _as_matrix(array: Any, name: str) -> np.ndarray:
    """The array in a form that .npy and the server take: little-endian floats or integers, without a copy if it is."""
    array = np.asarray(array)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"{name} must have two dimensions and at least one element, not the shape {array.shape}")
    if array.dtype.kind == "b" or array.dtype == np.float16:
        return array.astype(np.float64)
    if array.dtype.kind not in "fiu" or array.dtype.itemsize > 8:
        raise TypeError(f"{name} must hold integers or floats of at most 64 bits, not {array.dtype}")
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def _read_array(response: http.client.HTTPResponse) -> np.ndarray:
    """Reads .npy data into a new array of its own, without holding the bytes twice."""
    version = np.lib.format.read_magic(response)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(response)
    else:
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(response)
    array = np.empty(shape, dtype, order="F" if fortran else "C")
    target = memoryview(array.T if fortran else array).cast("B")
    filled = 0
    while filled < target.nbytes:
        count = response.readinto(target[filled:])
        if not count:
            raise http.client.IncompleteRead(b"", target.nbytes - filled)
        filled += count
    return array
