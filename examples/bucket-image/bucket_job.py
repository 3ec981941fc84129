"""
Works on all files of INPUT_BUCKET_URL and puts what it finds into OUTPUT_BUCKET_URL: results/<key>.json for each CSV
file and, last of all, results/summary.json. Where something fails it says why in error.txt there and exits with 1.

Files are worked on as they are downloaded, one at a time: nothing is written to disk, and memory stays the same
whatever their size.
"""

import hashlib
import io
import json
import os
import signal
import sys
import time
import traceback
from urllib.parse import unquote, urlsplit

from minio import Minio
from minio.error import MinioException
from urllib3.exceptions import HTTPError

from analysis import BadFile, analyse_csv

# The summary of all files is the one thing that grows with the bucket.
MOST_FILES = 100_000
# A connection may break in the middle of a file: then it is read again, from its beginning.
TRIES = 3
CHUNK = 1 << 18

RESULTS = "results/"
SUMMARY = RESULTS + "summary.json"
ERROR = "error.txt"


class BadJob(Exception):
    """What the container was given cannot be used."""


class Bucket:
    """The bucket of a URL such as http://host:9000/bucket or http://host:9000/bucket/prefix."""

    def __init__(self, url):
        parts = urlsplit(url)
        name, _, prefix = unquote(parts.path).strip("/").partition("/")
        if parts.scheme not in ("http", "https") or not parts.netloc or not name:
            raise BadJob(f"{url!r} is no bucket: http://host:port/bucket is expected")
        self.host, self.name = parts.netloc, name
        self.prefix = f"{prefix}/" if prefix else ""
        self.client = Minio(
            endpoint=parts.netloc,
            secure=parts.scheme == "https",
            access_key=os.environ.get("AWS_ACCESS_KEY_ID"),
            secret_key=os.environ.get("AWS_SECRET_ACCESS_KEY"),
            session_token=os.environ.get("AWS_SESSION_TOKEN"),
            region=os.environ.get("AWS_REGION"),
        )

    def files(self):
        """The keys of the files, without the bucket's prefix."""
        for entry in self.client.list_objects(bucket_name=self.name, prefix=self.prefix, recursive=True):
            if not entry.object_name.endswith("/"):  # some programs store folders, as empty files
                yield entry.object_name[len(self.prefix) :]

    def open(self, key):
        return self.client.get_object(bucket_name=self.name, object_name=self.prefix + key)

    def put(self, key, text, content_type="application/json"):
        data = text.encode()
        self.client.put_object(
            bucket_name=self.name,
            object_name=self.prefix + key,
            data=io.BytesIO(data),
            length=len(data),
            content_type=content_type,
        )
        say(f"wrote {key}, {len(data)} bytes")

    def remove(self, key):
        self.client.remove_object(bucket_name=self.name, object_name=self.prefix + key)

    def holds(self, key, other):
        """True where a key of this bucket is one of what the other's results are."""
        if (self.host, self.name) != (other.host, other.name):
            return False
        full = self.prefix + key
        return full.startswith(other.prefix + RESULTS) or full == other.prefix + ERROR


class Body(io.RawIOBase):
    """What a download gives, as a file that counts and hashes what is read of it."""

    def __init__(self, response):
        self.response = response
        self.size = 0
        self.hash = hashlib.sha256()

    def readable(self):
        return True

    def readinto(self, buffer):
        data = self.response.read(len(buffer))
        buffer[: len(data)] = data
        self.size += len(data)
        self.hash.update(data)
        return len(data)


def work_on(bucket, key):
    """What is found in a file: its size and hash, and for a CSV file its analysis too."""
    response = bucket.open(key)
    try:
        body = Body(response)
        file = io.BufferedReader(body, CHUNK)
        found = None
        if key.lower().endswith(".csv"):
            found = analyse_csv(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))
        else:
            while file.read(CHUNK):
                pass
        return {"key": key, "size": body.size, "sha256": body.hash.hexdigest()}, found
    finally:
        response.close()
        response.release_conn()


def work_on_all(source, target):
    """A new run begins without the end of an earlier one: a reader sees either what this one says, or nothing yet."""
    for key in (ERROR, SUMMARY):
        target.remove(key)
    files = []
    rows = 0
    for key in source.files():
        if source.holds(key, target):
            continue
        if len(files) == MOST_FILES:
            raise BadJob(f"there are more than {MOST_FILES} files in the input bucket")
        try:
            file, found = again(lambda: work_on(source, key))
        except BadFile as error:
            raise BadFile(f"{key}: {error}") from None
        say(f"read {key}, {file['size']} bytes")
        if found is not None:
            rows += found["rows"]
            file = {**file, "rows": found["rows"], "result": f"{RESULTS}{key}.json"}
            target.put(file["result"], as_json({"key": key, **found}))
        files.append(file)
    size = sum(file["size"] for file in files)
    analysed = sum("result" in file for file in files)
    totals = {"files": len(files), "size": size, "csvFiles": analysed, "rows": rows}
    target.put(SUMMARY, as_json({**totals, "each": files}))
    say(f"done: {len(files)} files, {analysed} of them CSV, {rows} rows")


def again(read):
    for attempt in range(1, TRIES + 1):
        try:
            return read()
        except HTTPError as error:
            if attempt == TRIES:
                raise
            say(f"reading again: {error}")
            time.sleep(attempt)


def as_json(value):
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def say(text):
    print(text, flush=True)


def main():
    # The first process of a container ignores signals that it has not asked for; then a cancelled job waits to be killed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    target = None
    try:
        source_url = os.environ.get("INPUT_BUCKET_URL", "")
        source = Bucket(source_url)
        target = Bucket(os.environ.get("OUTPUT_BUCKET_URL") or source_url)
        work_on_all(source, target)
        return 0
    except (BadJob, BadFile, MinioException, HTTPError) as error:
        reason = str(error)
    except Exception as error:
        traceback.print_exc()
        reason = f"{type(error).__name__}: {error}"
    print(f"failed: {reason}", file=sys.stderr, flush=True)
    if target is not None:
        try:
            target.put(ERROR, f"{reason}\n", "text/plain; charset=utf-8")
        except Exception as error:
            print(f"{ERROR} could not be written: {error}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
