"""
The client against a deployment that runs examples/bucket-image; without one only what needs none is tested.

    MSTC_TEST_AMQP=amqp://user:password@host:port/vhost
    MSTC_TEST_S3=http://key:secret@host:port
    MSTC_TEST_S3_INSIDE=http://host:port      the same as containers reach it, where that is another address
    MSTC_TEST_IMAGE=registry/name:tag         of examples/bucket-image; the deployment allows it

    python -m pytest examples/mstc-client
"""

import hashlib
import json
import os
import statistics
import subprocess
import sys
import uuid
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import mstc_client
from mstc_client import MstcClient, NoReply, Refused, path_of

IMAGE = os.environ.get("MSTC_TEST_IMAGE", "")
# Seconds. A container may have to wait until its image is on its node.
PATIENCE = 180

wanted = ("MSTC_TEST_AMQP", "MSTC_TEST_S3", "MSTC_TEST_IMAGE")
missing = [name for name in wanted if not os.environ.get(name)]
deployed = pytest.mark.skipif(bool(missing), reason=f"no deployment is given: set {', '.join(missing)}")


def s3_address():
    parts = urlsplit(os.environ["MSTC_TEST_S3"])
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", unquote(parts.username), unquote(parts.password)


def new_client(**options):
    address, key, secret = s3_address()
    inside = os.environ.get("MSTC_TEST_S3_INSIDE")
    return MstcClient(os.environ["MSTC_TEST_AMQP"], address, key, secret, s3_inside=inside, **options)


@pytest.fixture
def client():
    client = new_client()
    yield client
    client.close()


@pytest.fixture
def bucket(client):
    """Makes names of buckets, which are gone after the test."""
    made = []

    def name():
        made.append(f"mstc-test-{uuid.uuid4()}")
        return made[-1]

    yield name
    for one in made:
        if client.s3.bucket_exists(bucket_name=one):
            for entry in client.s3.list_objects(bucket_name=one, recursive=True):
                client.s3.remove_object(bucket_name=one, object_name=entry.object_name)
            client.s3.remove_bucket(bucket_name=one)


@pytest.fixture
def folder(tmp_path):
    """A folder with a CSV file, one below, and a binary one."""
    data = tmp_path / "data"
    (data / "below").mkdir(parents=True)
    rows = "".join(f"{i},{i * i},town-{i}\n" for i in range(1000))
    (data / "numbers.csv").write_text(f"n,square,town\n{rows}")
    (data / "below" / "späť name.csv").write_text("a;b\n1;4\n2;2\n")
    (data / "bytes.bin").write_bytes(bytes(range(256)) * 4096)
    return data


def check_results(results, data):
    found = json.loads((results / "results/numbers.csv.json").read_text())
    assert found["rows"] == 1000
    column = {column["name"]: column for column in found["columns"]}
    squares = [i * i for i in range(1000)]
    assert column["square"]["mean"] == pytest.approx(statistics.fmean(squares))
    assert column["square"]["standardDeviation"] == pytest.approx(statistics.stdev(squares))
    assert column["town"]["count"] == 1000 and "mean" not in column["town"]
    (pair,) = found["correlations"]
    assert pair["r"] == pytest.approx(statistics.correlation(range(1000), squares))
    below = json.loads((results / "results/below/späť name.csv.json").read_text())
    assert below["correlations"][0]["r"] == pytest.approx(-1)
    summary = json.loads((results / "results/summary.json").read_text())
    files = {str(path.relative_to(data)): path for path in data.rglob("*") if path.is_file()}
    assert {one["key"]: one["sha256"] for one in summary["each"]} == {
        key: hashlib.sha256(path.read_bytes()).hexdigest() for key, path in files.items()
    }
    assert (summary["files"], summary["csvFiles"], summary["rows"]) == (3, 2, 1002)


@deployed
def test_a_folder_is_worked_on_between_two_buckets(client, bucket, folder, tmp_path):
    results = tmp_path / "results"
    source, target = bucket(), bucket()
    reply = client.run(folder, results, IMAGE, "test-job", source, target, time_out=5, seconds=PATIENCE)
    assert reply["status"] == "completed", reply
    assert reply["jobName"] == "test-job"
    assert reply["outputBucketUrl"] == client.url(target)
    assert reply["duration"] > 0
    assert "done: 3 files, 2 of them CSV, 1002 rows" in reply["output"]
    assert "error" not in reply
    check_results(results, folder)
    downloaded = {str(path.relative_to(results)): path.stat().st_size for path in results.rglob("*") if path.is_file()}
    assert {file["key"]: file["size"] for file in reply["files"]} == downloaded


@deployed
def test_without_an_output_bucket_results_lie_beside_the_input_and_are_no_input_themselves(
    client, bucket, folder, tmp_path
):
    source = bucket()
    for turn in ("first", "second"):
        results = tmp_path / turn
        reply = client.run(folder, results, IMAGE, "one bucket", source, seconds=PATIENCE)
        assert reply["status"] == "completed", reply
        assert reply["outputBucketUrl"] == client.url(source)
        check_results(results, folder)
        assert not (results / "numbers.csv").exists()


@deployed
def test_a_failure_is_told_and_downloaded(client, bucket, folder, tmp_path):
    (folder / "ragged.csv").write_text("a,b\n1,2\n3\n")
    results = tmp_path / "results"
    reply = client.run(folder, results, IMAGE, "ragged", bucket(), bucket(), seconds=PATIENCE)
    assert reply["status"] == "failed"
    assert reply["error"]
    reason = "ragged.csv: row 2 has 1 fields, and there are 2 columns"
    assert reason in reply["output"]
    assert (results / "error.txt").read_text().strip() == reason
    assert not (results / "results/summary.json").exists()


@deployed
def test_a_later_success_takes_the_failure_away(client, bucket, folder, tmp_path):
    source, target = bucket(), bucket()
    (folder / "ragged.csv").write_text("a,b\n1\n")
    assert client.run(folder, tmp_path / "a", IMAGE, "again", source, target, seconds=PATIENCE)["status"] == "failed"
    (folder / "ragged.csv").write_text("a,b\n1,2\n")
    reply = client.run(folder, tmp_path / "b", IMAGE, "again", source, target, seconds=PATIENCE)
    assert reply["status"] == "completed", reply
    assert not (tmp_path / "b" / "error.txt").exists()


@deployed
def test_what_is_not_allowed_is_refused_with_the_reason(client, bucket, folder):
    source = bucket()
    client.upload(folder, source)
    id = client.send("evil.example/that-nobody-allowed:1", "refused", source)
    reply = client.wait(id, PATIENCE)
    assert reply["status"] == "failed"
    assert reply["jobName"] == "refused"
    assert "image" in reply["error"]


@deployed
def test_several_jobs_get_each_their_own_reply(client, bucket, folder):
    sources = [bucket() for _ in range(4)]
    for source in sources:
        client.upload(folder, source)
    sent = {client.send(IMAGE, f"job {i}", source): i for i, source in enumerate(sources)}
    for id, i in reversed(sent.items()):
        reply = client.wait(id, PATIENCE)
        assert (reply["jobName"], reply["status"]) == (f"job {i}", "completed")


@deployed
def test_a_message_that_is_sent_again_runs_nothing_again(client, bucket, folder):
    source = bucket()
    client.upload(folder, source)
    id = client.send(IMAGE, "twice", source)
    first = client.wait(id, PATIENCE)
    assert first["status"] == "completed", first
    client.s3.remove_object(bucket_name=source, object_name="results/summary.json")
    client.send(IMAGE, "twice", source, id=id)
    assert client.wait(id, PATIENCE) == first
    assert "results/summary.json" not in {
        entry.object_name for entry in client.s3.list_objects(bucket_name=source, recursive=True)
    }


@deployed
def test_who_loses_patience_can_wait_again(client, bucket, folder):
    source = bucket()
    client.upload(folder, source)
    id = client.send(IMAGE, "patience", source)
    with pytest.raises(NoReply, match="no reply within 0.01 s"):
        client.wait(id, 0.01)
    assert client.wait(id, PATIENCE)["status"] == "completed"


@deployed
def test_a_queue_that_nobody_reads_is_told(bucket):
    lost = new_client(queue=f"mstc.nobody.{uuid.uuid4()}")
    with pytest.raises(Refused, match="there is no queue"):
        lost.send(IMAGE, "nobody", bucket())
    lost.close()


@deployed
def test_the_command_does_the_same(client, bucket, folder, tmp_path):
    address, key, secret = s3_address()
    inside = os.environ.get("MSTC_TEST_S3_INSIDE", address)
    results = tmp_path / "results"
    command = [sys.executable, mstc_client.__file__, str(folder), str(results)]
    addresses = ["--amqp", os.environ["MSTC_TEST_AMQP"], "--s3", address, "--s3-inside", inside]
    env = {**os.environ, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
    source, target = bucket(), bucket()
    buckets = ["--bucket", source, "--output-bucket", target]
    ended = subprocess.run(
        [*command, "--image", IMAGE, *buckets, *addresses, "--wait", str(PATIENCE)],
        env=env,
        capture_output=True,
        text=True,
        timeout=PATIENCE + 60,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["status"] == "completed"
    check_results(results, folder)


def test_no_key_leads_out_of_the_folder(tmp_path):
    assert path_of("a/b.txt", tmp_path) == tmp_path / "a/b.txt"
    for key in ("../up", "a/../../up", "/etc/passwd", "."):
        with pytest.raises(ValueError, match="leads out of"):
            path_of(key, tmp_path)


def test_a_server_that_is_away_is_told():
    away = MstcClient("amqp://127.0.0.1:1", "http://127.0.0.1:1")
    with pytest.raises(NoReply, match="RabbitMQ"):
        away.wait("an-id", 0.5)
    with pytest.raises(ValueError, match="is no address"):
        MstcClient("amqp://127.0.0.1:1", "127.0.0.1:9000")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MSTC_")}
    folder = str(Path(__file__).parent)
    ended = subprocess.run(
        [sys.executable, mstc_client.__file__, folder, folder, "--image", "a", "--bucket", "no bucket"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("mstc_client: ")
    assert "Traceback" not in ended.stderr
