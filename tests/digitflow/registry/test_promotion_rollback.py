"""Going back to a former champion, after it has shown that it is what it was."""

import pytest

from digitflow.errors import ChampionMoved, DamagedArtifact, InputError
from digitflow.models import golden
from digitflow.registry import listing, promotion
from digitflow.registry.promotion import rollback


@pytest.fixture
def second(project):
    return project.promote(2, project.champion())


def spoil(path):
    path.chmod(0o644)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def copies(project, name):
    return list(project.store.root.glob(f"registry/artifacts/*/artifacts/*/{name}"))


def test_the_champion_before_is_champion_again_and_so_back(project, second):
    back = rollback(project.store, "digits", why="sevens got worse")
    assert (back.version, back.entry) == ("1", second.entry + 1)
    assert project.champion() == project.predicting() == back
    assert project.versions() == {"2": ("challenger", "previous"), "1": ("champion",)}
    last = listing.list_history(project.store, "digits")[0]
    assert (last.kind, last.why, last.verdict) == ("rollback", "sevens got worse", None)
    assert project.chain() == ["1", "2", "1"]
    assert rollback(project.store, "digits", "previous").version == "2"
    assert project.chain() == ["1", "2", "1", "2"]


def test_each_time_it_goes_one_further_back(project, second):
    third = project.promote(3, second)
    assert [rollback(project.store, "digits").version for _ in range(2)] == ["2", "1"]
    with pytest.raises(InputError, match=r"before version 1 .*--to 2` \(of 2, 3\)"):
        rollback(project.store, "digits")
    # From whoever is named or promoted then, back leads to who was champion before.
    assert rollback(project.store, "digits", third.version).version == "3"
    assert rollback(project.store, "digits").version == "1"
    fourth = project.promote(4, project.champion())
    assert rollback(project.store, "digits").version == "1"
    assert project.chain() == ["1", "2", "3", "2", "1", "3", "1", fourth.version, "1"]


def test_any_former_champion_can_be_named(project, second):
    project.promote(3, second)
    assert rollback(project.store, "digits", "1").version == "1"


def test_who_never_was_champion_is_refused(project, second):
    project.register(3, second, outcome="keep")
    with pytest.raises(InputError, match=r"never was champion.* 2, 1.*digitflow gate 3"):
        rollback(project.store, "digits", "3")
    with pytest.raises(InputError, match="version 2 of digits is champion already"):
        rollback(project.store, "digits", "champion")
    with pytest.raises(InputError, match="no version '9'"):
        rollback(project.store, "digits", "9")
    assert project.champion() == second


def test_a_first_champion_has_nobody_to_go_back_to(project, empty_project):
    with pytest.raises(InputError, match="only champion"):
        rollback(project.store, "digits")
    with pytest.raises(InputError, match="no champion yet"):
        rollback(empty_project.store, "digits")


def test_a_damaged_file_comes_back_from_mlflow(project, second):
    first = project.make_bundle(1)
    spoil(project.store.path_of(first.model))
    assert rollback(project.store, "digits").bundle == first
    assert project.store.is_intact(first.model)


@pytest.mark.parametrize("name", ["model.skops", "golden-predictions.npy"])
def test_a_version_that_is_damaged_everywhere_is_refused(project, second, name):
    first = listing.list_history(project.store, "digits")[1].champion.bundle
    ref = first.model if name == "model.skops" else first.golden.predictions
    spoil(project.store.path_of(ref))
    for copy in copies(project, name):
        spoil(copy)
    with pytest.raises(DamagedArtifact, match=r"version 1 of digits.*The champion stays"):
        rollback(project.store, "digits")
    assert project.champion() == second
    assert project.chain() == ["1", "2"]


def test_a_version_that_reads_otherwise_than_it_did_is_refused(project, second, monkeypatch):
    other = listing.list_history(project.store, "digits")[0].champion.model
    monkeypatch.setattr(
        golden,
        "check_golden",
        lambda store, model, recorded, real=golden.check_golden: real(store, other, recorded),
    )
    with pytest.raises(DamagedArtifact, match="does not read its 10 golden samples as it did"):
        rollback(project.store, "digits")
    assert project.champion() == second


def test_a_promotion_while_the_old_one_is_checked_wins(project, second, monkeypatch):
    def promote_meanwhile(*args, real=golden.check_golden):
        project.promote(3, second)
        return real(*args)

    monkeypatch.setattr(promotion.golden, "check_golden", promote_meanwhile)
    with pytest.raises(ChampionMoved, match=r"version 3 \(entry 3\) by now"):
        rollback(project.store, "digits")
    assert project.champion().version == "3"
