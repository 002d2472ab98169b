"""A worker's log lines: one JSON object each on stderr, with tracebacks that quote no variables."""

from __future__ import annotations

import logging
import sys

import structlog


def configure(level: str) -> None:
    """Send our lines to stderr from `level` up.

    structlog's own tracebacks show local variables, and what customers wrote must not stand in a log.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
