"""What the strategies share that fuse vectors before anything is decided: their inputs, their heads, their dimensions.

Every strategy turns the vectors of the channels that are there into one vector in the space of the knowledge base's
phrases. Its likeness to an entry's prototype (Snell et al. 2017, https://arxiv.org/abs/1703.05175) scores the entry, so
that no strategy has an output layer of its own and each works for any number of entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from workers.model.fusion.opinions import CHANNELS, PHOTO, WORDS, Opinion
from workers.model.heads import Floats

SCALE = 12.0  # of a cosine, to begin with


@dataclass(frozen=True, slots=True)
class Dimensions:
    """The dimensions of a strategy's network, kept in its checkpoint.

    `words` is the length of a text vector, `pictures` of an image vector; `hidden` of what is between. `channels` are
    those that it was trained on.
    """

    strategy: str
    words: int
    pictures: int
    hidden: int = 192
    heads: int = 4
    layers: int = 2
    dropout: float = 0.1
    channels: tuple[str, ...] = tuple(channel for channel in CHANNELS if channel != WORDS)


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Questions: `words` (q, 5, words) of every channel but the photo, `photo` (q, pictures), `present` (q, 6)."""

    words: Floats
    photo: Floats
    present: Floats

    def __len__(self) -> int:
        return len(self.present)

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """As torch wants them."""
        return torch.from_numpy(self.words), torch.from_numpy(self.photo), torch.from_numpy(self.present)


WORDY = tuple(channel for channel in CHANNELS if channel != PHOTO)


def inputs(questions: Sequence[Sequence[Opinion]], dimensions: Dimensions) -> Inputs:
    """The vectors of questions, one a channel; those of channels that were not there in training are left out."""
    told = np.zeros((len(questions), len(WORDY), dimensions.words), dtype=np.float32)
    photo = np.zeros((len(questions), dimensions.pictures), dtype=np.float32)
    present = np.zeros((len(questions), len(CHANNELS)), dtype=np.float32)
    for i, opinions in enumerate(questions):
        for one in opinions:
            row = photo[i] if one.channel == PHOTO else told[i, WORDY.index(one.channel)]
            if one.channel in dimensions.channels and one.vector is not None and one.vector.shape == row.shape:
                row[:], present[i, CHANNELS.index(one.channel)] = one.vector, 1
    return Inputs(told, photo, present)


class Heads(nn.Module):  # type: ignore[misc]  # mypy does not follow torch
    """From a fused vector to log-probabilities of the entries, of none of them last."""

    def __init__(self, prototypes: Tensor) -> None:
        super().__init__()
        self.prototypes = nn.Parameter(prototypes.clone())
        self.scale = nn.Parameter(torch.tensor(float(np.log(SCALE))))
        self.none = nn.Parameter(torch.tensor(0.5))

    def forward(self, fused: Tensor) -> Tensor:
        """(q, words) to (q, entries + 1)."""
        near = nn.functional.normalize(fused, dim=1) @ nn.functional.normalize(self.prototypes, dim=1).T
        none = self.none.expand(len(near), 1)
        return torch.log_softmax(self.scale.exp() * torch.cat([near, none], dim=1), dim=1)
