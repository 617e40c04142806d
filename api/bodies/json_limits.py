"""Limits on JSON, counted on its raw bytes as they arrive, before any object is built from them.

A parser holds the interpreter's lock for as long as the body is long: 60,000 zeros at depth 800
took 3.3 s and 435 MB. What passes here is parsed in milliseconds.
"""

from __future__ import annotations

import json
import re
import secrets
from typing import Final, NoReturn

from api.errors.validation import json_pointer
from jobs.errors import ErrorCode, FieldError, RequestError

MAX_DEPTH: Final = 32
"""Objects and arrays within each other."""
MAX_ELEMENTS: Final = 20_000
"""Items of arrays and members of objects, all together."""
MAX_MEMBERS: Final = 256
"""Members of one object. Each unknown one is an error, which takes 10 µs to describe."""
MAX_STRING_BYTES: Final = 1_000_000
"""Longest string, as written in the body. A data URI may be longer."""
MAX_NUMBER_BYTES: Final = 20_000
"""Longest run of bytes between brackets, commas and strings that is not white space."""
MAX_TEXT_BYTES: Final = 2_000_000
"""A whole body without its data URIs."""
SLICE_BYTES: Final = 8_192
"""What is scanned in one go takes at most 5 ms."""
DATA_URI_BYTES: Final = 65_536
"""A longer data URI is decoded as it arrives instead of being kept as text."""
_MAX_TOKENS: Final = 6 * MAX_ELEMENTS
"""Brackets, commas and strings: an element has at most five. More are not JSON."""

_TOKEN: Final = re.compile(rb'["\[\]{},]')
_REST_OF_STRING: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_QUOTE, _BACKSLASH, _COMMA = b'"\\,'


class _Level:
    """An object or array that is open, and where in it the scan is."""

    def __init__(self, *, is_object: bool) -> None:
        self.is_object = is_object
        self.index = 0
        self.key = b""
        """The latest name of an object, as written."""
        self.awaits_key = is_object


class JsonScanner:
    """Counts depth, elements and lengths of JSON that is fed to it in pieces.

    It finds no other faults: the parser does. `text` is the JSON so far. With `streams`, each data
    URI over `DATA_URI_BYTES` is replaced in it by a placeholder that no client can guess, and its
    bytes are in `take_data`.
    """

    def __init__(self, *path: str, streams: bool = False) -> None:
        """`path` leads to the JSON in the request; errors begin with it."""
        self.text = bytearray()
        self._path = path
        self._streams = streams
        self._levels: list[_Level] = []
        self._elements = 0
        self._tokens = 0
        self._cursor = 0
        self._last_token = -1
        self._opened_last = False
        self._string_at: int | None = None
        """Where the string that is not complete yet begins in the text, after its quote."""
        self._placeholder = ""
        """Of the data URI that is not complete yet; empty outside one."""
        self._held_back = b""
        self._data: list[tuple[str, bytes]] = []

    def feed(self, piece: bytes) -> None:
        """Count the next bytes. Raises `RequestError` at the first limit that they exceed."""
        if self._placeholder:
            piece = self._feed_data_uri(piece)
        self.text += piece
        while self._cursor < len(self.text) and self._scan_next():
            pass
        if len(self.text) > MAX_TEXT_BYTES:
            detail = (
                f"The JSON has more than {MAX_TEXT_BYTES:,} bytes besides its data URIs. Send less "
                "text."
            )
            raise RequestError(ErrorCode.BODY_TOO_LARGE, detail)

    def take_data(self) -> list[tuple[str, bytes]]:
        """Parts of data URIs since the last call, each with its placeholder; escapes are kept."""
        taken, self._data = self._data, []
        return taken

    def _scan_next(self) -> bool:
        """Move the cursor; returns whether there may be more to find."""
        if self._string_at is not None:
            return self._scan_string(self._string_at)
        found = _TOKEN.search(self.text, self._cursor)
        end = len(self.text) if found is None else found.start()
        if end - self._last_token > MAX_NUMBER_BYTES:
            self._check_gap(end)
        if found is None:
            self._cursor = end
            return False
        self._cursor = end + 1
        self._count(self.text[end], end)
        return True

    def _check_gap(self, end: int) -> None:
        """Refuse a number whose conversion would take long: one of 100,000 digits, for example."""
        word = self.text[end - MAX_NUMBER_BYTES : end]
        if word.split() == [word]:
            message = f"is no JSON: a number or word has more than {MAX_NUMBER_BYTES:,} bytes"
            raise self._refusal(ErrorCode.INVALID_JSON, message)

    def _count(self, token: int, position: int) -> None:
        """Count a bracket, a comma or the begin of a string."""
        self._tokens += 1
        if token == _QUOTE:
            self._string_at = position + 1
        elif token in b"[{":
            self._elements += 1
            self._levels.append(_Level(is_object=token == 0x7B))
        elif token in b"]}":
            self._close(position)
        else:
            self._elements += 1
            self._next_in_level()
        self._opened_last = token in b"[{"
        self._last_token = position
        if len(self._levels) > MAX_DEPTH:
            message = f"is nested too deeply: at most {MAX_DEPTH} objects and arrays are allowed"
            raise self._refusal(ErrorCode.INVALID_JSON, message)
        if self._elements > MAX_ELEMENTS or self._tokens > _MAX_TOKENS:
            message = f"comes after {MAX_ELEMENTS:,} elements, which is the limit: send fewer"
            raise self._refusal(ErrorCode.INVALID_INPUT, message)

    def _close(self, position: int) -> None:
        if self._opened_last and not self.text[self._last_token + 1 : position].strip():
            self._elements -= 1  # it was empty
        if self._levels:
            self._levels.pop()

    def _next_in_level(self) -> None:
        if self._levels:
            level = self._levels[-1]
            level.index += 1
            level.awaits_key = level.is_object
            if level.is_object and level.index >= MAX_MEMBERS:
                self._levels.pop()  # the error is of the whole object
                message = f"has more than {MAX_MEMBERS} members, the limit of an object"
                raise self._refusal(ErrorCode.INVALID_INPUT, message)

    def _scan_string(self, begin: int) -> bool:
        """Find the end of the string that begins here; a long data URI leaves the text."""
        found = _REST_OF_STRING.match(self.text, self._cursor)
        end = self._cursor if found is None else found.end()
        length = end - begin
        if self._streams and length > DATA_URI_BYTES and self.text.startswith(b"data:", begin):
            self._begin_data_uri(begin)
            return True
        if length > MAX_STRING_BYTES:
            self._refuse_string()
        self._cursor = end
        if end == len(self.text) or self.text[end] == _BACKSLASH:
            return False  # the rest has not arrived yet
        self._cursor = end + 1
        self._end_string(bytes(self.text[begin:end]) if self._awaits_key else b"")
        return True

    @property
    def _awaits_key(self) -> bool:
        return bool(self._levels) and self._levels[-1].awaits_key

    def _end_string(self, content: bytes) -> None:
        if self._awaits_key:
            self._levels[-1].key = content
            self._levels[-1].awaits_key = False
        self._last_token = self._cursor - 1
        self._string_at = None

    def _begin_data_uri(self, begin: int) -> None:
        rest = bytes(self.text[begin:])
        del self.text[begin:]
        self._placeholder = f"data:{secrets.token_hex(16)}"
        self.text += self._feed_data_uri(rest)
        self._cursor = min(self._cursor, len(self.text))

    def _feed_data_uri(self, piece: bytes) -> bytes:
        """Keep what belongs to the data URI; returns the text after it."""
        piece, self._held_back = self._held_back + piece, b""
        found = _REST_OF_STRING.match(piece)
        end = 0 if found is None else found.end()
        self._data.append((self._placeholder, piece[:end]))
        if end == len(piece) or piece[end] == _BACKSLASH:
            self._held_back = piece[end:]
            return b""
        self.text += self._placeholder.encode() + b'"'
        self._cursor = len(self.text)
        self._end_string(self._placeholder.encode())
        self._placeholder = ""
        return piece[end + 1 :]

    def _refuse_string(self) -> NoReturn:
        message = f"is longer than {MAX_STRING_BYTES:,} bytes: send less text, or a file by URL"
        raise self._refusal(ErrorCode.INVALID_INPUT, message)

    def _refusal(self, code: ErrorCode, message: str) -> RequestError:
        pointer = json_pointer(*self._path, *map(_name, self._levels[:MAX_DEPTH]))
        error = FieldError(pointer, message)
        return RequestError(code, f"{pointer or 'The body'} {message}.", errors=(error,))


def _name(level: _Level) -> str:
    """The part of a JSON pointer for what comes next in this level."""
    if not level.is_object:
        return str(level.index)
    try:
        return ascii(json.loads(b'"' + level.key[:400] + b'"'))[1:-1]
    except ValueError:
        return ascii(level.key.decode(errors="replace"))[1:-1]


def check_limits(text: bytes, *path: str) -> None:
    """Check JSON that is here already, in slices: others get a turn. Raises `RequestError`."""
    scanner = JsonScanner(*path)
    for at in range(0, len(text), SLICE_BYTES):
        scanner.feed(text[at : at + SLICE_BYTES])
