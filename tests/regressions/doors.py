"""Which doors a test is run at."""

from __future__ import annotations

import pytest

TELEGRAM = ("telegram polling", "telegram webhook")
SLACK = ("slack socket", "slack http")

on_telegram = pytest.mark.parametrize("ground", TELEGRAM, indirect=True)
by_webhook = pytest.mark.parametrize("ground", TELEGRAM[1:], indirect=True)
on_slack = pytest.mark.parametrize("ground", SLACK, indirect=True)
slack_http = pytest.mark.parametrize("ground", SLACK[1:], indirect=True)
everywhere = pytest.mark.parametrize("ground", TELEGRAM + SLACK, indirect=True)
once_each = pytest.mark.parametrize("ground", ("telegram polling", "slack socket"), indirect=True)
