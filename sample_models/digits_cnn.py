"""A CNN with a fully connected head, trained on scikit-learn's digits.

Training runs in float64 and the result is rounded to a coarse grid, so that every processor gets the same file.
"""

from __future__ import annotations

import numpy as np
import torch
from common import FOLDER, export, round_weights, seed
from pytorch_files import save_all
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

EPOCHS = 30
BATCH = 64


def network() -> nn.Module:
    """The untrained network: (N, 1, 8, 8) pixels in 0..1 to (N, 10) scores."""
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(16 * 4 * 4, 64), nn.ReLU(), nn.Linear(64, 10)),
    )


def data() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pixels (N, 1, 8, 8) float32 and labels (N,): for training, and held out for the test."""
    digits = load_digits()
    pixels = (digits.images / 16.0).astype(np.float32)[:, None]
    train_x, test_x, train_y, test_y = train_test_split(pixels, digits.target, test_size=0.25, random_state=0)
    return train_x, train_y, test_x, test_y


def train() -> nn.Module:
    """The trained network, in float32 on the grid."""
    seed()
    train_x, train_y, _, _ = data()
    x, y = torch.from_numpy(train_x).double(), torch.from_numpy(train_y)
    module = network().double()
    round_weights(module)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    order = np.random.default_rng(0)
    for _ in range(EPOCHS):
        for part in np.array_split(order.permutation(len(x)), len(x) // BATCH):
            loss = nn.functional.cross_entropy(module(x[part]), y[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return round_weights(module).float()


if __name__ == "__main__":
    trained = train()
    path = export(trained, (torch.zeros(2, 1, 8, 8),), "digits_cnn", {"x": {0: "N"}})
    save_all(trained, (torch.zeros(2, 1, 8, 8),), "digits_cnn")
    _, _, test_x, test_y = data()
    right = (trained(torch.from_numpy(test_x)).argmax(1).numpy() == test_y).sum()
    print(f"{path.relative_to(FOLDER)}: {right} of {len(test_y)} test digits right")
