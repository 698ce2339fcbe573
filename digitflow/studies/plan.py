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

from digitflow.catalogue import find_sections
from digitflow.data.sets import SampleSet
from digitflow.errors import InputError, list_some
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, FileRef, ModelRef, Record
from digitflow.studies.scope import Scope


class StudyData(Record):
    """The samples of a study: what is learnt from, and what tells how well.

    `train` keeps the order of its source, since published figures depend on it. `test` is
    never learnt from, nor chosen by.
    """

    train: SampleSet
    test: SampleSet


class Experiment(Record):
    """One computation: cached, in a process of its own, beside others.

    Equal module, function, params and needs mean the same computation, in whatever section
    they stand: it is done once.

    Attributes
    ----------
    name : str
        How it is called, once in a section: "random forest on 80/20".
    function : str
        Dotted name, "digitflow.studies.digits.experiments.algorithms.judge_model", of a
        function `(context, **params) -> Findings`.
    params : dict
        Plain JSON values. All that shapes the result beside the data and the seed.
    needs : tuple of str
        Names of experiments, before this one in the plan, whose findings it is given.
    selected : tuple of str
        Dotted names of modules that its parameters select, a recipe or an estimator: their
        source counts as that of its own module does.
    time_limit : float or None
        Seconds after which it is ended.
    local : bool
        Whether it is computed by the run's machine, whatever cluster there is: as where it
        keeps a database.
    """

    NOT_IN_KEY: ClassVar[frozenset[str]] = frozenset(
        {"name", "selected", "time_limit", "local"}
    )

    name: str
    function: str
    params: dict[str, Any] = Field(default_factory=dict)
    needs: tuple[str, ...] = ()
    selected: tuple[str, ...] = ()
    time_limit: float | None = None
    local: bool = False

    @property
    def module(self) -> str:
        """The dotted name of the module that computes it."""
        return self.function.rpartition(".")[0]

    def modules(self) -> tuple[str, ...]:
        """Return the names of the modules whose source shapes its findings."""
        return (self.module, *self.selected)

    def select(self, *modules: str) -> "Experiment":
        """Return it as one whose parameters select these modules."""
        return self.model_copy(update={"selected": modules})

    def stay_local(self) -> "Experiment":
        """Return it as one that the run's machine computes."""
        return self.model_copy(update={"local": True})


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
        References to the samples.
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


# The order of the reports; a section that is not named here comes after these.
ORDER = {
    "digits": (
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
    ),
    "table": ("explore", "split", "models", "search", "evaluate"),
}


def list_sections(workload: str) -> list[str]:
    """Return the names of the sections about a kind of data, in the order of the report."""
    known, order = find_sections(workload).names(), ORDER.get(workload, ())
    return sorted(known, key=lambda name: (*order, name).index(name))


def choose_sections(workload: str, names: Sequence[str]) -> list[str]:
    """Return the named sections in the order of the report, each once; all if none is named.

    Raises
    ------
    InputError
        If there is no such section; it lists the known ones.
    """
    known = list_sections(workload)
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
        If there is no such section, or its study can't be made of these samples.
    """
    (section,) = choose_sections(scope.workload, (name,))
    return drop_repeated(find_sections(scope.workload).load(section).plan(scope))


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
