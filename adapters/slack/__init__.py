"""Slack: its payloads as events, our replies as blocks."""
