"""What `import kinomill` gives, and at what cost."""

from __future__ import annotations

import subprocess
import sys

import pytest

import kinomill
from kinomill import Client, ConfigurationError


def test_every_name_can_be_imported():
    for name in kinomill.__all__:
        assert getattr(kinomill, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Clients'"):
        kinomill.Clients  # noqa: B018 - the access is the test
    assert "AsyncClient" in dir(kinomill)


def test_the_package_alone_imports_no_http_library():
    code = "import sys, kinomill; print(sorted({'httpx', 'rich', 'typer'} & set(sys.modules)))"

    loaded = subprocess.check_output([sys.executable, "-c", code], text=True)

    assert loaded == "[]\n"


def test_the_client_imports_only_the_http_library():
    code = "import sys, kinomill; kinomill.Client; kinomill.AsyncClient; print(*sys.modules)"

    loaded = set(subprocess.check_output([sys.executable, "-c", code], text=True).split())

    assert "httpx" in loaded
    assert loaded.isdisjoint({"typer", "tenacity", "pydantic", "jobs", "api", "runtime"})


def test_url_and_key_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("KINOMILL_URL", "https://kinomill.test/base/")
    monkeypatch.setenv("KINOMILL_KEY", "km_secret")

    with Client() as client, Client("http://127.0.0.1:1") as other:
        assert client.url == "https://kinomill.test/base"
        assert other.url == "http://127.0.0.1:1"
        assert "km_secret" not in repr(client)


def test_without_an_environment_the_api_is_on_this_machine(monkeypatch):
    monkeypatch.delenv("KINOMILL_URL", raising=False)

    with Client() as client:
        assert client.url == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("url", "key", "message"),
    [
        ("localhost:8000", None, "'localhost:8000' is not the address of an API"),
        ("localhost:8000", None, "write KINOMILL_URL=http://localhost:8000"),
        ("kinomill.test", None, "write KINOMILL_URL=https://kinomill.test"),
        ("ftp://kinomill.test", None, "ftp:// is not http"),
        ("http://", None, "names no host"),
        ("http://127.0.0.1:8000", "km_\n", "printable ASCII"),
        ("http://127.0.0.1:8000", "kä", "printable ASCII"),
    ],
)
def test_a_bad_address_or_key_is_refused(url, key, message):
    with pytest.raises(ConfigurationError, match=message):
        Client(url, key=key)
