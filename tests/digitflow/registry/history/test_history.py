import math
import os
import sys

import pytest

from digitflow.errors import ChampionMoved, InputError
from digitflow.registry import history
from digitflow.registry.history import HISTORY

MOVED = 3
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


def append(store, champion, predecessor, kind="promote", verdict=None):
    return history.append_entry(store, champion, predecessor, kind, "why not", verdict)


def test_before_the_first_entry_there_is_nothing_and_nothing_is_made(store):
    assert history.read_last(store, "digits") is None
    assert history.list_entries(store, "digits") == history.list_models(store) == []
    assert history.list_judgements(store, "digits") == []
    assert history.list_challengers(store, "digits", "t") == set()
    assert not store.root.exists()


def test_an_entry_is_read_as_it_was_written(store, make_champion, make_verdict):
    verdict = make_verdict("m1", outcome="promote")
    written = append(store, make_champion(1), 0, "bootstrap", verdict)
    assert history.read_last(store, "digits").model_dump_json() == written.model_dump_json()
    assert (written.predecessor, written.version, written.why) == (0, "1", "why not")
    assert written.champion == make_champion(1).model_copy(update={"entry": written.id})
    assert written.verdict.reason == "it's 100 % so"
    assert math.isnan(written.verdict.challenger.interval[0])


def test_a_record_that_another_digitflow_wrote_is_one_clear_error(store, make_champion):
    append(store, make_champion(1), 0)
    row = HISTORY.read_rows(store, "SELECT * FROM promotions")[0]
    other = row["champion"].replace('"run":', '"walk":')
    changed = row | {"id": 2, "predecessor": 1, "champion": other}
    HISTORY.fill(store, {"promotions": [changed]})
    with pytest.raises(InputError, match=r"digitflow wrote \(Champion: run: Field requ"):
        history.read_last(store, "digits")


def test_a_verdict_is_repeated_where_nothing_but_the_moment_differs(store, make_verdict):
    def judge(verdict):
        history.add_judgement(store, "digits", "2", verdict, "run")
        return history.is_repeated(store, "digits", verdict)

    keep = make_verdict("m2")
    assert not history.is_repeated(store, "digits", keep)
    assert not judge(keep)
    assert judge(keep)
    assert not judge(make_verdict("m3"))
    assert judge(keep)
    assert not judge(make_verdict("m2", test="others"))
    assert not judge(make_verdict("m2", outcome="reject"))
    assert not history.is_repeated(store, "housing", keep)


def test_entries_follow_one_another_for_each_model_apart(store, make_champion):
    first = append(store, make_champion(1), 0)
    other = append(store, make_champion(1, "housing"), 0)
    second = append(store, make_champion(2), first.id)
    third = append(store, make_champion(1), second.id, "rollback")
    assert history.list_entries(store, "digits") == [third, second, first]
    assert history.list_entries(store, "housing") == [other]
    assert history.list_models(store) == ["digits", "housing"]


@pytest.mark.parametrize("predecessor", [0, 1, 3, 99])
def test_only_the_last_entry_can_be_followed(store, make_champion, predecessor):
    first = append(store, make_champion(1), 0)
    second = append(store, make_champion(2), first.id)
    with pytest.raises(ChampionMoved, match=rf"is version 2 \(entry {second.id}\) by now"):
        append(store, make_champion(3), predecessor)
    assert history.read_last(store, "digits") == second


def test_whoever_is_quicker_after_both_looked_wins(store, make_champion, monkeypatch):
    first = append(store, make_champion(1), 0)
    look, looks = history.read_last, []

    def look_and_be_overtaken(*args):
        found = look(*args)
        if not looks:
            looks.append(True)
            append(store, make_champion(2), first.id)
        return found

    monkeypatch.setattr(history, "read_last", look_and_be_overtaken)
    with pytest.raises(ChampionMoved, match="champion is version 2"):
        append(store, make_champion(3), first.id)
    assert [entry.version for entry in history.list_entries(store, "digits")] == ["2", "1"]


def test_judgements_are_listed_and_different_challengers_counted(store, make_verdict):
    for digest, test in (("a", "t"), ("b", "t"), ("a", "t"), ("c", "other")):
        history.add_judgement(store, "digits", "4", make_verdict(digest, test), "run-1")
    found = history.list_judgements(store, "digits")
    assert [judgement.challenger_digest for judgement in found] == ["c", "a", "b", "a"]
    assert (found[0].version, found[0].champion_entry, found[0].outcome) == ("4", 7, "keep")
    assert found[0].verdict.comparison.test_digest == "other"
    assert history.list_challengers(store, "digits", "t") == {"a", "b"}
    assert history.list_challengers(store, "housing", "t") == set()


def test_of_processes_that_start_a_history_at_once_one_wins(store, make_champion):
    def compete(version):
        code = 1
        try:
            append(store, make_champion(version), 0)
            code = 0
        except ChampionMoved:
            code = MOVED
        except BaseException as exc:
            sys.stderr.write(f"{type(exc).__name__}: {exc}\n")
        finally:
            os._exit(code)

    pids = []
    for version in range(8):
        pid = os.fork()
        if not pid:
            compete(version)
        pids.append(pid)
    codes = sorted(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids)
    assert codes == [0] + [MOVED] * 7
    assert len(history.list_entries(store, "digits")) == 1


def test_going_back_leads_one_further_each_time(store, make_champion):
    def line(*steps):
        entries, last = [], 0
        for kind, version in steps:
            entry = append(
                store, make_champion(version, f"m{len(steps)}{steps[-1]}"), last, kind
            )
            last = entry.id
            entries.insert(0, entry)
        return entries

    def earlier(*steps):
        found = history.find_earlier(line(*steps))
        return None if found is None else found.version

    promote = [("promote", 1), ("promote", 2), ("promote", 3)]
    assert earlier(("bootstrap", 1)) is None
    assert earlier(*promote) == "2"
    # Whoever was gone back from is out of the line.
    assert earlier(*promote, ("rollback", 2)) == "1"
    assert earlier(*promote, ("rollback", 2), ("rollback", 1)) is None
    assert earlier(*promote, ("rollback", 2), ("promote", 4)) == "2"
    # A newer score of the same version is no other champion.
    assert earlier(*promote, ("rescore", 3)) == "2"
    assert earlier(*promote, ("promote", 1)) == "3"


def test_who_was_champion_before_is_another_version(store, make_champion):
    first = append(store, make_champion(1), 0)
    second = append(store, make_champion(2), first.id)
    third = append(store, make_champion(2), second.id, "rescore")
    assert history.find_before([third, second, first]) == first
    assert history.find_before([first]) is None
    assert history.find_aliases(store, "digits") == {"champion": "2", "previous": "1"}
    assert history.find_aliases(store, "housing") == {}
    assert history.find_champion(store, "digits").version == "2"
    assert history.find_champion(store).version == "2"
    with pytest.raises(InputError, match=r"no champion of housing .* one of: digits"):
        history.find_champion(store, "housing")


def test_of_digits_and_their_sample_the_first_is_meant(store, make_champion):
    append(store, make_champion(5, "digits-sample"), 0)
    assert history.find_champion(store).version == "5"
    append(store, make_champion(1), 0)
    assert history.find_champion(store).version == "1"
