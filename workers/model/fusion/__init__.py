"""Fusion: the opinions of several channels become one."""
