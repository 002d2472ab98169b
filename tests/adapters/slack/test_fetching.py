"""Files fetched from the fake Slack, and what stands in their way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from yarl import URL

from adapters.slack.client import Client
from adapters.slack.downloads import Downloads
from adapters.slack.files import LARGEST_FILE
from core.errors import PolydeskError, Retry, Throttled, Unreadable
from core.media import sniff
from core.values import Attachment, AttachmentKind, Problem
from tests.adapters.slack.stage import by_sockets, connected
from tests.adapters.stage import Ear, picture
from tests.fakes.slack import Customer, FakeSlack

CLIP = bytes.fromhex("0000001c667479706d703432000000006d70343269736f6d4d344120") + b"...."


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as platform:
        yield platform


@pytest.fixture
def ada(slack: FakeSlack) -> Customer:
    return slack.customer()


async def attachments(slack: FakeSlack, ear: Ear) -> tuple[Attachment, ...]:
    await slack.settled()
    return ear.heard[-1].attachments


async def test_a_photo_arrives_as_it_was_sent(slack: FakeSlack, ada: Customer) -> None:
    ear = Ear()
    async with connected(slack, ear) as adapter:
        await ada.shares_photo(picture(), name="mein Zelt (neu) & übel?.jpg")
        (part,) = await attachments(slack, ear)
        assert part.kind is AttachmentKind.PHOTO and part.size == len(picture())
        assert await adapter.fetch(part) == picture()


async def test_a_clip_mislabelled_as_a_video_is_a_voice_note(slack: FakeSlack, ada: Customer) -> None:
    ear = Ear()
    async with connected(slack, ear) as adapter:
        await ada.shares_clip(CLIP, mime="video/mp4")
        (part,) = await attachments(slack, ear)
        assert (part.kind, part.problem) == (AttachmentKind.VOICE, None)
        assert sniff(await adapter.fetch(part)).kind is AttachmentKind.VOICE


async def test_a_login_page_instead_of_the_file_is_recognised(
    slack: FakeSlack, ada: Customer, capsys: pytest.CaptureFixture[str]
) -> None:
    ear = Ear()
    slack.workspace.scopes.discard("files:read")
    async with connected(slack, ear) as adapter:
        await ada.shares_photo(picture())
        (part,) = await attachments(slack, ear)
        with pytest.raises(Unreadable) as caught:
            await adapter.fetch(part)
    assert caught.value.problem is Problem.NO_PERMISSION
    written = "".join(capsys.readouterr())
    assert "slack.no_permission" in written and "files:read" in written


async def test_files_of_slack_connect_are_asked_about_first(slack: FakeSlack) -> None:
    ear, guest, channel = Ear(), slack.customer("Eve", team="T0CONTOSO00"), slack.channel()
    async with connected(slack, ear) as adapter:
        await guest.shares_photo(picture(), "look", connect=True, channel=channel)
        (part,) = await attachments(slack, ear)
        assert (part.kind, part.problem) == (AttachmentKind.PHOTO, None)
        assert await adapter.fetch(part) == picture()
        assert ear.heard[-1].author.id == f"T0CONTOSO00:{guest.id}"
        slack.workspace.scopes.discard("files:read")
        with pytest.raises(Unreadable) as caught:
            await adapter.fetch(part)
        assert caught.value.problem is Problem.NO_PERMISSION


@pytest.mark.parametrize(
    ("name", "mime", "size", "problem"),
    [
        ("tent.mov", "video/quicktime", 4, Problem.VIDEO),
        ("IMG_1.HEIC", "image/heic", 4, Problem.FORMAT),
        ("bill.pdf", "application/pdf", 4, Problem.DOCUMENT),
        ("big.jpg", "image/jpeg", LARGEST_FILE + 1, Problem.TOO_LARGE),
    ],
)
async def test_what_a_file_of_slack_connect_turns_out_to_be(
    slack: FakeSlack, name: str, mime: str, size: int, problem: Problem
) -> None:
    person = slack.customer().person
    file = slack.world.add_file(person, name, mime, b"....", size=size)
    async with connected(slack, Ear()) as adapter:
        with pytest.raises(Unreadable) as caught:
            await adapter.fetch(Attachment(AttachmentKind.PHOTO, ref=file.id))
    assert caught.value.problem is problem
    assert slack.calls_of("download") == []


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        ("file_not_found", Problem.NOT_DELIVERED),
        ("file_deleted", Problem.NOT_DELIVERED),
        ("not_visible", Problem.NO_PERMISSION),
        ("missing_scope", Problem.NO_PERMISSION),
    ],
)
async def test_slack_does_not_tell_about_a_file(slack: FakeSlack, error: str, problem: Problem) -> None:
    async with connected(slack, Ear()) as adapter:
        slack.fail_next("files.info", error)
        with pytest.raises(Unreadable) as caught:
            await adapter.fetch(Attachment(AttachmentKind.PHOTO, ref="F0FILE"))
    assert caught.value.problem is problem


async def test_size_is_counted_whatever_slack_says(slack: FakeSlack, ada: Customer) -> None:
    ear = Ear()
    async with connected(slack, ear) as adapter:
        await ada.shares_photo(bytes(LARGEST_FILE + 1), size=5)
        (part,) = await attachments(slack, ear)
        with pytest.raises(Unreadable) as caught:
            await adapter.fetch(part)
        assert caught.value.problem is Problem.TOO_LARGE
        await ada.shares_photo(b"")
        (part,) = await attachments(slack, ear)
        with pytest.raises(Unreadable) as caught:
            await adapter.fetch(part)
        assert caught.value.problem is Problem.EMPTY


async def test_trouble_on_the_way_is_worth_another_try(slack: FakeSlack, ada: Customer) -> None:
    ear = Ear()
    async with connected(slack, ear) as adapter:
        await ada.shares_photo(picture())
        (part,) = await attachments(slack, ear)
        for status, kind in ((500, Retry), (503, Retry), (429, Throttled)):
            slack.fail_next("download", status=status)
            with pytest.raises(kind):
                await adapter.fetch(part)
        slack.drop_next("download", after_effect=False, times=2)  # the HTTP client makes one try more by itself
        with pytest.raises(Retry):
            await adapter.fetch(part)
        for status, problem in ((404, Problem.NOT_DELIVERED), (403, Problem.NO_PERMISSION)):
            slack.fail_next("download", status=status)
            with pytest.raises(Unreadable) as caught:
                await adapter.fetch(part)
            assert caught.value.problem is problem
        assert await adapter.fetch(part) == picture()


async def test_a_closed_adapter_asks_to_wait(slack: FakeSlack) -> None:
    with pytest.raises(Retry):
        await by_sockets(slack).fetch(Attachment(AttachmentKind.PHOTO, ref="F0FILE"))


# The token goes nowhere else

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def _server(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _fetch(api: str, ref: str) -> bytes | PolydeskError:
    client = Client("xoxb-secret", f"{api}/api/")
    try:
        return await Downloads(client).fetch(ref)
    except PolydeskError as problem:
        return problem
    finally:
        await client.close()


async def test_the_token_does_not_follow_a_redirect_to_a_stranger() -> None:
    strangers: list[web.Request] = []

    async def stranger(request: web.Request) -> web.Response:
        strangers.append(request)
        return web.Response(body=b"\xff\xd8 a photo")

    async with _server(stranger) as far:

        async def near(request: web.Request) -> web.Response:
            raise web.HTTPFound(f"{far}/elsewhere.jpg")

        async with _server(near) as slack:
            problem = await _fetch(slack, f"{slack}/files-pri/photo.jpg")
    assert isinstance(problem, Unreadable) and problem.problem is Problem.NOT_DELIVERED
    assert strangers == []


async def test_redirects_within_slack_are_followed() -> None:
    tokens: list[str] = []

    async def near(request: web.Request) -> web.Response:
        tokens.append(request.headers.get("Authorization", ""))
        if request.path.startswith("/step"):
            raise web.HTTPFound("/photo.jpg")
        if request.path == "/circle":
            raise web.HTTPFound("/circle")
        if request.path == "/lost":
            return web.Response(status=302)
        return web.Response(body=b"\xff\xd8 a photo")

    async with _server(near) as slack:
        assert await _fetch(slack, f"{slack}/step") == b"\xff\xd8 a photo"
        assert tokens == ["Bearer xoxb-secret"] * 2
        for path in ("circle", "lost"):
            problem = await _fetch(slack, f"{slack}/{path}")
            assert isinstance(problem, Unreadable) and problem.problem is Problem.NOT_DELIVERED


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("https://files.slack.com/files-pri/T-F/x.jpg", True),
        ("https://slack.com/x", True),
        ("https://files.slack-gov.com/x", True),
        ("https://files.slack.com:443/x", True),
        ("http://127.0.0.1:8080/files-pri/x", True),
        ("http://files.slack.com/x", False),
        ("https://files.slack.com:8443/x", False),
        ("https://slack.com.evil.example/x", False),
        ("https://evilslack.com/x", False),
        ("https://files.slack.com@evil.example/x", False),
        ("https://evil.example\\@files.slack.com/x", False),
        ("https://evil.example#@files.slack.com/x", False),
        ("http://127.0.0.1:8081/x", False),
        ("https://127.0.0.1:8080/x", False),
        ("http://169.254.169.254/latest/meta-data", False),
        ("file:///etc/passwd", False),
        ("//files.slack.com/x", False),
        ("/x", False),
        ("", False),
    ],
)
async def test_whom_the_token_is_shown(address: str, trusted: bool) -> None:
    client = Client("xoxb-secret", "http://127.0.0.1:8080/api/")
    try:
        goal = URL(address)
    except ValueError:
        assert not trusted
    else:
        assert Downloads(client)._trusted(goal) is trusted
    finally:
        await client.close()


@pytest.mark.parametrize("ref", ["http://", "https://[", "x://y", "http://169.254.169.254/", "https://evil.example/a"])
async def test_addresses_that_are_not_slacks_are_not_asked(ref: str) -> None:
    problem = await _fetch("http://127.0.0.1:9", ref)
    assert isinstance(problem, Unreadable) and problem.problem is Problem.NOT_DELIVERED


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><html>", b"  \n<HTML lang='en'>"])
async def test_a_page_under_the_name_of_a_picture_is_a_page(page: bytes) -> None:
    async def login(request: web.Request) -> web.Response:
        return web.Response(body=page, content_type="image/jpeg")

    async with _server(login) as slack:
        problem = await _fetch(slack, f"{slack}/photo.jpg")
    assert isinstance(problem, Unreadable) and problem.problem is Problem.NO_PERMISSION


async def test_a_file_without_a_stated_length_ends_at_the_limit() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            for _ in range(100):
                await response.write(bytes(1024 * 1024))
        except ConnectionError:
            pass
        return response

    async with _server(endless) as slack:
        problem = await _fetch(slack, f"{slack}/photo.jpg")
    assert isinstance(problem, Unreadable) and problem.problem is Problem.TOO_LARGE
