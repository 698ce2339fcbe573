import pytest


@pytest.fixture
def write(tmp_path):
    """Write modules into a folder, by their paths; return the folder."""

    def write_modules(sources, folder="project"):
        for path, text in sources.items():
            file = tmp_path / folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path / folder

    return write_modules
