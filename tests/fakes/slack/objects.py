"""Slack's JSON objects for what exists in the workspace."""

from __future__ import annotations

import re
import uuid
from typing import Any

from tests.fakes.slack.world import HostedFile, Person, Post, Room, World

_PARTS = re.compile(r"<@(U[A-Z0-9]+)>|<(https?://[^>|]+)>")
_URL = re.compile(r"https?://[^\s<>|]+")
_KINDS = {"jpg": "JPEG", "png": "PNG", "pdf": "PDF", "mp4": "MPEG 4 Video", "txt": "Plain Text"}


def typed(text: str) -> str:
    """What Slack makes of typed words: &, < and > escaped, links in angle brackets; mentions stay."""
    parts = re.split(r"(<@U[A-Z0-9]+>)", text)
    done = []
    for part in parts:
        if part.startswith("<@"):
            done.append(part)
            continue
        safe = part.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        done.append(_URL.sub(lambda match: f"<{match.group()}>", safe))
    return "".join(done)


def rich_text(text: str) -> list[dict[str, Any]]:
    """The blocks Slack's own apps send along with typed words."""
    elements: list[dict[str, Any]] = []
    at = 0
    for match in _PARTS.finditer(text):
        if match.start() > at:
            elements.append({"type": "text", "text": _plain(text[at : match.start()])})
        user, link = match.groups()
        elements.append({"type": "user", "user_id": user} if user else {"type": "link", "url": link})
        at = match.end()
    if at < len(text):
        elements.append({"type": "text", "text": _plain(text[at:])})
    section = {"type": "rich_text_section", "elements": elements}
    return [{"type": "rich_text", "block_id": "typed", "elements": [section]}]


def post_json(post: Post, world: World, url: str, *, metadata: bool = False) -> dict[str, Any]:
    """A message as it stands in events and histories."""
    answer: dict[str, Any] = {"type": "message", "user": post.author.id, "text": post.text, "ts": post.ts}
    answer["team"] = world.team
    if post.author.is_bot:
        answer |= {"bot_id": post.author.bot_id, "app_id": post.author.app_id, "bot_profile": bot_json(post.author)}
    elif not post.files:
        answer["client_msg_id"] = str(uuid.uuid5(uuid.NAMESPACE_OID, post.ts))
    if post.author.team != world.team:
        answer |= {"user_team": post.author.team, "source_team": post.author.team}
    if post.subtype:
        answer["subtype"] = post.subtype
    if post.blocks:
        answer["blocks"] = post.blocks
    if post.attachments:
        answer["attachments"] = post.attachments
    if post.files:
        answer |= {"files": [file_json(file, world, url) for file in post.files], "upload": False}
        if not post.author.is_bot:
            answer["display_as_bot"] = False
    if post.thread:
        answer["thread_ts"] = post.thread
    if post.is_reply and (root := post.room.posts.get(post.thread)):
        answer["parent_user_id"] = root.author.id
    if post.edited_ts:
        answer["edited"] = {"user": post.author.id, "ts": post.edited_ts}
    if metadata and post.metadata:
        answer["metadata"] = post.metadata
    return answer


def bot_json(person: Person) -> dict[str, Any]:
    """A bot_profile, as bots.info answers it too."""
    return {
        "id": person.bot_id,
        "app_id": person.app_id,
        "user_id": person.id,
        "name": person.name,
        "deleted": False,
        "updated": 1700000000,
        "team_id": person.team,
    }


def user_json(person: Person, world: World) -> dict[str, Any]:
    """A user, as users.info answers."""
    profile = {"real_name": person.name, "display_name": person.name.lower(), "team": person.team}
    return {
        "id": person.id,
        "team_id": person.team,
        "name": person.name.lower(),
        "real_name": person.name,
        "deleted": False,
        "tz": "Europe/Berlin",
        "is_bot": person.is_bot,
        "is_app_user": False,
        "is_stranger": person.team != world.team,
        "profile": profile,
    }


def room_json(room: Room) -> dict[str, Any]:
    """A conversation, as conversations.info answers."""
    if room.kind == "im":
        assert room.owner is not None
        return {"id": room.id, "is_im": True, "user": room.owner.id, "is_archived": False}
    return {
        "id": room.id,
        "name": room.name,
        "is_channel": room.kind == "channel",
        "is_group": room.kind == "group",
        "is_im": False,
        "is_private": room.kind == "group",
        "is_member": room.bot_is_member,
        "is_archived": room.archived,
        "num_members": len(room.members) + 1,
    }


def file_json(file: HostedFile, world: World, url: str, *, whole: bool = False) -> dict[str, Any]:
    """A file; without `whole`, one of Slack Connect's may be nothing but an id to ask files.info about."""
    if file.access == "check_file_info" and not whole:
        return {"id": file.id, "created": 0, "timestamp": 0, "file_access": "check_file_info", "mode": "file_access"}
    extension = file.name.rpartition(".")[2].lower()
    private = f"{url}/files-pri/{world.team}-{file.id}"
    answer = {
        "id": file.id,
        "created": file.created,
        "timestamp": file.created,
        "name": file.name,
        "title": file.title or file.name,
        "mimetype": file.mime,
        "filetype": extension,
        "pretty_type": _KINDS.get(extension, extension.upper()),
        "user": file.owner.id,
        "user_team": file.owner.team,
        "editable": False,
        "size": file.size,
        "mode": "hosted",
        "is_external": False,
        "external_type": "",
        "is_public": False,
        "public_url_shared": False,
        "display_as_bot": False,
        "username": "",
        "url_private": f"{private}/{file.name}",
        "url_private_download": f"{private}/download/{file.name}",
        "permalink": f"https://{world.team.lower()}.slack.com/files/{file.owner.id}/{file.id}/{file.name}",
        "file_access": "visible",
    }
    if file.subtype:
        answer |= {"subtype": file.subtype, "media_display_type": "audio", "duration_ms": file.milliseconds}
        answer["transcription"] = {"status": "processing"}
    if file.transcript:
        preview = {"content": file.transcript, "has_more": False}
        answer["transcription"] = {"status": "complete", "locale": "en-US", "preview": preview}
    return answer


def _plain(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
