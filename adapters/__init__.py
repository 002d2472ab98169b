"""The doors: one package a platform."""
