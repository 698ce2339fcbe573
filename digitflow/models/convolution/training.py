"""Train a convolutional network: stochastic gradient descent over altered copies.

A batch is cut into parts, which are normalised by themselves and computed side by side; what
is learnt is the same, to the bit, with any number of threads. All that is drawn follows from
the seed and the number of the step, so that a fit that was cut off goes on as if it had not
been.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from digitflow.augment.stream import CopyStream
from digitflow.models.convolution.network import TrainedNetwork, fold_layer
from digitflow.models.convolution.shapes import NetworkShape, NetworkValues, draw_values
from digitflow.models.session import FitSession

# Images that are normalised together.
PART_ROWS = 64
# The rate begins at this share of its peak and reaches the peak at this share of the steps.
FIRST_RATE, WARM = 0.1, 0.25
# Images that the statistics of the normalisation are measured on at the end.
MEASURED_ROWS = 4096
# A scale over 0 can be folded into the filters of a pooled layer.
LEAST_SCALE = 1e-3
# What the seed is followed by where something is drawn.
_WEIGHTS, _MAPS, _ORDER, _COPIES, _MEASURED = range(5)


@dataclass(frozen=True)
class TrainingPlan:
    """How a network is trained; see `ConvolutionalNetwork` for the fields."""

    epochs: int
    batch: int
    rate: float
    momentum: float
    decay: float
    smoothing: float
    seed: int


@dataclass
class TrainingState:
    """How far a training is.

    Attributes
    ----------
    values : NetworkValues
    velocity : ndarray of shape (p,)
    step : int
        Steps that were made.
    loss : float
        The sum of the losses of this epoch's steps so far.
    losses : list of float
        The mean loss of each epoch before.
    """

    values: NetworkValues
    velocity: np.ndarray
    step: int = 0
    loss: float = 0.0
    losses: list[float] = field(default_factory=list)


class Trainer:
    """Trains a network on images, a step at a time.

    Parameters
    ----------
    shape : NetworkShape
    images : ndarray of shape (n, height, width), uint8
        May be memory-mapped: a batch is read at a time.
    places : ndarray of shape (n,)
        The place of each image's class, 0 to k - 1.
    plan : TrainingPlan
    threads : int
        Parts of a batch that are computed at the same time.
    """

    def __init__(
        self,
        shape: NetworkShape,
        images: np.ndarray,
        places: np.ndarray,
        plan: TrainingPlan,
        threads: int,
    ) -> None:
        self._shape, self._images, self._places, self._plan = shape, images, places, plan
        self._batch = min(plan.batch, len(images))
        values = draw_values(shape, self._generator(_WEIGHTS), np.float32)
        self.state = TrainingState(values, np.zeros_like(values.flat))
        self._decay = _choose_decayed(shape) * np.float32(plan.decay)
        self._copies = CopyStream(images.shape[1:], self._generator(_MAPS))
        self._targets = _smooth(shape.classes, plan.smoothing)
        self._parts = _cut(self._batch)
        rows = [part.stop - part.start for part in self._parts]
        self._networks = [TrainedNetwork(shape, values, count) for count in rows]
        self._threads = min(threads, len(rows))
        self.steps_an_epoch = len(images) // self._batch
        self.steps = self.steps_an_epoch * plan.epochs

    def _generator(self, *purpose: int) -> np.random.Generator:
        return np.random.default_rng([self._plan.seed, *purpose])

    def run(self, session: FitSession) -> None:
        """Make all steps, from the session's checkpoint on; fewer if its time is up."""
        self._go_on(session.load(self._identity()))
        with ThreadPoolExecutor(self._threads) as pool:
            order, drawn_for = np.empty(0, int), -1
            while self.state.step < self.steps:
                epoch, place = divmod(self.state.step, self.steps_an_epoch)
                if epoch != drawn_for:
                    order = self._generator(_ORDER, epoch).permutation(len(self._images))
                    drawn_for = epoch
                start = place * self._batch
                self._make_step(pool, order[start : start + self._batch])
                if place + 1 == self.steps_an_epoch:
                    session.report(self._describe())
                is_over = session.is_over()
                session.save(self._identity(), self._collect, at_once=is_over)
                if is_over:
                    break

    def _describe(self) -> str:
        losses, epochs = self.state.losses, self._plan.epochs
        return f"epoch {len(losses)} of {epochs}, loss {losses[-1]:.4f}"

    def _identity(self) -> str:
        """Return what two fits have in common that go on from each other's checkpoints."""
        return f"{self._shape} {self._plan} {len(self._images)}"

    def _collect(self) -> dict[str, np.ndarray]:
        state = self.state
        done = np.array([state.step, state.loss, *state.losses])
        return {"values": state.values.flat, "velocity": state.velocity, "done": done}

    def _go_on(self, saved: Mapping[str, np.ndarray] | None) -> None:
        if saved is None:
            return
        state = self.state
        state.values.flat[...], state.velocity[...] = saved["values"], saved["velocity"]
        step, state.loss, *state.losses = saved["done"].tolist()
        state.step = int(step)

    def _make_step(self, pool: ThreadPoolExecutor, rows: np.ndarray) -> None:
        def compute(number: int) -> float:
            chosen = rows[self._parts[number]]
            generator = self._generator(_COPIES, state.step, number)
            copies = self._copies.alter(self._images[chosen], generator)
            targets = self._targets[self._places[chosen]]
            return self._networks[number].compute_slopes(copies, targets, 1 / len(rows))

        state = self.state
        state.loss += sum(pool.map(compute, range(len(self._networks))))
        self._descend()
        state.step += 1
        if state.step % self.steps_an_epoch == 0:
            state.losses.append(state.loss / self.steps_an_epoch)
            state.loss = 0.0

    def _descend(self) -> None:
        """Make a step of Nesterov's momentum, as PyTorch's SGD does it."""
        state, momentum = self.state, np.float32(self._plan.momentum)
        slopes = self._networks[0].slopes.flat
        for network in self._networks[1:]:
            slopes += network.slopes.flat
        slopes += self._decay * state.values.flat
        state.velocity *= momentum
        state.velocity += slopes
        slopes += momentum * state.velocity
        rate = self._plan.rate * choose_share(state.step / self.steps)
        state.values.flat[...] -= np.float32(rate) * slopes
        for layer in state.values.layers:
            np.maximum(layer.scale, LEAST_SCALE, out=layer.scale)

    def fold(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return filters and biases, of the dense layer last, that predict.

        The statistics of the normalisation are those of some training images as they are.
        """
        rows = self._networks[0].layers[0].input.shape[0]
        order = self._generator(_MEASURED).permutation(len(self._images))[:MEASURED_ROWS]
        layers = self._networks[0].layers
        sums = [(np.zeros(len(each.sums)), np.zeros(len(each.sums))) for each in layers]
        passes = len(order) // rows
        for start in range(0, passes * rows, rows):
            self._networks[0].run_forward(self._images[order[start : start + rows]])
            for (total, squares), layer in zip(sums, layers, strict=True):
                total += layer.sums / (passes * layer.count)
                squares += layer.squares / (passes * layer.count)
        values = self.state.values
        folded = [
            fold_layer(each, mean, np.maximum(squares - mean**2, 0))
            for each, (mean, squares) in zip(values.layers, sums, strict=True)
        ]
        filters = [*(each.filters for each in folded), values.dense.copy()]
        return filters, [*(each.shift for each in folded), values.bias.copy()]


def choose_share(done: float) -> float:
    """Return the share of the peak rate, 0 to 1, when this share of the steps is done."""
    if done < WARM:
        return FIRST_RATE + (1 - FIRST_RATE) * done / WARM
    return (1 - done) / (1 - WARM)


def _cut(batch: int) -> list[slice]:
    """Cut a batch into parts of about `PART_ROWS`."""
    count = max(1, round(batch / PART_ROWS))
    bounds = [batch * part // count for part in range(count + 1)]
    return [slice(start, end) for start, end in pairwise(bounds)]


def _choose_decayed(shape: NetworkShape) -> np.ndarray:
    """Return 1 for each weight and 0 for scales, shifts and the bias, float32 (p,)."""
    decayed = NetworkValues.of(shape, np.float32)
    for matrix in decayed.matrices():
        matrix[...] = 1
    return decayed.flat


def _smooth(classes: int, smoothing: float) -> np.ndarray:
    """Return what is right of each class, (k, k): the class itself, and a little of all."""
    targets = (1 - smoothing) * np.eye(classes) + smoothing / classes
    return targets.astype(np.float32)
