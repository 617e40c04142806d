"""What can be asked for: the models and the schema of each one's input."""

from fastapi import APIRouter

from api.deps import HolderDep, ShopDep
from api.errors import problem_responses
from api.schemas import ModelAnswer, ModelList

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("", responses=problem_responses(401, 503))
def list_models(_: HolderDep, shop: ShopDep) -> ModelList:
    """List the models of this server."""
    cards = shop.offer.cards.values()
    return ModelList(items=[ModelAnswer.of(card, shop.offer) for card in cards])


@router.get("/{name}", responses=problem_responses(401, 404, 503))
def get_model(name: str, _: HolderDep, shop: ShopDep) -> ModelAnswer:
    """One model: its license, and the JSON Schema of its input."""
    return ModelAnswer.of(shop.offer.shown(name), shop.offer)
