"""The gate as torch trains it; `gate.Gate` runs the same weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workers.model.fusion.gate import _LEAST, Shape


class GateNet(nn.Module):  # type: ignore[misc]  # mypy does not follow torch
    """Shared by all channels, so that little data teaches all of them: one layer a channel, one for all, two heads."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        channels, wide = len(shape.channels), shape.hidden
        self.each = nn.Linear(len(shape.features), wide)
        self.channel = nn.Parameter(torch.zeros(channels, wide))
        self.whole = nn.Linear(wide + channels, wide)
        self.told = nn.Linear(2 * wide, 2)
        self.none = nn.Linear(wide, 1)
        nn.init.zeros_(self.told.weight)
        nn.init.zeros_(self.none.weight)
        with torch.no_grad():  # begins as a pool that believes every channel by 0.7 and caps what it may deny
            self.told.bias.copy_(torch.tensor([0.0, -1.5]))
            self.none.bias.zero_()

    def forward(self, seen: Tensor, present: Tensor, lifts: Tensor, nones: Tensor, known: Tensor) -> Tensor:
        """Log-probabilities (b, entries + 1), none of them last.

        Args:
            seen: (b, channels, features) and
            present: (b, channels), as `gate.arranged` makes them.
            lifts: (b, channels, entries) likelihoods beside what was known beforehand, 1 where there is no channel.
            nones: (b, channels), likewise.
            known: (b, entries + 1) log-probabilities beforehand; -inf where a knowledge base has fewer entries.
        """
        each = torch.relu(self.each(seen) + self.channel) * present[..., None]
        mean = each.sum(dim=1) / present.sum(dim=1, keepdim=True).clamp(min=1)
        whole = torch.relu(self.whole(torch.cat([mean, present], dim=1)))
        both = torch.cat([each, whole[:, None].expand(-1, each.shape[1], -1)], dim=2)
        trust, floor = self.told(both).unbind(dim=2)
        trust = nn.functional.softplus(trust) * present
        floor = torch.sigmoid(floor) * 0.5 + _LEAST
        entries = torch.einsum("bc,bce->be", trust, torch.log(lifts + floor[..., None]))
        none = (trust * torch.log(nones + floor)).sum(dim=1) + self.none(whole)[:, 0]
        return torch.log_softmax(known + torch.cat([entries, none[:, None]], dim=1), dim=1)
