"""What a registered version is and carries: its bundle, how it was made, how it was judged."""

from pathlib import Path
from typing import Any

from digitflow.data.sets import SampleSet
from digitflow.evaluation.evidence import Costs, EvidenceRefs, TestScore
from digitflow.gate.verdict import Verdict
from digitflow.models.bundle import ModelBundle, Signature
from digitflow.store.references import FileRef, ModelRef, Record

COMMAND_LINE = "command line"
MODEL_FILE = "model.skops"
DEFAULT_MODELS = ("digits", "digits-sample")
"""Whose champion is meant where no model is named: the first of these that has one."""


class Champion(Record):
    """The registered version that predicts, with its score on the frozen test samples.

    Attributes
    ----------
    name, version : str
        Registered model and version.
    entry : int
        The entry of the history that it is champion by.
    bundle : ModelBundle
        Its pipeline, from raw samples to predictions, and what belongs to it.
    score : TestScore
        What the gate judged it by.
    run : str
        The run that made it.
    promoted_at : str
        UTC, ISO 8601.
    libraries : dict of str to str
        Versions of the libraries that it was made with.
    """

    name: str
    version: str
    entry: int
    bundle: ModelBundle
    score: TestScore
    run: str
    promoted_at: str
    libraries: dict[str, str]

    @property
    def model(self) -> ModelRef:
        """The pipeline's file."""
        return self.bundle.model

    def __str__(self) -> str:
        return f"version {self.version} (entry {self.entry})"


class TrainingFacts(Record):
    """How a challenger was made; every registered version carries all of it.

    Attributes
    ----------
    run : str
        The run's name.
    config : str
        The whole config, YAML.
    seed : int
        The config's seed.
    data, libraries : dict of str to str
        Digests of the data by name; versions of the libraries by name.
    code : str
        Digest of the code.
    metrics : dict of str to float
        Figures on the validation samples, and costs.
    signature : Signature
        What the model takes and gives.
    test : SampleSet
        What it was judged on, so that it can be judged again.
    feedback : SampleSet or None
        Corrections that it was judged on too, where there were any.
    costs : Costs or None
        What it cost when it was judged.
    trusted : tuple of str
        What the model holds beside scikit-learn's types and ours, because the config says so.
    deployment : str
        Whose run made it: "retrain-on-drift", ..., or "command line".
    """

    run: str
    config: str
    seed: int
    data: dict[str, str]
    code: str
    libraries: dict[str, str]
    metrics: dict[str, float]
    signature: Signature
    test: SampleSet
    feedback: SampleSet | None = None
    costs: Costs | None = None
    trusted: tuple[str, ...] = ()
    deployment: str = COMMAND_LINE


class Registration(Record):
    """All that a registered version carries.

    Attributes
    ----------
    model, version : str
        Registered model and number.
    registered_at : str
        UTC, ISO 8601; when it was judged again, the later one.
    bundle : ModelBundle
        Its files.
    score : TestScore
        On the test samples that it was judged on last.
    facts : TrainingFacts
        How it was made.
    verdict : Verdict
        On this version as a challenger.
    aliases : tuple of str
        "champion", "previous", "challenger": those that name it now.
    """

    model: str
    version: str
    registered_at: str
    bundle: ModelBundle
    score: TestScore
    facts: TrainingFacts
    verdict: Verdict
    aliases: tuple[str, ...] = ()

    def summarise(self) -> dict[str, Any]:
        """Return what a list shows of it, as plain values."""
        shown = {"model", "version", "aliases", "score", "registered_at"}
        return self.model_dump(mode="json", include=shown) | {
            "outcome": self.verdict.outcome,
            "reason": self.verdict.reason,
            "run": self.facts.run,
            "model_path": self.bundle.model.path,
        }

    def make_champion(self, score: TestScore, at: str) -> Champion:
        """Return it as a champion whose entry is not written yet."""
        return Champion(
            name=self.model,
            version=self.version,
            entry=0,
            bundle=self.bundle,
            score=score,
            run=self.facts.run,
            promoted_at=at,
            libraries=self.facts.libraries,
        )


def write_pages(folder: Path, verdict: Verdict, facts: TrainingFacts) -> dict[str, Path]:
    """Write verdict, facts and config as files for whoever looks with MLflow, by name."""
    pages = {
        "verdict.json": verdict.model_dump_json(indent=2),
        "facts.json": facts.model_dump_json(indent=2, exclude={"config"}),
        "config.yaml": facts.config,
    }
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")
    return {name: folder / name for name in pages}


def list_files(bundle: ModelBundle) -> dict[str, FileRef]:
    """Return {name: reference} of every file that a bundle is made of."""
    files: dict[str, FileRef] = {
        MODEL_FILE: bundle.model,
        "golden-samples.npy": bundle.golden.samples,
        "golden-predictions.npy": bundle.golden.predictions,
    }
    if bundle.reject_option is not None and bundle.reject_option.detector is not None:
        files["outliers.skops"] = bundle.reject_option.detector
    if bundle.reference is not None:
        files |= {
            f"reference-{name}.npy": part
            for name, part in bundle.reference
            if isinstance(part, FileRef)
        }
    return files


class Decision(Record):
    """The verdict, what it rests on, and who is champion now.

    `version` is the challenger's in the registry; None where it is the champion itself.
    """

    verdict: Verdict
    refs: EvidenceRefs
    champion: Champion | None
    version: str | None = None


# MLflow's, where it is the store's own: it is never made before the history.
MIRROR_FILE = "registry/mlflow.db"
