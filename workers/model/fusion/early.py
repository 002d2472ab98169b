"""Early fusion: the vectors of all channels side by side go through one network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workers.model.fusion.joint import WORDY, Dimensions
from workers.model.fusion.opinions import CHANNELS


class Early(nn.Module):  # type: ignore[misc]  # mypy does not follow torch
    """A multilayer perceptron over the concatenation, beside the mean of what was said."""

    def __init__(self, dimensions: Dimensions) -> None:
        super().__init__()
        wide = len(WORDY) * dimensions.words + dimensions.pictures + len(CHANNELS)
        self.deep = nn.Sequential(
            nn.Linear(wide, dimensions.hidden),
            nn.ReLU(),
            nn.Dropout(dimensions.dropout),
            nn.Linear(dimensions.hidden, dimensions.words),
        )

    def forward(self, words: Tensor, photo: Tensor, present: Tensor) -> Tensor:
        """(q, 5, words), (q, pictures), (q, 6) to (q, words)."""
        said = words.sum(dim=1) / words.norm(dim=2).gt(0).sum(dim=1, keepdim=True).clamp(min=1)
        return said + self.deep(torch.cat([words.flatten(1), photo, present], dim=1))
