"""Every route, asked over HTTP, and every reason not to answer, in the command line's words."""

import json
import subprocess

import numpy as np
import pytest


@pytest.fixture
def predict(server, tmp_path):
    """Run `digitflow predict` on a file of this name and content; return what it prints."""

    def run(name, content, *options):
        (tmp_path / name).write_bytes(content)
        command = [server.process.args[0], "predict", name, "--no-log", *options]
        return subprocess.run(
            command, env=server.environ, cwd=tmp_path, capture_output=True, text=True
        )

    return run


def test_a_picture_is_read_as_the_command_line_reads_it(server, predict, png, unseen):
    page = 255 - np.kron(unseen[0][0], np.ones((10, 10), np.uint8))
    status, found = server.post("/predict?file=page.png", png(page), content_type="image/png")
    assert status == 200
    assert found == json.loads(predict("page.png", png(page), "--json").stdout)
    assert found[0]["digit"] == unseen[1][0]


@pytest.mark.parametrize(
    ("name", "content"),
    [("blank.png", None), ("text.png", b"no picture"), ("empty.png", b"")],
)
def test_what_can_not_be_read_is_refused_in_the_same_words(server, predict, png, name, content):
    content = png(np.full((90, 90), 255, np.uint8)) if content is None else content
    status, found = server.post(f"/predict?file={name}", content)
    assert status == 422
    assert predict(name, content).stderr == f"digitflow: error: {found['error']}\n"
