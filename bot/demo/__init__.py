"""The demo knowledge base, kept as package data."""
