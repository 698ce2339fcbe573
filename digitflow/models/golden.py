"""Golden predictions: what a model predicted once it must predict wherever it is loaded.

On the same kind of processor with the same versions to the bit, elsewhere the same labels
and probabilities within 1e-6, values within that share of them. `python -m
digitflow.models.golden` is the fresh process that tries it: an order on standard input, a
`LoadCheck` on standard output, both JSON.
"""

import logging
import math
import os
import platform
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from digitflow.data.sets import SampleSet
from digitflow.data.splits import choose_rows
from digitflow.errors import DamagedArtifact, DigitflowError, InputError
from digitflow.models.bundle import Golden, LoadCheck, ModelBundle
from digitflow.models.persistence import load_model
from digitflow.models.predicting import choose_method
from digitflow.store.artifacts import Store
from digitflow.store.lineage import installed_version
from digitflow.store.references import ArrayRef, ModelRef, Record, digest_array
from digitflow.workers.child import THREAD_VARIABLES

LIBRARIES = ("digitflow", "numpy", "scikit-learn", "scipy", "skops")
# What makes linear algebra take other paths than the processor's own.
_STEERING = ("MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def list_libraries() -> dict[str, str]:
    """Return the versions of Python and of what the numbers come from."""
    # Another patch of Python is the same compiled libraries.
    python = ".".join(platform.python_version_tuple()[:2])
    return {"python": python} | {name: installed_version(name) for name in LIBRARIES}


def describe_machine() -> str:
    """Return the kind of processor, as far as the last bit of a sum depends on it."""
    found = np.show_config(mode="dicts") or {}
    extensions = found.get("SIMD Extensions", {}).get("found", [])
    system = f"{platform.system()} {platform.machine()} {''.join(platform.libc_ver())}"
    steered = [f"{name}={os.environ[name]}" for name in _STEERING if name in os.environ]
    parts = (system.strip(), _name_processor(), " ".join(extensions), *steered)
    return ", ".join(part for part in parts if part)


def list_differences(libraries: dict[str, str]) -> str:
    """Write which versions differ from those in use here; empty if none does."""
    here = list_libraries()
    names = sorted(here.keys() | libraries.keys())
    return ", ".join(
        f"{name} {libraries.get(name, 'unknown')} (here is {here.get(name, 'none')})"
        for name in names
        if libraries.get(name) != here.get(name)
    )


def measure_peak_memory() -> float:
    """Return the most memory this process had resident so far, in megabytes."""
    try:
        # Not getrusage: on Linux a process inherits the peak of the one that started it.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        import resource

        unit = 2**20 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _name_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


logger = logging.getLogger(__name__)

GOLDEN_SAMPLES = 32
TIME_LIMIT = 300.0
# What a process may need to start and find its libraries, and what is this machine's own
# arithmetic, for whatever runs on it; nothing else that steers one.
_KEPT_VARIABLES = (
    "PATH", "HOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", *_STEERING,
)  # fmt: skip


class _Order(Record):
    """What a fresh process is to try."""

    root: Path
    model: ModelRef
    golden: Golden


def record_golden(
    store: Store, model: ModelRef, samples: SampleSet, count: int = GOLDEN_SAMPLES
) -> Golden:
    """Note what a model predicts for `count` samples; nothing is random.

    Every class is among them; of a regression, targets from the smallest to the largest.

    Raises
    ------
    DamagedArtifact, InputError
        If the model can't be loaded.
    """
    pipeline = load_model(model, store)
    rows = choose_rows(store.open_array(samples.targets), count)
    chosen = np.array(store.open_array(samples.samples)[rows])
    return Golden(
        samples=store.put_array(chosen),
        predictions=store.put_array(_read(pipeline, chosen)),
        libraries=list_libraries(),
        machine=describe_machine(),
    )


def check_golden(
    store: Store, model: ModelRef, golden: Golden, time_limit: float = TIME_LIMIT
) -> LoadCheck:
    """Load a model in a fresh process with nothing but the package, and repeat its predictions.

    The process sees no folder of the project, no setting of the environment but those of
    the machine's arithmetic, and one thread. Whatever goes wrong in it, a crash included, is
    in the result's `error`.
    """
    # Neither the working directory nor PYTHONPATH brings other modules in. Not -I, which
    # would leave out a package that was installed for this user only.
    command = [sys.executable, "-E", "-P", "-m", "digitflow.models.golden"]
    try:
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as lent:
            root = store.lend((model, golden.samples, golden.predictions), Path(lent))
            order = _Order(root=root, model=model, golden=golden)
            done = subprocess.run(
                command,
                input=order.model_dump_json(),
                capture_output=True,
                text=True,
                encoding="utf-8",
                check=False,
                cwd=folder,
                env=_clean_environment(),
                timeout=time_limit,
            )
    except subprocess.TimeoutExpired:
        return _failed(golden, f"it took longer than {time_limit:g} s and was ended")
    return _read_answer(done, golden).model_copy(update={"trusted": model.trusted})


def repeats(pipeline: Any, golden: Golden, store: Store) -> LoadCheck:
    """Repeat the golden predictions with a loaded model, in this process.

    Whatever goes wrong is in the result's `error`.
    """
    try:
        samples = _open_intact(store, golden.samples)
        expected = _open_intact(store, golden.predictions)
        found = _read(pipeline, samples)
        if found.shape != expected.shape:
            return _failed(golden, f"it predicts {found.shape}, it should {expected.shape}")
    except Exception as exc:  # another version of a library may raise anything
        return _failed(golden, _describe(exc))
    return LoadCheck(
        exact=same_environment(golden),
        n=len(samples),
        labels_differ=_count_other_labels(found, expected),
        # Of no samples there is no largest; a NaN stays one.
        largest_difference=_compare(found, expected) if found.size else math.nan,
        memory_mb=measure_peak_memory(),
    )


def _count_other_labels(found: np.ndarray, expected: np.ndarray) -> int:
    if found.ndim == 1:
        return 0
    return int((found.argmax(axis=1) != expected.argmax(axis=1)).sum())


def _compare(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference; of values, as a share of them, or of their mean size.

    The mean's, where a value is near 0: a share of nothing would forgive no rounding.
    """
    difference = np.abs(found - expected)
    if found.ndim == 1:
        sizes = np.abs(expected)
        difference /= np.maximum(np.maximum(sizes, sizes.mean()), np.finfo(np.float64).tiny)
    return float(difference.max())


def load_bundle(bundle: ModelBundle, store: Store) -> Any:
    """Load a bundle's pipeline; made with other versions, only if it still reads the same.

    Then a warning is logged.

    Raises
    ------
    DamagedArtifact
        If its file is missing or its bytes changed.
    InputError
        If it was made with other versions than are installed, and can't be loaded with
        these or doesn't repeat its golden predictions; or if the file is no model of ours.
    """
    differ = list_differences(bundle.golden.libraries)
    if not differ:
        return load_model(bundle.model, store)
    with _other_versions(differ):
        pipeline = load_model(bundle.model, store)
        tried = repeats(pipeline, bundle.golden, store)
        if not tried.repeated:
            raise InputError(_describe_failure(tried))
    logger.warning(
        "The model was made with %s. It repeats its %d golden predictions, so it is used; "
        "train again to be sure.", differ, tried.n,
    )  # fmt: skip
    return pipeline


def same_environment(golden: Golden) -> bool:
    """Tell whether versions and kind of processor are those the numbers were made with."""
    return golden.libraries == list_libraries() and golden.machine == describe_machine()


def _read(pipeline: Any, samples: np.ndarray) -> np.ndarray:
    """Return predictions, computed as one batch in one thread."""
    import joblib
    from threadpoolctl import threadpool_limits

    # A forest adds up its trees in the order in which its threads finish.
    with threadpool_limits(1), joblib.parallel_config("sequential"):
        return np.asarray(choose_method(pipeline)(samples), np.float64)


def _open_intact(store: Store, ref: ArrayRef) -> np.ndarray:
    array = np.array(store.open_array(ref))
    if digest_array(array) != ref.digest:
        raise DamagedArtifact(f"{store.blobs.describe(ref)}: its bytes changed. Train again.")
    return array


@contextmanager
def _other_versions(differ: str) -> Iterator[None]:
    """Explain by the versions what goes wrong; scikit-learn's own warning says less."""
    from sklearn.exceptions import InconsistentVersionWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InconsistentVersionWarning)
            yield
    except InputError as exc:
        raise InputError(
            f"the model was made with {differ} and can't be used with these versions: {exc} "
            "Install those, or train again."
        ) from exc


def _clean_environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return kept | dict.fromkeys(THREAD_VARIABLES, "1")


def _read_answer(done: "subprocess.CompletedProcess[str]", golden: Golden) -> LoadCheck:
    try:
        return LoadCheck.model_validate_json(done.stdout)
    except ValidationError:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return _failed(golden, f"it ended with exit code {done.returncode}: {said}")


def _failed(golden: Golden, error: str) -> LoadCheck:
    return LoadCheck(
        exact=same_environment(golden),
        n=golden.samples.shape[0],
        labels_differ=0,
        largest_difference=math.nan,
        memory_mb=math.nan,
        error=error,
    )


def _describe(exc: Exception) -> str:
    return str(exc) if isinstance(exc, DigitflowError) else f"{type(exc).__name__}: {exc}"


def _describe_failure(tried: LoadCheck) -> str:
    if tried.error is not None:
        return tried.error
    return (
        f"of {tried.n} golden samples {tried.labels_differ} get another label, "
        f"predictions differ by up to {tried.largest_difference:.2g}."
    )


def main() -> None:
    """Try an order from standard input; in the fresh process."""
    order = _Order.model_validate_json(sys.stdin.read())
    store = Store(order.root)
    try:
        tried = repeats(load_model(order.model, store), order.golden, store)
    except DigitflowError as exc:
        tried = _failed(order.golden, str(exc))
    sys.stdout.write(tried.model_dump_json())


if __name__ == "__main__":
    main()
