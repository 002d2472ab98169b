"""Draws the demo's example photos; a script's workshop that the product itself never imports."""
