import pytest

from digitflow.errors import InputError
from digitflow.registry import mlflow_client
from digitflow.registry.listing import (
    choose_model,
    find_registration,
    list_models,
    list_versions,
)


def test_versions_are_listed_the_newest_first(project):
    project.register(2, project.champion(), outcome="keep")
    type(project)(project.store, "digits-sample").promote(3, None)
    found = list_versions(project.store)
    assert [(v.model, v.version, v.verdict.outcome) for v in found] == [
        ("digits", "2", "keep"),
        ("digits", "1", "bootstrap"),
        ("digits-sample", "1", "bootstrap"),
    ]
    assert [v.version for v in list_versions(project.store, "digits-sample")] == ["1"]
    assert list_versions(project.store, "housing") == []


def test_a_version_of_somebody_else_is_not_listed(project):
    with mlflow_client.open_client(project.store) as client:
        client.create_model_version("digits", "file:///nowhere")
    assert [version.version for version in list_versions(project.store)] == ["1"]
    with pytest.raises(InputError, match="no version '2'"):
        find_registration(project.store, "digits", "2")


def test_an_alias_that_was_given_in_mlflow_names_its_version(project):
    with mlflow_client.open_client(project.store) as client:
        client.set_registered_model_alias("digits", "best", "1")
    assert find_registration(project.store, "digits", "best").version == "1"
    with pytest.raises(InputError, match=r"no version 'worst'.*1, best, challenger, champion"):
        find_registration(project.store, "digits", "worst")


def test_without_a_name_the_model_is_digits_else_digits_sample(project):
    other = type(project)(project.store, "digits-sample")
    assert choose_model(project.store, None) == "digits"
    other.register(3, None, outcome="reject")
    assert choose_model(project.store, None) == "digits"
    assert choose_model(project.store, "digits-sample") == "digits-sample"
    with pytest.raises(InputError, match=r"housing is not registered.*digits, digits-sample"):
        choose_model(project.store, "housing")


def test_where_nothing_is_registered_everything_asked_for_is_bad_input(empty_project):
    assert list_models(empty_project.store) == []
    with pytest.raises(InputError, match=r"digits or digits-sample.*`digitflow train`"):
        choose_model(empty_project.store, None)
    with pytest.raises(InputError, match="nothing is registered yet"):
        find_registration(empty_project.store, "digits", "1")
    assert not empty_project.store.root.exists()
