"""What can be asked for."""

from __future__ import annotations

from models import catalog
from tests.api.build import MODEL, problem


def test_all_models_are_listed_with_their_terms(client):
    items = client.get("/v1/models").json()["items"]

    assert [item["name"] for item in items] == list(catalog.CARDS)
    assert items[0]["license"] == {
        "name": "Apache-2.0",
        "commercial": True,
        "url": None,
        "accepted": True,
    }


def test_a_model_shows_the_schema_of_its_input(client):
    model = client.get(f"/v1/models/{MODEL}").json()

    assert model["input_schema"]["properties"]["fps"]["maximum"] == 60
    assert model["input_schema"]["additionalProperties"] is False
    assert model["example"]["audio"]


def test_an_unknown_model_is_a_404_with_those_known(client):
    assert MODEL in problem(client.get("/v1/models/sora"), 404, "unknown_model")["detail"]
