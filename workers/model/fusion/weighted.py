"""Weighted fusion: `h = a * text + b * image + c * audio`, the weights learned, their sum 1 over what is there."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workers.model.fusion.joint import WORDY, Dimensions
from workers.model.fusion.opinions import CHANNELS


class Weighted(nn.Module):  # type: ignore[misc]  # mypy does not follow torch
    """One number a channel, one projection for pictures."""

    def __init__(self, dimensions: Dimensions) -> None:
        super().__init__()
        self.leaning = nn.Parameter(torch.zeros(len(CHANNELS)))
        self.picture = nn.Linear(dimensions.pictures, dimensions.words, bias=False)

    def weights(self, present: Tensor) -> Tensor:
        """(q, 6), 0 for what is absent, their sum 1."""
        return torch.softmax(self.leaning.masked_fill(present == 0, -torch.inf), dim=1).nan_to_num()

    def forward(self, words: Tensor, photo: Tensor, present: Tensor) -> Tensor:
        """(q, 5, words), (q, pictures), (q, 6) to (q, words)."""
        shares = self.weights(present)
        places = [CHANNELS.index(channel) for channel in WORDY]
        seen = nn.functional.normalize(self.picture(photo), dim=1)
        return (shares[:, places, None] * words).sum(dim=1) + shares[:, CHANNELS.index("photo"), None] * seen
