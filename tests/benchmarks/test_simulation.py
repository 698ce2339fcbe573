"""The simulation of other numbers of workers: right where the answer is known by hand."""

import pytest
from simulation import Work, find_digests, grow, read_exponents, read_works, simulate

FITS = [Work(f"fit {n}", 3.0, ("read",), True, "svm") for n in range(4)]
RUN = [
    Work("read", 1.0, (), False, None),
    *FITS,
    Work("judge", 2.0, tuple(fit.name for fit in FITS), False, None, grows=False),
]


@pytest.mark.parametrize(("workers", "seconds"), [(1, 15.0), (2, 9.0), (3, 9.0), (4, 6.0)])
def test_fits_take_turns_on_workers_and_the_rest_waits_for_them(workers, seconds):
    assert simulate(RUN, workers) == seconds


def test_more_workers_than_work_bring_nothing():
    assert simulate(RUN, 1000) == simulate(RUN, 4) == 6.0


def test_who_was_asked_for_first_gets_the_free_worker():
    long_last = [
        Work("a", 1.0, (), True, None),
        Work("b", 1.0, (), True, None),
        Work("c", 4.0, (), True, None),
    ]
    assert simulate(long_last, 2) == 5.0
    assert simulate(long_last[::-1], 2) == 4.0


def test_work_in_the_runs_own_process_needs_no_worker():
    assert simulate([Work("a", 2.0, (), False, None), Work("b", 3.0, (), True, None)], 1) == 3.0


def test_a_circle_is_refused():
    circle = [Work("a", 1.0, ("b",), True, None), Work("b", 1.0, ("a",), True, None)]
    with pytest.raises(ValueError, match="2 tasks wait for each other"):
        simulate([*circle, Work("c", 1.0, (), True, None)], 1)


def test_more_data_takes_longer_by_each_algorithms_power():
    grown = {work.name: work.seconds for work in grow(RUN, 10, {"svm": 2.0})}
    assert grown == {"read": 10.0, "judge": 2.0} | {fit.name: 300.0 for fit in FITS}


def test_exponents_are_read_from_the_table(tmp_path):
    page = tmp_path / "scaling.md"
    page.write_text("| algorithm | time | memory |\n|---|---|---|\n| `svm` | 1.9 | 0.2 |\n")
    assert read_exponents(page) == {"svm": 1.9}


def test_digests_are_found_wherever_they_are():
    digest = "0" * 31 + "a"
    assert find_digests({"a": [{"b": digest}], "c": "0", "d": 3}) == {digest}


def test_a_runs_record_gives_its_tasks_what_they_need_and_whether_they_compute(store):
    from digitflow.store.runs import open_run

    made, digest = "a" * 32, {"digest": "a" * 32}
    with open_run(store, "r-1", job="train", model="m") as log:
        for name, key, function, inputs, outputs in (
            ("ingest", True, "digitflow.data.ingestion.ingest_digits", {}, [digest]),
            ("fit", True, "digitflow.models.fitting.fit_candidate",
             {"choice": {"estimator": "svm"}, "prepared": made}, []),
            ("register", False, "", {}, []),
        ):  # fmt: skip
            if key:
                log.note("key", name, key="k", function=function, inputs=inputs,
                         modules={}, libraries={})  # fmt: skip
            log.note("started", name)
            log.note("computed", name, seconds=1.5, outputs=outputs)
    ingest, fit, register = read_works(store, "r-1")
    assert (ingest.needs, ingest.computes) == ((), False)
    assert (fit.needs, fit.computes, fit.estimator) == (("ingest",), True, "svm")
    assert (register.needs, register.grows) == (("fit", "ingest"), False)
    assert simulate([ingest, fit, register], 1) == 4.5
