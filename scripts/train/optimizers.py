"""The optimizers of a run: Muon for the matrices inside the tower, AdamW for everything else.

Not Muon for the language model: it makes the scores of latent attention grow without end. After 5 million tokens they
stood at 200, every token looked at one other only, and nothing more was learnt.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_OUTER = ("embedding", "output", "patches", "look", "whole", "each", "row_break", "router")


def warm_then_decay(step: int, steps: int, warm: int = 100) -> float:
    """Return the learning rate's factor: up over `warm` steps, full until 50 %, then linearly to nothing."""
    return min(1.0, (step + 1) / warm, max(0.0, (steps - step) / (0.5 * steps)))


class Optimizers:
    """Step the weights of several networks."""

    def __init__(self, networks: dict[str, nn.Module], *, adam: float, muon: float = 0.0, tower: float = 1.0) -> None:
        """Take the highest learning rates; without `muon` AdamW does it all, `tower` is that network's share."""
        matrices: list[dict[str, Any]] = []
        others: list[dict[str, Any]] = []
        self._parameters: list[nn.Parameter] = []
        for network, module in networks.items():
            share = tower if network == "tower" else 1.0
            for name, parameter in module.named_parameters():
                self._parameters.append(parameter)
                inner = parameter.dim() == 2 and not any(outer in name for outer in _OUTER)
                if inner and muon:
                    matrices.append({"params": [parameter], "peak": muon * share})
                else:
                    decay = 0.05 if inner else 0.0
                    others.append({"params": [parameter], "peak": adam * share, "weight_decay": decay})
        self._each: list[torch.optim.Optimizer] = [torch.optim.AdamW(others, lr=adam, betas=(0.9, 0.95))]
        if matrices:
            self._each.append(torch.optim.Muon(matrices, lr=muon, weight_decay=0.02, adjust_lr_fn="original"))

    def step(self, loss: Tensor, factor: float) -> None:
        """Take one step down from `loss` with the learning rates times `factor`."""
        for optimizer in self._each:
            optimizer.zero_grad(set_to_none=True)
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor
        loss.backward()  # type: ignore[no-untyped-call]  # PyTorch's own annotation is missing
        nn.utils.clip_grad_norm_(self._parameters, 1.0)
        for optimizer in self._each:
            optimizer.step()

    def state(self) -> list[dict[str, Any]]:
        """Return what a later run needs to go on."""
        return [optimizer.state_dict() for optimizer in self._each]

    def restore(self, state: list[dict[str, Any]]) -> None:
        """Go on from an earlier run."""
        for optimizer, saved in zip(self._each, state, strict=True):
            optimizer.load_state_dict(saved)
