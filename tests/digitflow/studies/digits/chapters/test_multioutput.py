"""What is said of denoising is what was found."""

import pytest

from digitflow.studies.chapter import Table, draw_chapter
from digitflow.studies.digits.experiments.multioutput import DENOISERS


def test_before_and_after_are_those_that_were_measured(study_once):
    store, scope, data, found = study_once("multioutput")
    chapter = draw_chapter(store, "multioutput", scope, data, found)
    tables = {part.name: part for part in chapter.parts if isinstance(part, Table)}
    before, read = found["noise"].values, found["reading"].values
    assert [row[0] for row in tables["denoising"].rows] == list(DENOISERS)
    for name, *row in tables["denoising"].rows:
        after = found[f"denoise by {name}"].values
        assert row[:4] == [before["mse"], after["mse"], before["psnr"], after["psnr"]]
        assert row[4:6] == pytest.approx([100 * after["better"], 100 * read[name]])
    best = min(DENOISERS, key=lambda name: found[f"denoise by {name}"].values["mse"])
    assert chapter.findings[0].startswith(f"{best.capitalize()} cleans best")
    assert f"{read['noisy']:.1%} of the noisy ones" in chapter.findings[1]
    assert f"On {scope.test_rows} test images" in tables["denoising"].sentence
