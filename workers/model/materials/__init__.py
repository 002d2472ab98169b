"""Sentences, phrases and fitted numbers that ship with the model."""
