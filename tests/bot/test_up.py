"""What `polydesk up` asks of the gateway that it has started."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bot.commands.up import doors, has_screen, missing
from bot.settings import Settings


class Gateway(BaseHTTPRequestHandler):
    """Answers as the gateway does while the worker for photos is not there yet."""

    def do_GET(self) -> None:
        ready = self.path != "/readyz"
        self.send_response(200 if ready else 503)
        self.end_headers()
        plain = {"doors": {"web": "open"}} if ready else {"missing": ["no worker on the queue media"]}
        self.wfile.write(json.dumps(plain).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_the_gateway_is_asked_past_a_proxy_for_the_world_outside(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a proxy that is not there, for everything
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    settings = Settings(port=port)
    # Then the gateway is reached all the same
    assert missing(settings) == ["no worker on the queue media"]
    assert doors(settings) == {"web": "open"}


def test_nobody_answers_yet() -> None:
    assert missing(Settings(port=9)) == ["the gateway does not answer yet"]


@pytest.mark.parametrize(
    ("platform", "environ", "there"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": "", "TERM": "xterm"}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("darwin", {}, True),
    ],
)
def test_a_browser_is_opened_only_where_it_can_be_seen(platform: str, environ: dict[str, str], there: bool) -> None:
    assert has_screen(platform, environ) is there
