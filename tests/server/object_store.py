"""An object store for tests: S3, as moto's server plays it."""

from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The address of an S3 with the bucket `lake`."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        patch.setenv("AWS_ENDPOINT_URL", address)
        boto3.client("s3").create_bucket(Bucket="lake")
        yield address
    server.stop()


def objects(prefix: str) -> dict[str, bytes]:
    """The objects of the bucket below a prefix."""
    s3 = boto3.client("s3")
    found = s3.list_objects_v2(Bucket="lake", Prefix=f"{prefix}/").get("Contents", ())
    keys = [one["Key"] for one in found]
    return {key.removeprefix(f"{prefix}/"): s3.get_object(Bucket="lake", Key=key)["Body"].read() for key in keys}
