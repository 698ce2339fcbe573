"""Take the README's pictures of the app: a digit that is drawn, all on one page, the models.

Opens the app on the project's store, whose champions should be those of configs/mnist.yaml
and configs/housing.yaml, draws on it with the mouse of a headless Chromium, and writes
docs/pictures/app-*.png.

    python docs/take_app_pictures.py

It needs Chromium and its driver (Debian: chromium, chromium-driver), and selenium.
"""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from urllib.request import urlopen

from PIL import Image
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from take_pictures import BROWSERS, COLOURS, KEPT_WIDTH, PICTURES, QUIET, REPOSITORY, WIDTH

PATIENCE_SECONDS = 120
# Until charts are painted, which nothing says.
PAINTING_SECONDS = 4
# A 2 with a loop, from 0 to 1.
STROKE = (
    (0.3, 0.3), (0.36, 0.2), (0.5, 0.15), (0.64, 0.21), (0.68, 0.34), (0.6, 0.5), (0.46, 0.66),
    (0.34, 0.8), (0.29, 0.86), (0.25, 0.8), (0.31, 0.75), (0.44, 0.81), (0.58, 0.86),
    (0.74, 0.8),
)  # fmt: skip
STILL = (
    "return document.querySelector('[data-testid=\"stApp\"]')?.dataset.testScriptState"
    " === 'notRunning' && document.querySelector('h1') !== null"
)
CANVAS = """
const find = (root) => {
  for (const node of root.querySelectorAll('*')) {
    if (node.matches('canvas.upper-canvas')) return node;
    const inside = node.shadowRoot && find(node.shadowRoot);
    if (inside) return inside;
  }
  return null;
};
return find(document);
"""


def main() -> int:
    """Open, draw, look, and write the pictures; return the exit code."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    program = shutil.which("chromedriver")
    if browser is None or program is None:
        print("Chromium and its driver are not installed", file=sys.stderr)
        return 1
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for option in QUIET:
        options.add_argument(option)
    with serve() as address:
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(program))
        try:
            take(driver, f"{address}/read", "app-read", 1140, "light", draw=True)
            take(driver, address, "app-overview", 1300, "dark", draw=True)
            take(driver, f"{address}/models", "app-models", 900, "light")
            take(driver, f"{address}/predict", "app-predict", 1500, "light")
        finally:
            driver.quit()
    return 0


@contextmanager
def serve() -> Any:
    """Start the app; yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = "from digitflow.cli.main import main; main()"
    command = [sys.executable, "-c", code, "app", "--no-browser", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=REPOSITORY)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: urlopen(f"{address}/_stcore/health").status == 200)
        yield address
    finally:
        process.terminate()
        process.wait()


def wait_for(find: Callable[[], Any]) -> Any:
    """Return what is found, as soon as it is."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        try:
            if found := find():
                return found
        except (OSError, WebDriverException):
            pass
        time.sleep(0.1)
    raise TimeoutError(f"the app showed nothing in {PATIENCE_SECONDS} s")


def take(
    driver: Any, url: str, name: str, height: int, scheme: str, draw: bool = False
) -> None:
    """Take a picture of a page, with a digit drawn on it, and keep it small."""
    size = {"width": WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    preferred = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": preferred})
    driver.get(url)
    wait_for(lambda: driver.execute_script(STILL))
    time.sleep(PAINTING_SECONDS)
    if draw:
        draw_digit(driver)
        time.sleep(PAINTING_SECONDS)
        wait_for(lambda: driver.execute_script(STILL))
    with Image.open(BytesIO(driver.get_screenshot_as_png())) as picture:
        kept = (KEPT_WIDTH, round(picture.height * KEPT_WIDTH / picture.width))
        small = picture.convert("RGB").resize(kept, Image.Resampling.LANCZOS)
    path = PICTURES / f"{name}.png"
    small.quantize(COLOURS).save(path, optimize=True)
    print(f"{path.relative_to(REPOSITORY)}: {path.stat().st_size:,} bytes")


def draw_digit(driver: Any) -> None:
    """Draw on the canvas with the mouse; what is nearest to it may have to be prepared."""
    canvas = wait_for(lambda: driver.execute_script(CANVAS))
    width, height = canvas.rect["width"], canvas.rect["height"]
    hand = webdriver.ActionChains(driver, duration=0)
    places = [(round((x - 0.5) * width), round((y - 0.5) * height)) for x, y in STROKE]
    hand.move_to_element_with_offset(canvas, *places[0]).click_and_hold()
    for place in places[1:]:
        hand.move_to_element_with_offset(canvas, *place)
    hand.release().perform()


if __name__ == "__main__":
    sys.exit(main())
