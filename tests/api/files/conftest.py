"""Two accounts."""

from __future__ import annotations

from uuid import uuid4

import pytest

from accounts import api_keys
from accounts.api_keys import Scope


class Keyed:
    """A client with a key of its own."""

    def __init__(self, client, key):
        self._client = client
        self._headers = {"Authorization": f"Bearer {key}"}

    def request(self, method, path, **options):
        return self._client.request(method, path, headers=self._headers, **options)

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, **options):
        return self.request("POST", path, **options)


@pytest.fixture
def keys_of_two(start, sessions):
    client = start(auth="keys")
    with sessions.begin() as session:
        keys = [
            api_keys.create(session, account=f"files-{uuid4().hex}", name="test", scopes=[*Scope])[
                1
            ]
            for _ in range(2)
        ]
    return [Keyed(client, key) for key in keys]
