"""What can be asked for: the models, the schema of each one's input, where its weights are."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy.orm import Session

from api.deps import AdminDep, HolderDep, SessionDep, ShopDep
from api.errors.problems import problem_responses
from api.fleet import status
from api.models import weights_status
from api.models.registry import Offer
from api.responses import ModelAnswer, ModelList, ModelSummary
from jobs.fleet import prefetch_requests
from models.spec import Card

router = APIRouter(prefix="/v1/models", tags=["models"])

Name = Annotated[str, Path(description="As in the list.", examples=["preview-lipsync"])]


@router.get("", responses=problem_responses(401, 503))
def list_models(_: HolderDep, session: SessionDep, shop: ShopDep) -> ModelList:
    """List the models of this server."""
    stocks = status.stocks(session)
    items = [
        ModelSummary.of(card, shop.offer, weights_status.brief(card, stocks.get(card.name, {})))
        for card in shop.offer.cards.values()
    ]
    return ModelList(items=items)


@router.get("/{name}", responses=problem_responses(401, 404, 503))
def get_model(name: Name, _: HolderDep, session: SessionDep, shop: ShopDep) -> ModelAnswer:
    """One model: its license, the JSON Schema of its input, and its weights over the fleet."""
    return _shown(shop.offer.shown(name), shop.offer, session)


@router.post(
    "/{name}/prefetch",
    status_code=HTTPStatus.ACCEPTED,
    responses=problem_responses(401, 403, 404, 409, 503),
)
def prefetch_weights(name: Name, _: AdminDep, session: SessionDep, shop: ShopDep) -> ModelAnswer:
    """Have the weights come to each worker of this model before its first job asks for them."""
    card = shop.offer.with_weights(name)
    prefetch_requests.request(session, card.name)
    return _shown(card, shop.offer, session)


def _shown(card: Card, offer: Offer, session: Session) -> ModelAnswer:
    stocks = status.stocks(session).get(card.name, {})
    return ModelAnswer.of(card, offer, weights_status.full(card, stocks))
