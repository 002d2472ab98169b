"""What files are, told from their first bytes without decoding them.

The gateway asks three things of a file before it is stored: what it is (`sniff`), how many pixels it will unfold to
(`dimensions`), how it looks without the metadata that a phone adds, GPS position included (`strip`). Nothing here
imports an image or audio library.
"""

from core.media.kinds import Sniffed, sniff
from core.media.metadata import PIXELS, dimensions, orientation, strip

__all__ = ["PIXELS", "Sniffed", "dimensions", "orientation", "sniff", "strip"]
