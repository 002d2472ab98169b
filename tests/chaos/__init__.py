"""Chaos: seeded schedules of accidents over the real rules and the real store, judged by what customers saw."""
