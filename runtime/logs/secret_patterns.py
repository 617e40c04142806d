"""What looks like a secret or a signed link, in any text that a library may write.

A pattern hides too much rather than too little: a log names what failed, not with which key.
"""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = "***"
_KEY: Final = re.compile(
    r"\b(?:km|hf|whsec|sk|ghp)(?:_|%5[fF])[A-Za-z0-9+/=_%-]{6,}"  # keys of ours and of others
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}"  # ids of AWS
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # JSON Web Tokens
    r"|\b(?i:bearer|basic)(?: +|%20)[^\s\"',]+"
    r"|data:\S+"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*-----|\Z)"
)
_WORD: Final = r"(?:passw(?:or)?d|(?<![a-z])pwd|passphrase|passcode|secret(?!s))"
_NAME: Final = (
    rf"(?:{_WORD}(?:[_-]?(?:access[_-]?)?key)?|token(?!s)"
    r"|(?:api|access|private|signing|encryption|account)[_-]?key(?!s)(?:[_-]?id)?"
    r"|signature|credentials?|(?<![a-z])sig)"
)
"""Ends of the names of values that are secret, in any case."""
_SECRET_NAME: Final = re.compile(
    rf"(?i)[\w.-]*?{_NAME}|(?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]*auth"
)
_QUOTE: Final = r"\\*[\"']"
_VALUE: Final = (
    r"(?:\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?|\\+[\"'](?:[^\\\n]|\\++(?![\"']))*"
    r"|[^\s\"'&;,)}\]]+)"
)
_NAMED: Final = re.compile(
    # name=value, name="value"; "name": "value" of JSON, of a dict or of a pair; `token: 3f2a…`
    rf"(?i)(?=[acepst])(?:({_NAME}(?:{_QUOTE})?\s*(?:=|%3d)\s*|{_NAME}{_QUOTE}\s*[:,]\s*b?(?=\\*[\"']))"
    rf"{_VALUE}|({_NAME}\s*:\s*)[\w.~+/=%-]{{16,}}|({_WORD}\s*:\s*){_VALUE})"
)
_HEADER: Final = re.compile(
    rf"(?i)(\b(?:proxy-)?authorization|\b(?:set-)?cookie|\bx-[\w-]{{0,40}}(?:key|auth))"
    rf"((?:{_QUOTE})?\s*[:=,]\s*b?(?:{_QUOTE})?)[^\r\n\"'\\]+"
)
_ADDRESS: Final = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,30}:/{2})([^\s/?#\"'<>]*)([^\s\"'<>]*)")
"""Scheme, host and the rest of a link: its path or query may be what signs it."""
_HOST: Final = re.compile(r"(?:\[[^\]@]*\]|[^:@\[\]]+)(?::\d*)?")
_ENCODED: Final = re.compile(r"(?i)\b[a-z][a-z0-9+.-]{0,30}%3a(?:%2f){2}[^\s\"'&]*")
"""A link in the query of another one."""
_QUERY: Final = re.compile(r"(?<=[\w/.~-])\?[\w.%~-]+=[^\s\"'<>]*")
"""The query of a link without a host, whatever the names of its parameters."""
_IN_STORE: Final = re.compile(r"(?:gs|s3|file)://[^\s?#\"'@]+")
_QUOTED_ROW: Final = re.compile(r"(DETAIL|CONTEXT):  .*?(?=\n\[SQL|\n\n|\Z)", re.DOTALL)
"""Where PostgreSQL quotes a row or a value."""
MARKS: Final = (
    *("km_", "hf_", "whsec_", "sk_", "ghp_", "akia", "asia", "eyj", "bearer", "basic", "data:"),
    *("://", ":  ", "%", "?", "pass", "pwd", "secret", "token", "key", "sig", "credential"),
    *("auth", "cookie"),
)
"""One of them is in every text, in lower case, of which one of the patterns replaces a part."""


def names_secret(name: str) -> bool:
    """Whether a value of this name is secret, as in the headers of a request."""
    return _SECRET_NAME.fullmatch(name) is not None


def hide_secrets(text: str) -> str:
    """The text without what looks like a secret, and with no more than the hosts of its links."""
    lowered = text.lower()
    if not any(mark in lowered for mark in MARKS):
        return text
    text = _KEY.sub(HIDDEN, text)
    if "://" in text:
        text = _ADDRESS.sub(_without_path, text)
    if "%" in text:
        text = _ENCODED.sub("…", text)
    text = _HEADER.sub(rf"\1\2{HIDDEN}", text)
    text = _NAMED.sub(_without_value, text)
    if "?" in text:
        text = _QUERY.sub("?…", text)
    return _QUOTED_ROW.sub(r"\1: …", text) if ":  " in text else text


def _without_value(found: re.Match[str]) -> str:
    return f"{found[1] or found[2] or found[3]}{HIDDEN}"


def _without_path(found: re.Match[str]) -> str:
    """Scheme and host; the whole address of an object in a store, which is no secret."""
    whole, scheme, authority, rest = found[0], found[1], found[2], found[3]
    if _IN_STORE.fullmatch(whole):
        return whole
    _, at, host = authority.rpartition("@")
    in_password = not at and "@" in rest and ":" in authority  # of a URL that was not encoded
    if in_password or not _HOST.fullmatch(host):
        return f"{scheme}…"
    return f"{scheme}{host}/…"
