"""
A client of the MSTC cloud worker: uploads a folder to a bucket, asks by RabbitMQ for a container that works on it,
waits for the reply, and downloads what the container has left. The worker is Dray, or whatever speaks the same.

    python mstc_client.py data results --image docker.io/team/work:1 --bucket my-bucket
"""

import argparse
import json
import os
import sys
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import pika
from minio import Minio
from minio.error import MinioException
from pika.exceptions import AMQPError, UnroutableError
from urllib3.exceptions import HTTPError

# Minutes that a container may take where nothing is said, and seconds that a job may wait for its turn beside.
USUAL_TIME_OUT = 15
PATIENCE = 300
# Seconds between two tries to reach a RabbitMQ that is away, and until it drops a queue that nobody reads.
AGAIN = 1
ABANDONED = 24 * 3600


class Refused(Exception):
    """RabbitMQ has nobody who takes the message."""


class NoReply(Exception):
    """There was no reply in time. The job may still run: wait again, for the same id."""


class MstcClient:
    """
    amqp: amqp://user:password@host:port/vhost of the RabbitMQ that the worker reads from.
    s3: http(s)://host:port of the S3 server, as this program reaches it.
    s3_inside: the same as containers reach it, where that is another address.
    """

    def __init__(self, amqp, s3, access_key=None, secret_key=None, s3_inside=None, queue="mstc.work"):
        self.amqp = pika.URLParameters(amqp)
        parts = urlsplit(s3)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError(f"{s3!r} is no address of an S3 server: http://host:port is expected")
        self.s3 = Minio(
            endpoint=parts.netloc,
            secure=parts.scheme == "https",
            access_key=access_key,
            secret_key=secret_key,
        )
        self.s3_inside = (s3_inside or s3).rstrip("/")
        self.queue = queue
        # The queue of a client that is gone goes too, and one that lost its connection finds its replies again.
        self.reply_queue = f"mstc.reply.{uuid.uuid4()}"
        self.replies = {}

    def url(self, bucket):
        """How messages name a bucket."""
        return f"{self.s3_inside}/{bucket}"

    def upload(self, folder, bucket):
        """Puts all files of a folder into a bucket, which is made where it is not there. Returns their keys."""
        if not self.s3.bucket_exists(bucket_name=bucket):
            self.s3.make_bucket(bucket_name=bucket)
        folder = Path(folder)
        files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        for key, path in sorted(files.items()):
            self.s3.fput_object(bucket_name=bucket, object_name=key, file_path=str(path))
        return sorted(files)

    def download(self, bucket, folder, without=()):
        """Fetches all files of a bucket into a folder, but for those keys. Returns their keys."""
        folder = Path(folder).resolve()
        without = set(without)
        fetched = []
        for entry in self.s3.list_objects(bucket_name=bucket, recursive=True):
            key = entry.object_name
            if key in without or key.endswith("/"):
                continue
            self.s3.fget_object(bucket_name=bucket, object_name=key, file_path=str(path_of(key, folder)))
            fetched.append(key)
        return fetched

    def send(self, image, name, bucket, output_bucket=None, time_out=0, id=None):
        """
        Asks for a container. time_out: minutes, 0 for the usual 15. Returns the id by which its reply is known; the
        same request under the same id starts nothing twice. Raises Refused, AMQPError where RabbitMQ is away.
        """
        id = id or str(uuid.uuid4())
        message = {"image": image, "jobName": name, "inputBucketUrl": self.url(bucket)}
        if output_bucket:
            message["outputBucketUrl"] = self.url(output_bucket)
        if time_out:
            message["timeOut"] = time_out
        connection = pika.BlockingConnection(self.amqp)
        try:
            channel = connection.channel()
            channel.confirm_delivery()
            self.declare_reply_queue(channel)
            channel.basic_publish(
                exchange="",
                routing_key=self.queue,
                body=json.dumps(message).encode(),
                mandatory=True,
                properties=pika.BasicProperties(
                    content_type="application/json",
                    delivery_mode=pika.DeliveryMode.Persistent,
                    message_id=id,
                    reply_to=self.reply_queue,
                    correlation_id=id,
                ),
            )
        except UnroutableError:
            raise Refused(f"there is no queue {self.queue!r}: does a worker run that reads it?") from None
        finally:
            if connection.is_open:
                connection.close()
        return id

    def wait(self, id, seconds):
        """
        The reply to a message, as a dict: {"jobName", "status", "duration" (ms), "output", "outputBucketUrl", "files":
        [{"key", "size"}], "error"?}. A RabbitMQ that is away is waited for. Raises NoReply.
        """
        deadline = time.monotonic() + seconds
        trouble = None
        while id not in self.replies:
            left = deadline - time.monotonic()
            if left <= 0:
                raise NoReply(f"no reply within {seconds:g} s" + (f" ({trouble})" if trouble else ""))
            try:
                self.collect(id, left)
                trouble = None
            except AMQPError as error:
                trouble = f"RabbitMQ: {error!r}"
                time.sleep(min(AGAIN, left))
        return self.replies.pop(id)

    def collect(self, id, seconds):
        """Notes the replies that come, until the wanted one has."""
        connection = pika.BlockingConnection(self.amqp)
        try:
            channel = connection.channel()
            self.declare_reply_queue(channel)
            for method, properties, body in channel.consume(self.reply_queue, inactivity_timeout=seconds):
                if method is None:
                    return
                # A reply may come twice; the second tells the same.
                self.replies[properties.correlation_id] = json.loads(body)
                channel.basic_ack(method.delivery_tag)
                if properties.correlation_id == id:
                    return
        finally:
            if connection.is_open:
                connection.close()

    def close(self):
        """Removes the queue of the replies."""
        connection = pika.BlockingConnection(self.amqp)
        try:
            connection.channel().queue_delete(self.reply_queue)
        finally:
            connection.close()

    def declare_reply_queue(self, channel):
        channel.queue_declare(self.reply_queue, durable=True, arguments={"x-expires": ABANDONED * 1000})

    def run(self, folder, results, image, name, bucket, output_bucket=None, time_out=0, seconds=None):
        """All of it: upload, message, reply, download, also of what a failed container has left. Returns the reply."""
        if output_bucket and not self.s3.bucket_exists(bucket_name=output_bucket):
            self.s3.make_bucket(bucket_name=output_bucket)
        uploaded = self.upload(folder, bucket)
        id = self.send(image, name, bucket, output_bucket, time_out)
        if seconds is None:
            seconds = (time_out or USUAL_TIME_OUT) * 60 + PATIENCE
        reply = self.wait(id, seconds)
        own = output_bucket and output_bucket != bucket
        self.download(output_bucket or bucket, results, without=() if own else uploaded)
        return reply


def path_of(key, folder):
    """Where the file of a key goes. Whoever writes into the bucket chooses keys: none may lead out of the folder."""
    path = (folder / key).resolve()
    if path == folder or not path.is_relative_to(folder):
        raise ValueError(f"the key {key!r} leads out of {folder}")
    return path


def main():
    parser = argparse.ArgumentParser(description="Runs a container on the files of a folder.")
    parser.add_argument("folder", type=Path, help="whose files are uploaded")
    parser.add_argument("results", type=Path, help="the folder where the output is downloaded to")
    parser.add_argument("--image", required=True)
    parser.add_argument("--bucket", required=True, help="made where it is not there")
    parser.add_argument("--output-bucket", help="by default the same one")
    parser.add_argument("--name", default="mstc-client", help="of the job")
    parser.add_argument("--time-out", type=float, default=0, help="of the container, in minutes; 15 by default")
    parser.add_argument("--wait", type=float, help="for the reply, in seconds; by default 5 min more than --time-out")
    parser.add_argument("--queue", default="mstc.work")
    parser.add_argument("--amqp", default=os.environ.get("MSTC_AMQP", "amqp://localhost:5672"), help="or MSTC_AMQP")
    parser.add_argument("--s3", default=os.environ.get("MSTC_S3", "http://localhost:9000"), help="or MSTC_S3")
    parser.add_argument("--s3-inside", help="the address of --s3 as containers reach it, where that is another")
    options = parser.parse_args()
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is no folder")
    try:
        client = MstcClient(
            options.amqp,
            options.s3,
            access_key=os.environ.get("AWS_ACCESS_KEY_ID"),
            secret_key=os.environ.get("AWS_SECRET_ACCESS_KEY"),
            s3_inside=options.s3_inside,
            queue=options.queue,
        )
        reply = client.run(
            options.folder,
            options.results,
            image=options.image,
            name=options.name,
            bucket=options.bucket,
            output_bucket=options.output_bucket,
            time_out=options.time_out,
            seconds=options.wait,
        )
        client.close()
    except (Refused, NoReply, ValueError, MinioException, HTTPError, OSError) as error:
        sys.exit(f"mstc_client: {error}")
    except AMQPError as error:
        sys.exit(f"mstc_client: RabbitMQ: {error!r}")
    json.dump(reply, sys.stdout, indent=2, ensure_ascii=False)
    print()
    return 0 if reply["status"] == "completed" else 1


if __name__ == "__main__":
    sys.exit(main())
