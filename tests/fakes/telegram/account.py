"""The Bot API's methods about the bot, its updates, chats and files."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.faults import Window
from tests.fakes.platform import Platform
from tests.fakes.telegram.checks import ApiError, bad_request, check_answer
from tests.fakes.telegram.media import Upload
from tests.fakes.telegram.objects import chat_full_json, member_json, user_json
from tests.fakes.telegram.updates import Updates, Webhook
from tests.fakes.telegram.world import DOWNLOAD_LIMIT, Chat, World

ACTIONS = [
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
]


@dataclass(slots=True)
class Limits:
    """The flood limits, off unless a test sets them: sends a second, a second per chat, a minute per group."""

    overall: Window | None = None
    chat: Window | None = None
    group: Window | None = None


@dataclass(slots=True)
class Desk:
    """What every method needs to do its work."""

    platform: Platform
    world: World
    updates: Updates
    token: str
    limits: Limits = field(default_factory=Limits)

    def chat(self, arguments: dict[str, Any]) -> Chat:
        """The chat a request names.

        Raises:
            ApiError: 400, there is none, or it became a supergroup with another id.
        """
        wanted = arguments.get("chat_id")
        chat = self.world.chats.get(wanted) if isinstance(wanted, int) else None
        if chat is None:
            raise bad_request("chat not found")
        if chat.moved_to:
            raise ApiError(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                migrate_to_chat_id=chat.moved_to,
            )
        return chat

    def writable(self, arguments: dict[str, Any], weight: int = 1) -> Chat:
        """The chat a request wants to write to.

        Raises:
            ApiError: 403, the bot may not write there; 429, it wrote too often; 400 as in `chat`.
        """
        chat = self.chat(arguments)
        if chat.blocked:
            raise ApiError(403, "Forbidden: bot was blocked by the user")
        if chat.private and not chat.started:
            raise ApiError(403, "Forbidden: bot can't initiate conversation with a user")
        if not chat.bot_is_member:
            raise ApiError(403, f"Forbidden: bot was kicked from the {chat.type} chat")
        thread = arguments.get("message_thread_id")
        if thread and thread not in chat.threads:
            raise bad_request("message thread not found")
        for _ in range(weight):
            self._count(chat)
        return chat

    def _count(self, chat: Chat) -> None:
        windows = [(self.limits.overall, "all"), (self.limits.chat, str(chat.id))]
        if not chat.private:
            windows.append((self.limits.group, str(chat.id)))
        for window, key in windows:
            pause = window.wait(key, time.monotonic()) if window else 0.0
            if pause > 0:
                after = int(pause) + 1
                raise ApiError(429, f"Too Many Requests: retry after {after}", retry_after=after)


Files = dict[str, Upload]


class Account:
    """Methods that send nothing to anybody."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def get_me(self, arguments: dict[str, Any], files: Files) -> dict[str, Any]:
        abilities = {
            "can_join_groups": True,
            "can_read_all_group_messages": False,
            "supports_inline_queries": False,
            "can_connect_to_business": False,
            "has_main_web_app": False,
        }
        return check_answer("User", {**user_json(self._desk.world.bot), **abilities})

    async def get_updates(self, arguments: dict[str, Any], files: Files) -> list[dict[str, Any]]:
        if "allowed_updates" in arguments:
            self._desk.updates.allowed = list(arguments["allowed_updates"] or [])
        limit = min(100, max(1, int(arguments.get("limit") or 100)))
        timeout = max(0, int(arguments.get("timeout") or 0))
        return await self._desk.updates.poll(int(arguments.get("offset") or 0), limit, timeout)

    async def set_webhook(self, arguments: dict[str, Any], files: Files) -> bool:
        url = str(arguments.get("url") or "")
        secret = str(arguments.get("secret_token") or "")
        connections = int(arguments.get("max_connections") or 40)
        if url and not re.match(r"http://(127\.0\.0\.1|localhost)[:/]", url):
            if not url.startswith("https://"):
                raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
            if not re.match(r"https://[^/:]+(:(443|80|88|8443))?(/|$)", url):
                raise bad_request("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
        if secret and not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", secret):
            raise bad_request("secret token contains unallowed characters")
        if not 1 <= connections <= 100:
            raise bad_request("max_connections must be between 1 and 100")
        if self._desk.token in url:
            self._desk.platform.complain("setWebhook: the bot's token is in the URL and will end up in logs")
        if url and not secret:
            self._desk.platform.complain("setWebhook: no secret_token, so anybody can post updates")
        if "allowed_updates" in arguments:
            self._desk.updates.allowed = list(arguments["allowed_updates"] or [])
        hook = Webhook(url, secret, connections)
        self._desk.updates.set_hook(hook, drop=bool(arguments.get("drop_pending_updates")))
        return True

    async def delete_webhook(self, arguments: dict[str, Any], files: Files) -> bool:
        self._desk.updates.set_hook(Webhook(), drop=bool(arguments.get("drop_pending_updates")))
        return True

    async def get_webhook_info(self, arguments: dict[str, Any], files: Files) -> dict[str, Any]:
        hook = self._desk.updates.hook
        answer: dict[str, Any] = {
            "url": hook.url,
            "has_custom_certificate": False,
            "pending_update_count": self._desk.updates.pending,
        }
        if hook.url:
            answer |= {"max_connections": hook.connections, "ip_address": "127.0.0.1"}
        if hook.last_error:
            answer |= {"last_error_date": hook.last_error_at, "last_error_message": hook.last_error}
        if self._desk.updates.allowed:
            answer["allowed_updates"] = self._desk.updates.allowed
        return check_answer("WebhookInfo", answer)

    async def get_file(self, arguments: dict[str, Any], files: Files) -> dict[str, Any]:
        file = self._desk.world.files.get(str(arguments["file_id"]))
        if file is None:
            raise bad_request("wrong file_id or the file is temporarily unavailable")
        if file.size > DOWNLOAD_LIMIT:
            raise bad_request("file is too big")
        answer = {"file_id": file.id, "file_unique_id": file.unique, "file_size": file.size, "file_path": file.path}
        return check_answer("File", answer)

    async def get_chat(self, arguments: dict[str, Any], files: Files) -> dict[str, Any]:
        return chat_full_json(self._desk.chat(arguments))

    async def get_chat_member(self, arguments: dict[str, Any], files: Files) -> dict[str, Any]:
        chat, world = self._desk.chat(arguments), self._desk.world
        wanted = arguments["user_id"]
        if wanted == world.bot.id:
            status = "administrator" if chat.bot_is_admin else "member" if chat.bot_is_member else "kicked"
            return member_json(world.bot, status)
        if wanted not in chat.members:
            raise bad_request("PARTICIPANT_ID_INVALID")
        return member_json(chat.members[wanted], "member")

    async def get_chat_member_count(self, arguments: dict[str, Any], files: Files) -> int:
        return len(self._desk.chat(arguments).members) + 1

    async def leave_chat(self, arguments: dict[str, Any], files: Files) -> bool:
        self._desk.chat(arguments).bot_is_member = False
        return True

    async def send_chat_action(self, arguments: dict[str, Any], files: Files) -> bool:
        if arguments["action"] not in ACTIONS:
            raise bad_request("wrong parameter action in request")
        chat = self._desk.writable(arguments, weight=0)
        chat.actions.append(arguments["action"])
        return True

    async def set_my_commands(self, arguments: dict[str, Any], files: Files) -> bool:
        commands = arguments["commands"]
        if len(commands) > 100:
            raise bad_request("BOT_COMMANDS_TOO_MUCH")
        for command in commands:
            if not re.fullmatch(r"[a-z0-9_]{1,32}", command["command"]):
                raise bad_request("BOT_COMMAND_INVALID")
            if not 1 <= len(command["description"]) <= 256:
                raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
        self._desk.world.commands[arguments.get("language_code") or ""] = commands
        return True

    async def get_my_commands(self, arguments: dict[str, Any], files: Files) -> list[dict[str, Any]]:
        return self._desk.world.commands.get(arguments.get("language_code") or "", [])

    async def delete_my_commands(self, arguments: dict[str, Any], files: Files) -> bool:
        self._desk.world.commands.pop(arguments.get("language_code") or "", None)
        return True

    async def log_out(self, arguments: dict[str, Any], files: Files) -> bool:
        return True

    async def close(self, arguments: dict[str, Any], files: Files) -> bool:
        return True
