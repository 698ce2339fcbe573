"""What changes the registry: registering, judging, promoting, going back."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from digitflow.errors import ChampionMoved, DamagedArtifact, InputError, list_some
from digitflow.evaluation.evidence import TestScore
from digitflow.gate.verdict import Verdict
from digitflow.models import golden
from digitflow.models.bundle import ModelBundle
from digitflow.registry import history, listing, mlflow, mlflow_files
from digitflow.registry.champion import (
    align_aliases,
    open_registry,
    read_champion,
    restore_file,
    settle,
)
from digitflow.registry.history import Entry
from digitflow.registry.versions import (
    Champion,
    Registration,
    TrainingFacts,
    list_files,
    write_pages,
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
    found = Registration(
        model=model,
        version="",
        registered_at=now(),
        bundle=bundle,
        score=verdict.challenger,
        facts=facts,
        verdict=verdict,
    )
    with open_registry(store, model) as client, TemporaryDirectory() as folder:
        pages = write_pages(Path(folder), verdict, facts)
        version = mlflow.mirror_version(client, store, found, pages)
        history.add_registration(store, found.model_copy(update={"version": version}))
        align_aliases(client, store, model)
    return version


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
        champion = read_champion(store, model)
        if champion is None or not _is_same(champion, verdict):
            challenger = _make_challenger(store, model, version, verdict)
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
    """Note the champion's score on new test samples: from now on it is judged on those.

    Raises
    ------
    ChampionMoved
        If another one is champion by now, or this one by another entry.
    """
    model, why = champion.name, "judged on other test samples"
    found = read_champion(store, model)
    if found is not None and found.version == champion.version and found.score == score:
        return found
    again = champion.model_copy(update={"score": score})
    registered = listing.find_registration(store, model, champion.version)
    history.add_registration(
        store, registered.model_copy(update={"score": score}), rescored=True
    )
    return history.append_entry(store, again, champion.entry, "rescore", why).champion


def attach_report(store: Store, model: str, version: str, report: Path) -> None:
    """Keep a run's report, one HTML file, with a version (a number or an alias).

    Raises
    ------
    InputError
        If there is no such file or version.
    """
    if not report.is_file():
        raise InputError(f"there is no report {report}")
    number = listing.find_registration(store, model, version).version
    with open_registry(store, model) as client:
        run_id = client.get_model_version(model, number).run_id
        mlflow_files.put_files(client, store, run_id, {"index.html": report}, "report")


def _is_same(champion: Champion, verdict: Verdict) -> bool:
    """Tell whether this was promoted already: by us before we were killed, or by a twin."""
    return (champion.model.digest, champion.score.test_digest) == (
        verdict.comparison.challenger_digest,
        verdict.comparison.test_digest,
    )


def _make_challenger(store: Store, model: str, version: str, verdict: Verdict) -> Champion:
    found = listing.find_registration(store, model, version)
    judged = verdict.comparison.challenger_digest
    if found.bundle.model.digest != judged:
        raise ValueError(f"version {version} of {model} is not the model {judged} judged")
    return found.make_champion(verdict.challenger, now())


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
        f"{champion or 'none'} by now. Judge it again."
    )


def rollback(store: Store, model: str, to: str | None = None, why: str = "") -> Champion:
    """Make a former champion champion again, after it was loaded and repeated its readings.

    Parameters
    ----------
    to : str, optional
        A version number or an alias; the default is who was champion before this one, one
        further back each time.
    why : str
        For the history.

    Raises
    ------
    InputError
        If there is no such former champion.
    DamagedArtifact
        If its files are damaged, also in MLflow, or it reads its golden samples otherwise.
    ChampionMoved
        If somebody else promoted meanwhile.
    """
    if read_champion(store, model) is None:
        raise InputError(f"{model} has no champion yet: there is nothing to go back from")
    entries = history.list_entries(store, model)
    target = _choose_former(store, model, entries, to)
    with open_registry(store, model) as client:
        _require_files(client, store, target)
    # Without the lock: it takes seconds, and the history tells if somebody was quicker.
    tried = golden.check_golden(store, target.model, target.bundle.golden)
    if not tried.repeated:
        raise DamagedArtifact(
            f"version {target.version} of {model} does not read its {tried.n} golden samples "
            f"as it did ({tried.error or f'{tried.labels_differ} other labels'}). The "
            f"champion stays {entries[0].champion}."
        )
    champion = target.model_copy(update={"promoted_at": now()})
    with open_registry(store, model) as client:
        said = why or f"back from version {entries[0].version}"
        history.append_entry(store, champion, entries[0].id, "rollback", said)
        return settle(client, store, model)


def _choose_former(store: Store, model: str, entries: list[Entry], to: str | None) -> Champion:
    """Return whom to go back to, as it was champion last."""
    if to is None:
        if (earlier := history.find_earlier(entries)) is None:
            raise InputError(_describe_end(model, entries))
        return earlier.champion
    version = listing.find_registration(store, model, to).version
    if version == entries[0].version:
        raise InputError(f"version {version} of {model} is champion already")
    for entry in entries:
        if entry.version == version:
            return entry.champion
    were = ", ".join(dict.fromkeys(entry.version for entry in entries))
    raise InputError(
        f"version {version} of {model} never was champion, and going back is for those that "
        f"were: {were}. `digitflow gate {version}` judges it."
    )


def _describe_end(model: str, entries: list[Entry]) -> str:
    version = entries[0].version
    others = list(dict.fromkeys(each.version for each in entries if each.version != version))
    if not others:
        return f"version {version} is {model}'s only champion so far"
    return (
        f"nothing lies before version {version} of {model}, to which it has been gone back. "
        f"Former champions can be named: `digitflow rollback --to {others[0]}` (of "
        f"{list_some(others)})"
    )


def _require_files(client: Any, store: Store, champion: Champion) -> None:
    """Hash every file of a bundle; what is damaged comes back from MLflow, or it's refused."""
    for name, ref in list_files(champion.bundle).items():
        try:
            store.verify(ref)
        except DamagedArtifact:
            restore_file(client, store, champion, name, ref)
            if not store.has(ref):
                raise DamagedArtifact(
                    f"{store.blobs.describe(ref)}, a file of version {champion.version} of "
                    f"{champion.name}, is damaged or missing, and MLflow has no intact "
                    "copy. The champion stays."
                ) from None
