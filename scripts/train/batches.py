"""Batches of samples of similar length, padded at the end."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .encoding import Encoded, Encoder, pixels
from .network import TextModel, VisionTower
from .tasks import Mix, draw_sample

_POOL = 384
UNLEARNED = -100


@dataclass
class Batch:
    """Hold ids and targets [batch, length], and where pictures stand: (row, first position, pixels)."""

    ids: Tensor
    targets: Tensor
    pictures: list[tuple[int, int, Tensor]]


def stream(encoder: Encoder, seed: int, tokens: int, mix: Mix) -> Iterator[Batch]:
    """Yield batches of about `tokens` tokens without end."""
    source = random.Random(seed)
    while True:
        pool = sorted((encoder.encode(draw_sample(source, mix)) for _ in range(_POOL)), key=lambda item: len(item.ids))
        groups: list[list[Encoded]] = [[]]
        for item in pool:
            if groups[-1] and (len(groups[-1]) + 1) * len(item.ids) > tokens:
                groups.append([])
            groups[-1].append(item)
        source.shuffle(groups)
        yield from map(collate, groups)


def collate(items: list[Encoded]) -> Batch:
    """Pad items to one length; what a position shall predict stands at that position."""
    length = max(len(item.ids) for item in items)
    ids = np.full((len(items), length), 11, np.int64)  # <pad>
    targets = np.full((len(items), length), UNLEARNED, np.int64)
    pictures: list[tuple[int, int, Tensor]] = []
    for row, item in enumerate(items):
        count = len(item.ids)
        ids[row, :count] = item.ids
        following = np.where(item.learned[1:], item.ids[1:], UNLEARNED)
        targets[row, : count - 1] = following
        pictures += [(row, start, torch.from_numpy(pixels([image])[0])) for start, image in item.pictures]
    return Batch(torch.from_numpy(ids), torch.from_numpy(targets), pictures)


def embed(model: TextModel, tower: VisionTower, batch: Batch, device: str = "cpu") -> Tensor:
    """Return embeddings [batch, length, width] with the pictures' rows in their places."""
    embedded = model.embedding(batch.ids.to(device))
    by_size: dict[torch.Size, list[tuple[int, int, Tensor]]] = defaultdict(list)
    for row, start, image in batch.pictures:
        by_size[image.shape].append((row, start, image))
    for group in by_size.values():
        tokens = tower(torch.stack([image for _, _, image in group]).to(device)).to(embedded.dtype)
        rows, columns = tokens.shape[1:3]
        row_break = tower.row_break.to(embedded.dtype).expand(len(group), rows, 1, -1)
        block = torch.cat((tokens, row_break), 2).flatten(1, 2)[:, :-1]  # no break after the last row
        where = torch.tensor([row for row, _, _ in group], device=device)[:, None]
        first = torch.tensor([start for _, start, _ in group], device=device)[:, None]
        places = first + torch.arange(rows * (columns + 1) - 1, device=device)
        embedded = embedded.index_put((where.expand_as(places), places), block)
    return embedded
