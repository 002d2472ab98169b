"""People: admins add them and shut them out; everybody changes their own password."""

from __future__ import annotations

import re

from bot.wiring import House
from tests.bot.console.stage import ADMIN, AGENT, PASSWORD, Visit


async def test_an_admin_adds_somebody_who_can_log_in_at_once(admin: Visit, stranger: Visit) -> None:
    page = (await admin.post("/console/people", data={"name": "grace", "role": "agent"})).text
    password = re.findall(r'<code class="secret">([^<]+)</code>', page)[0]
    assert (await stranger.log_in("grace", password)).status_code == 303
    assert (await stranger.get("/console/knowledge")).status_code == 403
    assert password not in (await admin.get("/console/people")).text  # shown only once


async def test_names_and_roles_are_checked(admin: Visit) -> None:
    for name, role, status in ((AGENT, "agent", 400), ("eve", "root", 400), ("<b>", "agent", 422), ("", "agent", 422)):
        assert (await admin.post("/console/people", data={"name": name, "role": role})).status_code == status


async def test_who_is_shut_out_is_out_at_once_and_can_be_let_in_again(admin: Visit, agent: Visit) -> None:
    await admin.post("/console/people/disable", data={"name": AGENT, "disabled": "true"})
    assert (await agent.get("/console/desk")).status_code == 303
    assert (await agent.post("/console/logout")).status_code == 401
    await admin.post("/console/people/disable", data={"name": AGENT, "disabled": "false"})
    assert (await agent.get("/console/desk")).status_code == 200


async def test_a_new_password_from_an_admin_ends_the_old_one(admin: Visit, agent: Visit, house: House) -> None:
    page = (await admin.post("/console/people/password", data={"name": AGENT})).text
    password = re.findall(r'<code class="secret">([^<]+)</code>', page)[0]
    assert (await agent.get("/console/desk")).status_code == 303
    assert (await agent.log_in(AGENT)).status_code == 401
    assert (await agent.log_in(AGENT, password)).status_code == 303


async def test_admins_cannot_shut_themselves_out(admin: Visit) -> None:
    for path, data in (("disable", {"name": ADMIN, "disabled": "true"}), ("password", {"name": ADMIN})):
        answer = await admin.post(f"/console/people/{path}", data=data)
        assert answer.status_code == 400 and "not for yourself" in answer.text.lower()


async def test_everybody_changes_their_own_password_and_stays_logged_in(agent: Visit) -> None:
    new = "a much better one"
    for old, again, words in (("wrong", new, "old password is wrong"), (PASSWORD, "other", "not the same")):
        answer = await agent.post("/console/me/password", data={"old": old, "new": new, "again": again})
        assert answer.status_code == 400 and words in answer.text
    short = await agent.post("/console/me/password", data={"old": PASSWORD, "new": "short", "again": "short"})
    assert short.status_code == 400 and "too short" in short.text
    answer = await agent.post("/console/me/password", data={"old": PASSWORD, "new": new, "again": new})
    assert answer.headers["hx-redirect"] == "/console/desk"
    assert (await agent.get("/console/desk")).status_code == 200
    assert (await agent.log_in(AGENT)).status_code == 401
