"""Small random images for tests of training."""

import pytest
import torch

from deepcredit.training.images import ImageData


@pytest.fixture(scope="session")
def images() -> ImageData:
    """200 training and 100 test images of 12 pixels; 4 classes that differ in their means."""
    rng = torch.Generator().manual_seed(0)
    centres = 2 * torch.randn(4, 12, generator=rng)
    labels = torch.randint(4, (300,), generator=rng)
    x = centres[labels] + torch.randn(300, 12, generator=rng)
    return ImageData(x[:200], torch.nn.functional.one_hot(labels[:200], 4).float(), x[200:], labels[200:])
