"""What needs no S3 server; test/e2e/mstc-example.test.ts has the rest."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import urllib3

import bucket_job
from bucket_job import BadJob, Bucket, again, work_on

CSV = b"a,b\n" + b"1,2\n" * 100_000


@pytest.fixture
def breaking():
    """A bucket whose first answers break off in the middle; `breaking.left` says how many more."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-length", str(len(CSV)))
            self.end_headers()
            breaks = FlakyBucket.left > 0
            FlakyBucket.left -= 1
            self.wfile.write(CSV[: len(CSV) // 2] if breaks else CSV)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever).start()
    pool = urllib3.PoolManager()

    class FlakyBucket:
        left = 0

        @staticmethod
        def open(key):
            return pool.request("GET", f"http://127.0.0.1:{server.server_port}/{key}", preload_content=False)

    yield FlakyBucket
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("key", ["rows.csv", "bytes.bin"])
def test_a_download_that_breaks_off_is_begun_again(breaking, key, monkeypatch):
    monkeypatch.setattr(bucket_job.time, "sleep", lambda seconds: None)
    breaking.left = 2
    file, found = again(lambda: work_on(breaking, key))
    assert file == {"key": key, "size": len(CSV), "sha256": hashlib.sha256(CSV).hexdigest()}
    assert found is None or found["rows"] == 100_000
    breaking.left = 3
    with pytest.raises(urllib3.exceptions.HTTPError):
        again(lambda: work_on(breaking, key))


def test_results_are_no_input():
    bucket = Bucket("http://host:9000/b")
    below = Bucket("http://host:9000/b/out")
    assert bucket.holds("results/x.csv.json", bucket) and bucket.holds("error.txt", bucket)
    assert bucket.holds("out/results/x", below) and not bucket.holds("results/x", below)
    assert not bucket.holds("results/x", Bucket("http://host:9000/other"))
    assert not bucket.holds("data/results/x", bucket)


@pytest.mark.parametrize("url", ["", "ftp://host/b", "http://host:9000", "http://host:9000/"])
def test_what_is_no_bucket_is_refused(url):
    with pytest.raises(BadJob, match="is no bucket"):
        Bucket(url)


def test_prefixes_are_read_as_they_are_written():
    bucket = Bucket("https://host/b/a%20b/c/")
    assert (bucket.name, bucket.prefix) == ("b", "a b/c/")


def test_a_stop_ends_it_at_once():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        env = {**os.environ, "INPUT_BUCKET_URL": f"http://127.0.0.1:{silent.getsockname()[1]}/bucket"}
        process = subprocess.Popen([sys.executable, bucket_job.__file__], env=env)
        try:
            connection, _ = silent.accept()  # it asks for something, and waits for an answer that does not come
            with connection:
                process.send_signal(signal.SIGTERM)
                assert process.wait(30) == 143
        finally:
            process.kill()
            process.wait()
