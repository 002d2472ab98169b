"""Requests that no browser sends: odd paths, methods, headers, forms, files."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any
from urllib.parse import urlencode

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.fuzz import scraps
from tests.fuzz.asking import Ask, Headers

texts = st.sampled_from(scraps.TEXTS) | st.text(max_size=40)


@st.composite
def asks(draw: Any, routes: Sequence[str], methods: Sequence[bytes] = scraps.METHODS) -> Ask:
    """Any request to anything that is there, or nearly."""
    target = draw(_targets(routes))
    method = draw(
        st.sampled_from((*methods, b"GET", b"POST", b"POST")) if len(methods) > 2 else st.sampled_from(methods)
    )
    headers, body = draw(bodies()) if method not in (b"GET", b"HEAD") else ((), b"")
    odd = draw(st.lists(st.sampled_from(sorted(scraps.HEADERS)), max_size=4, unique=True))
    headers = (*headers, *((name, draw(st.sampled_from(scraps.HEADERS[name]))) for name in odd))
    length = draw(st.sampled_from((None,) * 12 + ("", "-1", "x", "9" * 30, "0", "1", "999999999", "5" * 12)))
    chunked = b"Transfer-Encoding" in odd  # which the body is not, so the server would wait for its end
    return Ask(method, target, headers, body, length=length, cut=chunked or length is not None)


@st.composite
def _targets(draw: Any, routes: Sequence[str]) -> bytes:
    path = draw(st.sampled_from(routes)).encode()
    match draw(st.integers(0, 5)):
        case 0:
            parts = path.split(b"/")
            parts[draw(st.integers(1, len(parts) - 1))] = draw(st.sampled_from(scraps.SEGMENTS))
            path = b"/".join(parts)
        case 1:
            path += b"/" + b"/".join(draw(st.lists(st.sampled_from(scraps.SEGMENTS), max_size=4)))
        case 2:
            path = b"/" + b"/".join(draw(st.lists(st.sampled_from(scraps.SEGMENTS), max_size=5)))
        case 3:
            path = re.sub(rb"\{\w+\}", lambda _: draw(st.sampled_from(scraps.SEGMENTS)), path)
        case 4:
            path = draw(st.sampled_from((path, b"http://evil.test" + path, b"*", path[1:], b"/" + path)))
    queries = draw(st.lists(st.sampled_from(scraps.QUERIES), max_size=2))
    return path + (b"?" + b"&".join(queries) if queries else b"")


@st.composite
def bodies(draw: Any, fields: Sequence[str] = ()) -> tuple[Headers, bytes]:
    """A Content-Type and a body, which fit each other or do not."""
    names = st.sampled_from(tuple(fields)) if fields else st.sampled_from(("text", "name", "file", "client_id")) | texts
    match draw(st.integers(0, 5)):
        case 0:
            kind, body = b"application/json", json.dumps(draw(_json)).encode()
        case 1 | 2:
            pairs = draw(st.lists(st.tuples(names, texts), max_size=8))
            kind, body = b"application/x-www-form-urlencoded", urlencode(pairs, errors="surrogatepass").encode()
        case 3 | 4:
            kind = b"multipart/form-data; boundary=B"
            body = reduce(add, draw(st.lists(_parts(names), max_size=5)), b"") + draw(st.sampled_from(scraps.ENDS))
        case _:
            kind, body = draw(st.sampled_from(scraps.KINDS)), draw(_bytes)
    if draw(st.integers(0, 9)) == 0:
        kind = draw(st.sampled_from(scraps.KINDS))
    return ((b"Content-Type", kind),), body


@st.composite
def _parts(draw: Any, names: SearchStrategy[str]) -> bytes:
    """A part of a form, mostly well made."""
    name = draw(names).encode("utf-8", "surrogatepass").replace(b"\r\n", b"")
    said = b'Content-Disposition: form-data; name="' + name + b'"'
    content = draw(st.sampled_from(scraps.FILES) | texts.map(lambda text: text.encode("utf-8", "surrogatepass")))
    if draw(st.booleans()):
        said += b'; filename="' + draw(st.sampled_from(scraps.FILENAMES)) + b'"'
        said += b"\r\nContent-Type: " + draw(st.sampled_from((b"image/jpeg", b"text/csv", b"\xff", b"text/html", b"")))
    if draw(st.integers(0, 7)) == 0:
        said = draw(st.sampled_from(scraps.PARTS))
    return b"--B\r\n" + said + b"\r\n\r\n" + content + b"\r\n"


_bytes = st.binary(max_size=60) | st.sampled_from(scraps.BODIES)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def twisted(draw: Any, payloads: Sequence[Any]) -> Any:
    """A payload of a platform of which up to three places hold something else, or are missing."""
    payload = draw(st.sampled_from(payloads))
    for _ in range(draw(st.integers(0, 3))):
        payload = _twist(draw, payload)
    return payload


def _twist(draw: Any, value: Any) -> Any:
    """The value with one place in it changed, nothing else copied."""
    inside = isinstance(value, dict | list) and len(value) > 0
    if not inside or draw(st.integers(0, 6)) == 0:
        return draw(_json | st.sampled_from(scraps.VALUES))
    key = draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
    if isinstance(value, list):
        return [_twist(draw, one) if place == key else one for place, one in enumerate(value)]
    if draw(st.integers(0, 6)) == 0:
        return {name: one for name, one in value.items() if name != key}
    return {name: _twist(draw, one) if name == key else one for name, one in value.items()}
