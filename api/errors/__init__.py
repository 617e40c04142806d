"""Errors as `application/problem+json` (RFC 9457): statuses, handlers, and the page of codes."""
