"""DATABASE_URL, REDIS_URL and KINOMILL_STORAGE replace the embedded servers."""

from __future__ import annotations

from cli.settings import CliSettings
from cli.stack import Stack, free_port
from kinomill import Client
from tests.acceptance.pictures import shrunk
from tests.acceptance.sounds import lengthen


def test_external_servers_and_storage_are_used_and_left_running(
    home, database_url, sessions, redis, broker_url, tmp_path, photo, voice
):
    settings = CliSettings(
        database_url=database_url, redis_url=broker_url, storage=str(tmp_path / "store")
    )
    files = {
        "image": shrunk(photo, tmp_path / "small.jpg"),
        "audio": lengthen(voice, tmp_path / "short.wav", seconds=0.5),
    }

    stack = Stack(home / "own", free_port(), settings, lambda _: None)
    with stack, Client(stack.url) as client:
        client.run("preview-lipsync", files)

    stored = sorted(path.parts[-3] for path in (tmp_path / "store" / "objects").rglob("*.mp4"))
    assert stored == ["results"]
    assert not list((home / "own").glob("*.pid"))
    assert redis.ping()
    with sessions() as session:
        assert session.connection().closed is False
