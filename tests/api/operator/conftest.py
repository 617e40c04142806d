"""An API with keys: an operator's and a caller's."""

from __future__ import annotations

import pytest

from accounts import api_keys
from accounts.api_keys import Scope


@pytest.fixture
def api(client_with_keys, sessions):
    return client_with_keys


@pytest.fixture
def key(sessions):
    """Create a key; returns the header with it."""

    def make(account, *scopes):
        with sessions.begin() as session:
            _, secret = api_keys.create(session, account=account, name="", scopes=scopes)
        return {"Authorization": f"Bearer {secret}"}

    return make


@pytest.fixture
def operator(key):
    return key("ops", Scope.ADMIN)


@pytest.fixture
def caller(key):
    return key("me", Scope.SUBMIT, Scope.READ)
