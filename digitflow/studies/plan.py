"""What a study is made of: what it is about, its experiments, and what they found."""

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from digitflow.catalogue import EXPERIMENTS
from digitflow.config.digits import StudySettings
from digitflow.data.sets import LabelledImages, SampleSet, open_set
from digitflow.errors import InputError, list_some
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, FileRef, ModelRef, Record


class StudyData(Record):
    """The digits of a study: what is learnt from, and what tells how well.

    `train` keeps the order of its source, since published figures depend on it. `test` is
    never learnt from, nor chosen by.
    """

    train: SampleSet
    test: SampleSet


class Scope(Record):
    """What a section must know to plan its experiments, before any is computed.

    Attributes
    ----------
    source : str
        Kind of the source: "mnist", "builtin", ...
    train_rows, test_rows : int
        How many images there are.
    complete : bool
        Whether these are all images of the source, as published figures need.
    writers : bool
        Whether it is known who wrote the training images; `test_writers`: the test images.
    seed : int
        For whatever is drawn at random.
    settings : StudySettings
        The config's section `study`.
    """

    source: str
    train_rows: int
    test_rows: int
    complete: bool
    writers: bool
    test_writers: bool
    seed: int
    settings: StudySettings

    @property
    def is_mnist(self) -> bool:
        """Whether this is the whole of MNIST, of which the published figures are."""
        return self.source == "mnist" and self.complete


class Experiment(Record):
    """One computation: cached, in a process of its own, beside others.

    Equal module, function, params and needs mean the same computation, in whatever section
    they stand: it is done once.

    Attributes
    ----------
    name : str
        How it is called, once in a section: "random forest on 80/20".
    function : str
        Dotted name, "digitflow.studies.experiments.algorithms.fit_algorithm", of a function
        `(context, **params) -> Findings`.
    params : dict
        Plain JSON values. All that shapes the result beside the data and the seed.
    needs : tuple of str
        Names of experiments, before this one in the plan, whose findings it is given.
    time_limit : float or None
        Seconds after which it is ended.
    """

    NOT_IN_KEY: ClassVar[frozenset[str]] = frozenset({"name", "time_limit"})

    name: str
    function: str
    params: dict[str, Any] = Field(default_factory=dict)
    needs: tuple[str, ...] = ()
    time_limit: float | None = None

    @property
    def module(self) -> str:
        """The dotted name of the module that computes it."""
        return self.function.rpartition(".")[0]


Plan = tuple[Experiment, ...]


def plan_experiment(
    name: str, function: Callable[..., "Findings"], /, *needs: str, **params: Any
) -> Experiment:
    """Return the experiment that calls a module's function with these parameters."""
    dotted = f"{function.__module__}.{function.__name__}"
    return Experiment(name=name, function=dotted, params=params, needs=needs)


def drop_repeated(plan: Iterable[Experiment]) -> Plan:
    """Return the experiments in their order, equal ones once."""
    kept: list[Experiment] = []
    for experiment in plan:
        if experiment not in kept:
            kept.append(experiment)
    return tuple(kept)


class Findings(Record):
    """What an experiment found, as plain values and references.

    Attributes
    ----------
    values : dict
        JSON: numbers, text, lists, dicts with text as keys; None for what is missing, no
        NaN. What is equal for equal inputs.
    measured : dict
        Seconds and the like, which differ from run to run; they are in nobody's cache key.
    arrays, models, files : dict
        What is too large for that, in the store.
    warnings : tuple of str
        What the libraries warned of, each once.
    """

    NOT_IN_KEY: ClassVar[frozenset[str]] = frozenset({"measured", "warnings"})

    values: dict[str, Any] = Field(default_factory=dict)
    measured: dict[str, float] = Field(default_factory=dict)
    arrays: dict[str, ArrayRef] = Field(default_factory=dict)
    models: dict[str, ModelRef] = Field(default_factory=dict)
    files: dict[str, FileRef] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExperimentContext:
    """What an experiment works with, in its process.

    Attributes
    ----------
    store : Store
        Where arrays and models are read from and kept.
    data : StudyData
        References to the digits.
    seed : int
        For whatever is drawn at random.
    threads : int
        How many it may use; results depend on them in their last digits at most.
    given : mapping of str to Findings
        What the experiments found that it needs, by their names.
    seconds : dict of str to float
        What was timed so far.
    """

    store: Store
    data: StudyData
    seed: int
    threads: int
    given: Mapping[str, Findings] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def keep(self, **arrays: np.ndarray) -> dict[str, ArrayRef]:
        """Put arrays into the store, by the names that findings have them by."""
        return {name: self.store.put_array(array) for name, array in arrays.items()}

    def open(self, name: str, *arrays: str) -> tuple[np.ndarray, ...]:
        """Open arrays, memory-mapped, that a needed experiment found, in the order asked."""
        found = self.given[name].arrays
        return tuple(self.store.open_array(found[array]) for array in arrays)

    def train(self) -> LabelledImages:
        """Open the training images, memory-mapped: uint8 (n, 28, 28), labels 0 to 9."""
        return open_set(self.store, self.data.train)

    def test(self) -> LabelledImages:
        """Open the test images, memory-mapped."""
        return open_set(self.store, self.data.test)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Note how long the block takes, as the finding "<step>_seconds"."""
        began = time.perf_counter()
        yield
        self.seconds[f"{step}_seconds"] = time.perf_counter() - began

    def fit_and_predict(
        self, model: Any, rows: np.ndarray, labels: np.ndarray, asked: np.ndarray
    ) -> np.ndarray:
        """Fit a model and return what it makes of other rows; both is timed."""
        with self.timed("fit"):
            model.fit(rows, labels)
        with self.timed("predict"):
            return np.asarray(model.predict(asked))


def compute(
    store: Store,
    experiment: Experiment,
    data: StudyData,
    given: Mapping[str, Findings],
    seed: int,
    threads: int = 1,
) -> Findings:
    """Compute one experiment; this runs in a process of its own.

    Linear algebra is limited to `threads` threads. How long it took is among what it
    measured, as "seconds", beside the steps that it timed.
    """
    from threadpoolctl import threadpool_limits

    function = getattr(import_module(experiment.module), experiment.function.rpartition(".")[2])
    context = ExperimentContext(store, data, seed, threads, given)
    began = time.perf_counter()
    with threadpool_limits(threads), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        findings: Findings = function(context, **experiment.params)
    took = {"seconds": round(time.perf_counter() - began, 3)}
    said = dict.fromkeys(str(warning.message).splitlines()[0] for warning in caught)
    return findings.model_copy(
        update={"measured": took | context.seconds | findings.measured, "warnings": tuple(said)}
    )


# The order of the report; a section that is not named here comes after these.
ORDER = (
    "explore",
    "detector",
    "strategies",
    "algorithms",
    "tuning",
    "augmentation",
    "multilabel",
    "multioutput",
    "ensembles",
    "scratch",
    "errors",
    "robustness",
)


def list_sections() -> list[str]:
    """Return the names of the sections, in the order of the report."""
    known = EXPERIMENTS.names()
    return sorted(known, key=lambda name: (*ORDER, name).index(name))


def choose_sections(names: Sequence[str]) -> list[str]:
    """Return the named sections in the order of the report, each once; all if none is named.

    Raises
    ------
    InputError
        If there is no such section; it lists the known ones.
    """
    known = list_sections()
    unknown = [name for name in dict.fromkeys(names) if name not in known]
    if unknown:
        raise InputError(
            f"there is no section {list_some(unknown)}; known: {list_some(known, len(known))}"
        )
    return [name for name in known if name in names or not names]


def plan_section(name: str, scope: Scope) -> Plan:
    """Return a section's experiments, equal ones once; one comes after those that it needs.

    Raises
    ------
    InputError
        If there is no such section, or its study can't be made of these digits.
    """
    (section,) = choose_sections((name,))
    return drop_repeated(EXPERIMENTS.load(section).plan(scope))


def check_plan(plan: Sequence[Experiment]) -> None:
    """Raise `InputError` unless names are unique, and what is needed comes before."""
    before: set[str] = set()
    for experiment in plan:
        missing = [name for name in experiment.needs if name not in before]
        if missing:
            raise InputError(f"{experiment.name} needs {list_some(missing)}, planned before it")
        if experiment.name in before:
            raise InputError(
                f"two experiments are called {experiment.name!r}, give one another name"
            )
        before.add(experiment.name)
