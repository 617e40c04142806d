"""Where the owner of a job wants to be told of its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from api.errors.validation import rejected_media
from storage.sniffing.media import MediaRejected
from storage.web.url_policy import check_url

if TYPE_CHECKING:
    from storage.web.url_policy import UrlPolicy


class Webhook(BaseModel):
    """An address that is told once the job has ended (see Standard Webhooks)."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: str = Field(
        description="A public https address; redirects are not followed.",
        examples=["https://example.com/kinomill"],
    )


def checked_url(webhook: Webhook | None, policy: UrlPolicy) -> str | None:
    """The address, if there is one. Raises a `RequestError` unless it may be called."""
    if webhook is None:
        return None
    try:
        check_url(webhook.url, policy)
    except MediaRejected as error:
        raise rejected_media(error, "/webhook/url", "webhook") from error
    return webhook.url
