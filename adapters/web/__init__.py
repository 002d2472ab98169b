"""The web chat: a platform of our own, behind the same door as the others."""
