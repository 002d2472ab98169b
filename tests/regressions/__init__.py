"""The failures that other bots are known for, each a test of ours under its number.

What runs here is the product's own: rules, store, adapters with the SDKs' real clients, over HTTP and WebSocket to the
fake Telegram and the fake Slack, in one process. Only the brain is played, so that tests decide how long it thinks.

Numbers 1-5 are in `test_duplicates`, 6, 7, 13 and 14 in `test_order`, 8 and 9 in `test_handoff`, 12, 15 and 16 in
`test_media`, 17-19 in `test_edits_and_limits`, 20 in `test_security`. Numbers 10 and 11, and the halves of 17 and 18
that speak of forum groups (an agent's edit, 20 messages a minute into one group), wait for the desk outside the
console.
"""
