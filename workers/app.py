"""The Celery application: `celery -A workers.app worker -Q text`."""

from __future__ import annotations

from typing import Any

from celery import Celery

from core.broker import celery_url
from core.errors import SettingsError
from workers.configuration import from_environment


def _configured() -> dict[str, Any]:
    """Settings of Celery, read when the worker starts rather than when this module is imported."""
    try:
        redis_url = from_environment().redis_url
    except SettingsError as problem:
        raise SystemExit(str(problem)) from problem  # what is wrong, without a traceback before it
    return {
        "broker_url": celery_url(redis_url),
        "broker_connection_retry_on_startup": True,
        # Only the gateway retries: a question is acknowledged early, its deadline is its expiry.
        "task_acks_late": False,
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        "worker_prefetch_multiplier": 1,
        "worker_pool": "threads",
        "worker_send_task_events": False,
        "worker_hijack_root_logger": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "accept_content": ["json"],
        "task_serializer": "json",
        "enable_utc": True,
        "broker_transport_options": {"visibility_timeout": 3600},
    }


app = Celery("polydesk", imports=["workers.tasks"])
app.add_defaults(_configured)
