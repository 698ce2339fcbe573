"""Take the README's pictures: the report of a run, and the run in the Prefect UI.

Trains on the built-in digits behind a service of its own, in a temporary folder, looks at
both pages with a headless Chromium, and writes docs/pictures/*.png.

    python docs/take_pictures.py

It needs Chromium (Debian: chromium); without one it says so and ends with 1.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx
from PIL import Image

from digitflow.service.environment import read_state
from digitflow.store.artifacts import Store

REPOSITORY = Path(__file__).resolve().parent.parent
PICTURES = Path(__file__).parent / "pictures"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Of the page as it is drawn, and of the picture as it is kept.
WIDTH, KEPT_WIDTH = 1280, 960
COLOURS = 96
# The UI draws its graph after it has asked the server for it.
PATIENCE_MS = 15_000
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars",
)  # fmt: skip


def main() -> int:
    """Train, look, and write the pictures; return the exit code."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"no browser is installed: one of {', '.join(BROWSERS)}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as work:
        project = Path(work) / "project"
        project.mkdir()
        shutil.copy(REPOSITORY / "prefect.yaml", project)
        shutil.copytree(REPOSITORY / "configs", project / "configs")
        store = Store(Path(work) / "artifacts")
        run(store, "up", "--project", str(project))
        try:
            run(store, "train", "--config", str(project / "configs" / "digits.yaml"))
            api_url = read_state(store).api_url
            page = store.root / "reports" / "latest" / "index.html"
            take(browser, work, page.as_uri(), "report", 1150)
            ui = f"{api_url.removesuffix('/api')}/runs/flow-run/{find_run(api_url)}"
            take(browser, work, ui, "run", 900)
        finally:
            run(store, "down")
    return 0


def run(store: Store, *arguments: str) -> None:
    """Run a command of digitflow's on a store of its own."""
    command = [Path(sys.executable).with_name("digitflow"), *arguments]
    environment = os.environ | {"DIGITFLOW_ARTIFACTS": str(store.root)}
    subprocess.run(command, env=environment, cwd=REPOSITORY, check=True)


def find_run(api_url: str) -> str:
    """Return the id of the training's flow run."""
    wanted = {
        "flows": {"name": {"any_": ["train-digits"]}},
        "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}},
    }
    found = httpx.post(f"{api_url}/flow_runs/filter", json=wanted).json()
    return str(found[0]["id"])


def take(browser: str, work: str, url: str, name: str, height: int) -> None:
    """Take a picture of a page, and keep it small."""
    taken = Path(work) / f"{name}.png"
    command = [
        browser, *QUIET, f"--user-data-dir={work}/browser", f"--window-size={WIDTH},{height}",
        f"--virtual-time-budget={PATIENCE_MS}", f"--screenshot={taken}", url,
    ]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with Image.open(taken) as picture:
        size = (KEPT_WIDTH, round(picture.height * KEPT_WIDTH / picture.width))
        kept = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    path = PICTURES / f"{name}.png"
    kept.quantize(COLOURS).save(path, optimize=True)
    print(f"{path.relative_to(REPOSITORY)}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    sys.exit(main())
