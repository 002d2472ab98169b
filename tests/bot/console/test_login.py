"""Who gets in, and what may follow."""

from __future__ import annotations

import pytest

from bot.wiring import House
from tests.bot.console.stage import ADMIN, AGENT, PASSWORD, Visit

PAGES = ("/console/", "/console/desk", "/console/knowledge", "/console/people", "/console/me", "/console/live")
ADMIN_ONLY = (
    "/console/knowledge",
    "/console/knowledge/new",
    "/console/knowledge/entry/track-order",
    "/console/knowledge/releases",
    "/console/knowledge/files",
    "/console/knowledge/export.zip",
    "/console/knowledge/export.csv",
    "/console/people",
)


async def test_the_right_password_opens_the_desk(stranger: Visit) -> None:
    answer = await stranger.log_in(ADMIN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and "path=/console" in cookie
    assert (await stranger.get("/console/desk")).status_code == 200


async def test_a_wrong_password_says_no_more_for_a_name_that_exists(stranger: Visit) -> None:
    for name in (ADMIN, "nobody", " ", "' or 1=1 --"):
        answer = await stranger.log_in(name, "wrong")
        assert answer.status_code == 401
        assert "Name or password is wrong" in answer.text
        assert "set-cookie" not in answer.headers


async def test_too_many_tries_have_to_wait_even_with_the_right_password(stranger: Visit) -> None:
    tries = [(await stranger.log_in(ADMIN, "wrong")).status_code for _ in range(10)]
    assert tries == [401] * 10
    late = await stranger.log_in(ADMIN)
    assert (late.status_code, late.headers["retry-after"]) == (429, "60")
    assert "set-cookie" not in late.headers


async def test_a_stranger_is_sent_to_the_log_in_and_back(stranger: Visit) -> None:
    for page in PAGES:
        answer = await stranger.get(page)
        assert answer.status_code == 303, page
        assert answer.headers["location"].startswith("/console/login?next=%2Fconsole")
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")


async def test_only_our_own_pages_follow_a_log_in(stranger: Visit) -> None:
    for next in (
        "https://evil.test/",
        "//evil.test",
        "/console//evil.test",
        "/console\\evil",
        "/consolex",
        "javascript:alert(1)",
        "/console/../..//evil.test",
        "/\tconsole",
        "/console/x\r\nSet-Cookie: a=b",
    ):
        answer = await stranger.log_in(ADMIN, next=next)
        assert answer.headers["location"] == "/console/", next
        assert "set-cookie" in answer.headers


async def test_a_page_of_ours_follows_a_log_in(stranger: Visit) -> None:
    answer = await stranger.log_in(ADMIN, next="/console/knowledge/entry/track-order")
    assert answer.headers["location"] == "/console/knowledge/entry/track-order"


async def test_an_agent_has_the_desk_and_nothing_else(agent: Visit) -> None:
    assert (await agent.get("/console/desk")).status_code == 200
    for page in ADMIN_ONLY:
        answer = await agent.get(page)
        assert answer.status_code == 403, page
        assert "nly admins" in answer.text


async def test_an_agent_cannot_change_what_admins_change(agent: Visit, house: House) -> None:
    for path, data in (
        ("knowledge/entry", {"id": "x", "question": "?", "revision": "0"}),
        ("knowledge/publish", {}),
        ("knowledge/rollback/1", {}),
        ("knowledge/discard", {}),
        ("knowledge/entry/track-order/delete", {"revision": "1"}),
        ("knowledge/try", {"text": "hi"}),
        ("people", {"name": "eve", "role": "admin"}),
        ("people/password", {"name": ADMIN}),
        ("people/disable", {"name": ADMIN, "disabled": "true"}),
    ):
        assert (await agent.post(f"/console/{path}", data=data)).status_code == 403, path
    assert len(await house.store.read(lambda tx: tx.users.list())) == 3


async def test_a_change_without_the_pages_token_is_refused(agent: Visit) -> None:
    for token in ({"X-CSRF": ""}, {"X-CSRF": "0" * 64}, {"X-CSRF": "ü"}):
        answer = await agent.post("/console/logout", headers={k: v.encode() for k, v in token.items()})
        assert answer.status_code == 403
    assert (await agent.get("/console/desk")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "", "Origin": "https://evil.test"},
        {"Sec-Fetch-Site": "", "Origin": "null"},
    ],
)
async def test_another_site_can_neither_change_anything_nor_log_anybody_in(
    agent: Visit, headers: dict[str, str]
) -> None:
    if not headers["Sec-Fetch-Site"]:
        del agent.headers["Sec-Fetch-Site"]
        headers = {"Origin": headers["Origin"]}
    assert (await agent.post("/console/logout", headers=headers)).status_code == 403
    data = {"name": AGENT, "password": PASSWORD}
    assert (await agent.post("/console/login", data=data, headers=headers)).status_code == 403


async def test_logging_out_and_a_new_password_end_the_session(stranger: Visit, house: House) -> None:
    await stranger.log_in(AGENT)
    before = dict(stranger.cookies)
    assert (await stranger.post("/console/logout")).headers["hx-redirect"] == "/console/login"
    assert (await stranger.get("/console/desk")).status_code == 303
    stranger.cookies.update(before)
    await house.store.write(lambda tx: tx.users.set_password(AGENT, "another hash"))
    assert (await stranger.get("/console/desk")).status_code == 303


async def test_a_forged_cookie_is_nobody(stranger: Visit) -> None:
    for value in ("", "x", "eyJuYW1lIjoiYWRhIn0.Zg.Zm9v", "a" * 5000):
        stranger.cookies.set("polydesk", value, path="/console")
        assert (await stranger.get("/console/desk")).status_code == 303


async def test_bodies_are_measured_before_they_are_read(agent: Visit) -> None:
    forty = 40 * 1024 * 1024

    async def body():  # type: ignore[no-untyped-def]
        yield b"x" * 1024
        raise AssertionError("a refused body was read on")

    for path in ("uploads", "desk/x/say", "login", "knowledge/entry"):
        answer = await agent.post(f"/console/{path}", content=body(), headers={"Content-Length": str(forty)})
        assert answer.status_code == 413, path
    assert (await agent.post("/console/uploads", content=body())).status_code == 411  # chunked: nobody knows how much


async def test_every_answer_carries_the_headers(stranger: Visit, agent: Visit) -> None:
    for answer in (
        await stranger.get("/console/login"),
        await agent.get("/console/desk"),
        await agent.get("/console/nothing-here"),
        await agent.get("/console/static/desk.js"),
        await agent.post("/console/people", data={"name": "x"}),
    ):
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == ("no-cache" if answer.url.path.endswith(".js") else "no-store")


async def test_pages_keep_to_their_own_policy(admin: Visit) -> None:
    for page in ("desk", "knowledge", "knowledge/new", "knowledge/releases", "knowledge/files", "people", "me"):
        text = (await admin.get(f"/console/{page}")).text
        for inline in (" style=", " onclick=", "<style", "javascript:", "hx-on"):
            assert inline not in text, (page, inline)
        assert "<script>" not in text


async def test_an_origin_that_is_no_address_is_refused_as_another_sites(agent: Visit) -> None:
    del agent.headers["Sec-Fetch-Site"]
    answer = await agent.post("/console/logout", headers={"Origin": "http://["})
    assert answer.status_code == 403
