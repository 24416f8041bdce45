"""Questions that read a picture's vectors by attention."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from model.training.picture_reader import PictureReader

pytestmark = pytest.mark.unit

CLASSES = {"what is it": 3, "where is it": 5}
HIDDEN = 32


def reader() -> PictureReader:
    return PictureReader(CLASSES, HIDDEN, torch.Generator().manual_seed(1))


def test_every_question_gets_scores_of_its_classes() -> None:
    scores = reader()(torch.randn(4, 6, HIDDEN))
    assert [tuple(each.shape) for each in scores] == [(4, 3), (4, 5)]


def test_neither_the_order_nor_the_size_of_the_vectors_matters() -> None:
    vectors = torch.randn(4, 6, HIDDEN, generator=torch.Generator().manual_seed(2))
    asking = reader()
    exact = asking(vectors)
    for changed in (vectors.flip(1), vectors * 20):
        for before, after in zip(exact, asking(changed), strict=True):
            torch.testing.assert_close(before, after, rtol=1e-4, atol=1e-4)


def test_what_one_of_the_vectors_says_is_learnt() -> None:
    generator = torch.Generator().manual_seed(3)
    said = torch.randn(3, HIDDEN, generator=generator)
    asking = reader()
    optimizer = torch.optim.AdamW(asking.parameters(), lr=3e-3)
    right = []
    for _ in range(80):
        vectors = torch.randn(32, 6, HIDDEN, generator=generator)
        wanted = torch.randint(3, (32,), generator=generator)
        places = torch.randint(6, (32,), generator=generator)
        vectors[torch.arange(32), places] = 2 * said[wanted]
        scores = asking(vectors)[0]
        right.append(float((scores.argmax(-1) == wanted).float().mean()))
        optimizer.zero_grad()
        F.cross_entropy(scores, wanted).backward()
        optimizer.step()
    assert sum(right[-10:]) / 10 > 0.9 > sum(right[:5]) / 5
