"""Models and their weights, seen by a client."""

from __future__ import annotations

import pytest

from jobs.fleet import prefetch_requests
from kinomill import Client, Conflict, ModelLicense
from tests.api.build import MODEL
from tests.api.heavy import NAMES
from tests.api.serving import restored_logging, serving


@pytest.fixture
def heavy(make_settings):
    """A client of an API whose models have weights, too."""
    with restored_logging(), serving(make_settings, models=NAMES) as url, Client(url) as client:
        yield client


def test_a_model_shows_its_weights(heavy, client):
    assert heavy.model("heavy").weights.total_bytes == 8000
    assert client.model(MODEL).weights is None


def test_weights_are_prefetched(heavy, sessions):
    assert heavy.prefetch("heavy").weights.state == "absent"

    with sessions() as session:
        assert set(prefetch_requests.requested(session)) == {"heavy"}


def test_a_model_without_weights_cannot_be_prefetched(client):
    with pytest.raises(Conflict, match="no weights") as refusal:
        client.prefetch(MODEL)

    assert refusal.value.code == "model_without_weights"


@pytest.mark.parametrize(
    ("sent", "commercial"), [("conditional", "conditional"), (True, "yes"), (False, "no")]
)
def test_the_license_of_an_older_server_is_read_as_well(sent, commercial):
    license_ = ModelLicense.from_json({"name": "X", "commercial": sent, "accepted": True})

    assert (license_.commercial, license_.restrictions) == (commercial, None)
