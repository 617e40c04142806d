"""The OpenAPI document: FastAPI's own, with problem responses and one request body per model."""

import asyncio
import threading
from collections.abc import Collection
from datetime import timedelta
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route
from starlette.types import ASGIApp

from api.deferred_routes import DeferredRoutes
from api.errors.codes import explained_codes
from api.errors.problems import EVERYWHERE, MEDIA_TYPE, add_codes
from api.jobs.request_body import Envelope, Webhook
from api.middleware.path_prefix import PathPrefix
from api.middleware.request_id import RequestId
from api.request_schemas import REF_PREFIX, RequestSchemas
from jobs.errors import ErrorCode
from models.spec import Card

_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
_EXPOSED_HEADERS = (
    "Accept-Ranges", "Allow", "Content-Disposition", "Content-Range", "ETag",
    "Idempotency-Replayed", "Kinomill-Model", "Location", "OpenAI-Poll-After-Ms",
    "Preference-Applied", "Range", "RateLimit", "RateLimit-Policy", "Retry-After",
    "WWW-Authenticate", "X-Inference-Time-S", "X-Model", "X-Request-Id", "X-Should-Retry",
)  # fmt: skip
"""Response headers that a page of another origin may read, beside those of every response."""
_QUOTA_HEADERS = {
    "RateLimit-Policy": {
        "description": "The quotas of the account's requests: limit `q` in `w` seconds. Without "
        "quotas there is no such header.",
        "schema": {"type": "string"},
        "example": '"requests";q=60;w=60',
    },
    "RateLimit": {
        "description": "What is left of each quota: `r` requests until `t` seconds from now.",
        "schema": {"type": "string"},
        "example": '"requests";r=59;t=60',
    },
}
_WITH_QUOTAS = {"200", "201", "202", "429"}
_ENVELOPE = Envelope.model_json_schema()["properties"]


def _envelope(longest_ttl: timedelta) -> dict[str, Any]:
    """The properties of a submission besides its model and its input."""
    ttl = {
        "type": "integer",
        "minimum": 60,
        "maximum": int(longest_ttl.total_seconds()),
        "default": int(longest_ttl.total_seconds()),
        "description": _ENVELOPE["ttl_seconds"]["description"],
    }
    return {
        "labels": _untitled(_ENVELOPE["labels"]),
        "priority": _untitled(_ENVELOPE["priority"]),
        "ttl_seconds": ttl,
        "start_within_seconds": _untitled(_ENVELOPE["start_within_seconds"]),
        "webhook": {"$ref": f"{REF_PREFIX}{Webhook.__name__}"},
    }


def _untitled(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "title"}


class KinomillAPI(FastAPI):
    """FastAPI whose OpenAPI document describes problem responses and the body of each model."""

    cards: Collection[Card] = ()
    longest_ttl = timedelta(days=7)
    path_prefix = ""
    """What all paths begin with; see `PathPrefix`."""
    cors_origins: Collection[str] = ()
    """Origins of the web pages that may read responses."""
    _describing = threading.Lock()

    def build_middleware_stack(self) -> ASGIApp:
        """All middleware. An internal error has the headers of CORS and the id, too."""
        stack = super().build_middleware_stack()
        if self.path_prefix:
            stack = PathPrefix(stack, self.path_prefix)
        if self.cors_origins:
            stack = CORSMiddleware(
                stack,
                allow_origins=self.cors_origins,
                allow_methods=_METHODS,
                allow_headers=["*"],
                allow_private_network=True,
                expose_headers=_EXPOSED_HEADERS,
            )
        return RequestId(stack)

    def end_waits(self) -> None:
        """Answer all requests that wait for the end of a job now: the server stops."""
        self.state.context.job_changes.end_waits()

    def setup(self) -> None:
        """Add the route of the document, which is made in a thread: that takes half a second."""
        super().setup()
        [added] = self.routes
        respond = cast("Route", added).endpoint

        async def openapi(request: Request) -> Response:
            await asyncio.to_thread(self.openapi)
            return cast("Response", await respond(request))

        self.router.routes = [Route(str(self.openapi_url), openapi, include_in_schema=False)]

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        with self._describing:
            if self.openapi_schema is None:
                self._complete_routes()
                document = super().openapi()
                _fix_problem_responses(document)
                _describe_quotas(document)
                _name_bodies(document)
                _list_failure_codes(document, self.cards)
                requests = RequestSchemas(self.cards, _envelope(self.longest_ttl))
                document["components"]["schemas"] |= requests.components
                document["paths"]["/v1/jobs"]["post"]["requestBody"] = requests.request()
        return self.openapi_schema or {}

    def _complete_routes(self) -> None:
        for route in self.routes:
            if isinstance(route, DeferredRoutes):
                route.complete()


def _fix_problem_responses(document: dict[str, Any]) -> None:
    """FastAPI documents problems as application/json and adds 422s in a shape of its own."""
    for operations in document["paths"].values():
        for operation in operations.values():
            _fix_problem_response(operation["responses"])
            add_codes(operation["responses"], EVERYWHERE)
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)


def _describe_quotas(document: dict[str, Any]) -> None:
    """The headers of responses to submissions, which an account with quotas gets."""
    document["components"]["headers"] = _QUOTA_HEADERS
    references = {name: {"$ref": f"#/components/headers/{name}"} for name in _QUOTA_HEADERS}
    for operations in document["paths"].values():
        for operation in operations.values():
            responses = operation["responses"]
            if ErrorCode.SUBMISSIONS_PER_MINUTE in responses.get("429", {}).get("description", ""):
                for status in _WITH_QUOTAS & responses.keys():
                    responses[status]["headers"] = references


def _name_bodies(document: dict[str, Any]) -> None:
    """Make the titled objects in bodies components: generators write no class for inline ones."""
    schemas = document["components"]["schemas"]
    for operations in document["paths"].values():
        for operation in operations.values():
            body = operation.get("requestBody", {"content": {}})
            named = {
                kind: {"schema": schema}
                for kind, content in body["content"].items()
                if (schema := content.get("schema", {})).get("type") == "object"
                and "title" in schema
            }
            if named:
                for each in named.values():
                    title = each["schema"]["title"]
                    if schemas.setdefault(title, each["schema"]) != each["schema"]:
                        raise ValueError(f"two schemas are named {title}")
                references = {
                    kind: {"schema": {"$ref": REF_PREFIX + each["schema"]["title"]}}
                    for kind, each in named.items()
                }
                operation["requestBody"] = body | {"content": body["content"] | references}


def _list_failure_codes(document: dict[str, Any], cards: Collection[Card]) -> None:
    """Close the list of codes of failed jobs: it depends on the models of this server."""
    failure = document["components"]["schemas"]["JobFailure"]
    failure["properties"]["code"]["enum"] = [each.code for each in explained_codes(cards)]


def _fix_problem_response(responses: dict[str, Any]) -> None:
    for status, response in list(responses.items()):
        content = response.get("content", {})
        reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
        if reference.endswith("/HTTPValidationError"):
            del responses[status]
        elif reference.endswith(("/ProblemResponse", "/RowsProblem")):
            content[MEDIA_TYPE] = content.pop("application/json")
