"""What changes the registry: registering, judging, promoting."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from digitflow.errors import ChampionMoved, InputError
from digitflow.evaluation.scoring import TestScore
from digitflow.gate.verdict import Verdict
from digitflow.models.bundle import ModelBundle
from digitflow.registry import history, mlflow
from digitflow.registry.champion import (
    describe,
    follow,
    lock_model,
    open_registry,
    point,
    settle,
)
from digitflow.registry.pointer import Champion
from digitflow.registry.versions import (
    TAG,
    TrainingFacts,
    make_champion,
    read_bundle_tag,
    write_pages,
    write_tags,
)
from digitflow.store.artifacts import Store
from digitflow.store.runs import now


def register(
    store: Store, model: str, bundle: ModelBundle, verdict: Verdict, facts: TrainingFacts
) -> str:
    """Keep a challenger that was judged as a version, whatever the verdict; return which.

    A version of the same model file is used again and brought up to date. The alias
    `challenger` names it from now on.

    Parameters
    ----------
    model : str
        Name in the registry.
    bundle : ModelBundle
        Its files are in the store.
    verdict : Verdict
        On this bundle's model.
    facts : TrainingFacts
        How it was made.
    """
    tags = write_tags(bundle, verdict, facts)
    score = verdict.challenger
    metrics = facts.metrics | {"test_accuracy": score.accuracy, "test_images": score.n}
    with open_registry(store, model) as client, TemporaryDirectory() as folder:
        pages = write_pages(Path(folder), verdict, facts)
        version = mlflow.find_by_digest(client, model, bundle.model.digest)
        if version is not None:
            mlflow.update_version(client, store, version, metrics, tags, pages)
        else:
            params = {"seed": str(facts.seed), "code": facts.code, **facts.data}
            version = mlflow.create_version(
                client, store, model, bundle, params, metrics, tags, pages
            )
        number = str(version.version)
        mlflow.set_alias(client, model, mlflow.CHALLENGER, number)
    return number


def record_judgement(
    store: Store, model: str, version: str, verdict: Verdict, run: str
) -> None:
    """Note a verdict in the history; it counts as a look at the test images."""
    with lock_model(store, model):
        history.add_judgement(store, model, version, verdict, run)
        point(store, model)


def promote(
    store: Store, model: str, version: str, verdict: Verdict, why: str = "", run: str = ""
) -> Champion:
    """Make a registered version champion, if it was judged against who is that now.

    The history takes one entry after the one that the verdict names, in one step; from
    then on it is champion. Killed at any point and called again, it goes on.

    Parameters
    ----------
    version : str
        A version number or an alias.
    verdict : Verdict
        A promotion of this version's model; its comparison names the champion's entry.
    why : str
        For the history; empty takes the verdict's reason.
    run : str
        The run that promotes it; empty takes the one that made it.

    Raises
    ------
    ChampionMoved
        If the champion is another one than the verdict was reached against, or another run
        has promoted this one meanwhile.
    InputError
        If there is no such version.
    """
    if not verdict.promoted:
        raise ValueError(f"this verdict is no promotion: {verdict.reason}")
    with open_registry(store, model) as client:
        champion = follow(store, model)
        if champion is None or not _is_same(champion, verdict):
            challenger = _make_challenger(client, model, version, verdict)
            if run:
                challenger = challenger.model_copy(update={"run": run})
            _require_unmoved(model, champion, verdict)
            history.append_entry(
                store,
                challenger,
                predecessor=verdict.comparison.champion_entry or 0,
                kind="bootstrap" if verdict.outcome == "bootstrap" else "promote",
                why=why or verdict.reason,
                verdict=verdict,
            )
        elif run not in ("", champion.run):
            raise ChampionMoved(
                f"the run {champion.run} has promoted version {champion.version} of {model} "
                "meanwhile. Judge it again."
            )
        return settle(client, store, model)


def record_score(store: Store, champion: Champion, score: TestScore) -> Champion:
    """Note the champion's score on new test images: from now on it is judged on those.

    Raises
    ------
    ChampionMoved
        If another one is champion by now, or this one by another entry.
    """
    model = champion.name
    with open_registry(store, model) as client:
        found = follow(store, model)
        same = found is not None and found.version == champion.version
        if not (same and found is not None and found.score == score):
            again = champion.model_copy(update={"score": score})
            why = "judged on other test images"
            history.append_entry(store, again, champion.entry, "rescore", why)
        tag, text = f"{TAG}score", score.model_dump_json()
        client.set_model_version_tag(model, champion.version, tag, text)
        return settle(client, store, model)


def attach_report(store: Store, model: str, version: str, report: Path) -> None:
    """Keep a run's report, one HTML file, with a version (a number or an alias).

    Raises
    ------
    InputError
        If there is no such file or version.
    """
    if not report.is_file():
        raise InputError(f"there is no report {report}")
    with open_registry(store, model) as client:
        found = mlflow.find_version(client, model, version)
        mlflow.put_files(client, store, found.run_id, {"index.html": report}, "report")


def _is_same(champion: Champion, verdict: Verdict) -> bool:
    """Tell whether this was promoted already: by us before we were killed, or by a twin."""
    return (champion.model.digest, champion.score.test_digest) == (
        verdict.comparison.challenger_digest,
        verdict.comparison.test_digest,
    )


def _make_challenger(client: Any, model: str, version: str, verdict: Verdict) -> Champion:
    found = mlflow.find_version(client, model, version)
    bundle = read_bundle_tag(found)
    judged = verdict.comparison.challenger_digest
    if bundle is None or bundle.model.digest != judged:
        raise ValueError(f"version {version} of {model} is not the model {judged} judged")
    return make_champion(found, bundle, verdict.challenger, now())


def _require_unmoved(model: str, champion: Champion | None, verdict: Verdict) -> None:
    """Refuse early, with both names; the history refuses it too."""
    comparison = verdict.comparison
    if (None if champion is None else champion.entry) == comparison.champion_entry:
        return
    judged = "none"
    if comparison.champion_entry is not None:
        judged = f"version {comparison.champion_version} (entry {comparison.champion_entry})"
    raise ChampionMoved(
        f"the challenger of {model} was judged against {judged}, and the champion is "
        f"{describe(champion)} by now. Judge it again."
    )
