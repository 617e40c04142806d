"""Files: uploaded whole or in pieces, used again, continued after a break, listed, deleted."""

from __future__ import annotations

import asyncio
import hashlib
import io

import httpx
import pytest

from kinomill import AsyncClient, Client, InputFileError, InvalidInput, NotFound
from kinomill.files import operations
from tests.api.build import MODEL, png, wav
from tests.api.serving import restored_logging, serving
from tests.storage import fake_s3
from tests.storage.fake_s3_signatures import ACCESS_KEY, SECRET_KEY

MEBIBYTE = 1024 * 1024


@pytest.fixture
def long(tmp_path):
    """A recording of 20 MB: three pieces."""
    path = tmp_path / "long voice.wav"
    path.write_bytes(wav(seconds=625))
    return path


def content_of(client, file):
    response = httpx.get(file.raw["urls"]["get"], follow_redirects=True, trust_env=False)
    return response.raise_for_status().content


def test_a_file_is_uploaded_once_and_used_again(client, files):
    seen = []

    file = client.upload(files["image"], on_upload=lambda *amounts: seen.append(amounts))
    again = client.upload(str(files["image"]))

    assert (file.filename, file.content_type, file.status) == ("face.png", "image/png", "ready")
    assert file.sha256 == hashlib.sha256(png()).hexdigest()
    assert again == file
    assert content_of(client, file) == png()
    job = client.submit(MODEL, image=file.id, audio=files["audio"])
    assert job.input["image"] == file.id
    client.cancel(job)


def test_an_upload_may_insist_on_a_file_of_its_own(client, files):
    first = client.files.upload(files["image"])
    second = client.files.upload(files["image"], reuse=False, filename="x.png", ttl_seconds=60)

    assert second.id != first.id
    assert second.filename == "x.png"
    assert (second.expires_at - second.created_at).total_seconds() == 60


@pytest.mark.parametrize("source", [png(70, 70), io.BytesIO(png(71, 71))])
def test_bytes_and_open_files_are_uploaded(client, source):
    assert client.upload(source).content_type == "image/png"


def test_a_large_file_is_sent_in_pieces(client, long):
    seen = []

    file = client.upload(long, on_upload=lambda *amounts: seen.append(amounts))

    size = long.stat().st_size
    assert (file.status, file.bytes, file.filename) == ("ready", size, "long voice.wav")
    assert seen[-1] == (size, size)
    assert len(seen) == 3
    assert content_of(client, file) == long.read_bytes()
    client.files.delete(file)


def test_an_upload_that_broke_goes_on_in_another_program(client, server, long):
    class Broken(Exception):
        pass

    def stop(*_):
        raise Broken

    with pytest.raises(Broken):
        client.upload(long, on_upload=stop)
    seen = []
    with Client(server) as other:
        file = other.upload(long, on_upload=lambda sent, _: seen.append(sent))

    assert len(seen) == 2, "the first piece had arrived"
    assert content_of(client, file) == long.read_bytes()
    client.files.delete(file)


def test_a_refused_large_file_says_why(client, tmp_path):
    path = tmp_path / "archive.zip"
    path.write_bytes(b"PK\3\4" + bytes(17 * MEBIBYTE))

    with pytest.raises(InvalidInput) as refused:
        client.upload(path)

    assert refused.value.code == "unsupported_media"


def test_a_missing_file_is_named(client):
    with pytest.raises(InputFileError, match="no file"):
        client.upload("nowhere.png")


def test_files_are_listed_and_deleted(client, tmp_path):
    made = [client.upload(png(80 + i, 80)) for i in range(3)]

    assert {file.id for file in made} <= {file.id for file in client.files.list_all()}
    assert len(client.files.list(limit=2).items) == 2
    assert client.files.get(made[0]) == made[0]
    client.files.delete(made[0])
    client.files.delete(made[0].id)
    with pytest.raises(NotFound):
        client.files.get(made[0])


def test_the_asyncio_client_does_the_same(server, long):
    async def use():
        async with AsyncClient(server) as client:
            file = await client.upload(long)
            listed = [each async for each in client.files.list_all()]
            got = await client.files.get(file)
            await client.files.delete(file)
            return file, got, listed

    file, got, listed = asyncio.run(use())

    assert got == file
    assert file in listed


@pytest.fixture
def s3(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    folder = tmp_path / "s3"
    folder.mkdir()
    with fake_s3.serve(folder) as fake:
        yield fake


@pytest.fixture
def bucket_client(s3, make_settings):
    options = {"storage": "s3://test-bucket/media", "s3_endpoint": s3.url}
    with restored_logging(), serving(make_settings, **options) as url, Client(url) as client:
        yield client


def test_a_large_file_goes_to_a_bucket_by_signed_links(bucket_client, s3, long):
    s3.fail("part", None, "cut", 503)

    file = bucket_client.upload(long)

    assert content_of(bucket_client, file) == long.read_bytes()
    assert list(s3.objects) == [f"media/inputs/{file.id}"], "nothing of the upload is left"
    assert not s3.uploads
    bucket_client.files.delete(file)
    assert not s3.objects


def test_an_upload_to_a_bucket_goes_on_where_it_broke(bucket_client, s3, long, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bucket_client.upload(long, on_upload=stop)
    before = s3.calls.count("part")

    file = bucket_client.upload(long)

    assert before == 1
    assert s3.calls.count("start") == 2, "one by the client, one by the server at the end"
    assert content_of(bucket_client, file) == long.read_bytes()
    bucket_client.files.delete(file)


def test_links_that_have_expired_are_renewed(bucket_client, s3, long):
    s3.fail("part", None, 403)

    file = bucket_client.upload(long)

    assert content_of(bucket_client, file) == long.read_bytes()
    bucket_client.files.delete(file)


def test_the_key_is_not_sent_to_the_bucket(long, monkeypatch):
    from kinomill.transport.options import without_key

    request = httpx.Request("PUT", "http://bucket", headers={"Authorization": "Bearer km_1"})

    assert "authorization" not in without_key(request).headers
    assert long.stat().st_size > operations.ONE_REQUEST_BYTES
