"""A small convolutional network in PyTorch, tuned: what a user would pick instead.

75,000 parameters: 3x3 convolutions 1-16, pool, 16-32-32, pool, 32-64-64, pool, and one dense
layer; batch norm after each convolution. SGD with Nesterov's momentum, one cycle of the rate,
label smoothing, and for each image of each epoch a fresh copy, slightly turned, slanted, scaled
and moved. Only PyTorch and NumPy are needed. Prints one JSON line.

    python benchmarks/plain_network.py ARRAYS.npz EPOCHS [float32|bfloat16] [SEED]

ARRAYS.npz holds images (n, 28, 28) uint8 and labels (n,) of train, calibration, validation and
test, named as train_images, train_labels and so on. The calibration part chooses a temperature.
"""

import json
import math
import sys
import time
from contextlib import nullcontext

import numpy as np
import torch
from torch import nn
from torch.nn import functional

BATCH = 128
PEAK_RATE, FIRST_SHARE = 0.4, 0.25
MOMENTUM, WEIGHT_DECAY, SMOOTHING = 0.9, 5e-4, 0.05
DEGREES, SLANT, SCALE, PIXELS = 8.0, 0.1, 1.08, 1.0
SCORED_AT_ONCE = 1_000


def build_network():
    """Return the network, its convolutions in the order in which the processor likes them."""

    def layers(before, after):
        return (
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        )

    network = nn.Sequential(
        *layers(1, 16), nn.MaxPool2d(2),
        *layers(16, 32), *layers(32, 32), nn.MaxPool2d(2),
        *layers(32, 64), *layers(64, 64), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(576, 10),
    )  # fmt: skip
    return network.to(memory_format=torch.channels_last)


def copy_images(images, generator):
    """Return each image (n, 1, 28, 28) slightly changed, each in a way of its own."""
    count = len(images)

    def draw(reach):
        return (2 * torch.rand(count, generator=generator) - 1) * reach

    angle, slant = draw(math.radians(DEGREES)), draw(SLANT)
    scale = torch.exp(draw(math.log(SCALE)))
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    # Of the grid that runs from -1 to 1 over 28 pixels.
    across, down = draw(2 * PIXELS / 28), draw(2 * PIXELS / 28)
    rows = torch.stack([cos, slant - sin, across]), torch.stack([sin, cos, down])
    grid = functional.affine_grid(
        torch.stack(rows).permute(2, 0, 1), list(images.shape), align_corners=False
    )
    return functional.grid_sample(images, grid, align_corners=False)


def fit(network, images, labels, epochs, precise, generator):
    """Fit the network by one cycle."""
    optimiser = torch.optim.SGD(
        network.parameters(), PEAK_RATE, MOMENTUM, nesterov=True, weight_decay=WEIGHT_DECAY
    )
    steps = epochs * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, PEAK_RATE, steps, FIRST_SHARE, "linear", cycle_momentum=False,
        div_factor=10, final_div_factor=1e4,
    )  # fmt: skip
    network.train()
    for _ in range(epochs):
        order = torch.randperm(len(images), generator=generator)
        for rows in order.split(BATCH):
            if len(rows) < BATCH:
                continue
            copies = copy_images(images[rows], generator)
            with precise():
                logits = network(copies.contiguous(memory_format=torch.channels_last))
            loss = functional.cross_entropy(
                logits.float(), labels[rows], label_smoothing=SMOOTHING
            )
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()


@torch.inference_mode()
def read(network, images):
    """Return the network's outputs (n, 10) before the softmax, float64."""
    network.eval()
    parts = [network(part) for part in images.split(SCORED_AT_ONCE)]
    return torch.cat(parts).double()


def calibrate(logits, labels):
    """Return the temperature by which the log loss is least."""
    temperatures = torch.logspace(-0.7, 0.7, 141, dtype=torch.float64)
    losses = [functional.cross_entropy(logits / each, labels) for each in temperatures]
    return temperatures[int(torch.stack(losses).argmin())]


def main(path, epochs, precision="float32", seed="0"):
    """Fit it and print how well it reads, and what that took."""
    torch.manual_seed(int(seed))
    generator = torch.Generator().manual_seed(int(seed))
    arrays = np.load(path)

    def load(part):
        images = torch.from_numpy(arrays[f"{part}_images"]).float().div_(255)
        return images.unsqueeze(1), torch.from_numpy(arrays[f"{part}_labels"].astype(np.int64))

    train = load("train")

    def precise():
        if precision == "float32":
            return nullcontext()
        return torch.autocast("cpu", dtype=getattr(torch, precision))

    began, used = time.perf_counter(), time.process_time()
    network = build_network()
    fit(network, *train, int(epochs), precise, generator)
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    images, labels = load("calibration")
    temperature = calibrate(read(network, images), labels)
    found = {
        "parameters": sum(each.numel() for each in network.parameters()),
        "epochs": int(epochs),
        "precision": precision,
        "torch": torch.__version__,
        "seconds": seconds,
        "processor_seconds": processor,
    }
    for part in ("validation", "test"):
        images, labels = load(part)
        logits = read(network, images) / temperature
        found[part] = {
            "accuracy": float((logits.argmax(1) == labels).double().mean()),
            "log_loss": float(functional.cross_entropy(logits, labels)),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
