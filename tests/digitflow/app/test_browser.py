"""The app in a real browser: drawn on with a mouse, given files, looked at in every light."""

import os
import shutil
import socket
import subprocess
import sys
import time
from base64 import b64encode
from contextlib import contextmanager
from urllib.request import urlopen

import cv2
import numpy as np
import pytest

from digitflow.app.main import PAGES
from digitflow.feedback.corrections import list_corrections
from digitflow.feedback.predictions import PredictionLog, read_recent
from digitflow.feedback.tables import name_images
from digitflow.images.frame import digest_image
from digitflow.registry.history import find_champion
from digitflow.store.artifacts import Store
from digitflow.store.files import ARTIFACTS_VARIABLE

pytestmark = pytest.mark.slow
webdriver = pytest.importorskip("selenium.webdriver")
exceptions = pytest.importorskip("selenium.common.exceptions")
by = pytest.importorskip("selenium.webdriver.common.by").By

QUIET = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--force-device-scale-factor=1", "--disable-dev-shm-usage",
)  # fmt: skip
PATIENCE_SECONDS = 60
SCHEMES = ("light", "dark")
WIDTHS = {"wide": 1280, "phone": 390}
# In a square of 1: a 7 and a 1 as people draw them, with one stroke.
SEVEN = ((0.25, 0.2), (0.75, 0.2), (0.62, 0.5), (0.45, 0.88))
ONE = ((0.5, 0.12), (0.5, 0.88))
FIND_CANVAS = """
const find = (root) => {
  for (const node of root.querySelectorAll('*')) {
    if (node.tagName === 'CANVAS' && node.classList.contains('upper-canvas')) return node;
    const inside = node.shadowRoot && find(node.shadowRoot);
    if (inside) return inside;
  }
  return null;
};
return find(document);
"""
# How many of the canvas's pixels, in the layer where strokes stay, differ from its first one.
COUNT_INK = (
    FIND_CANVAS.replace("return find(document);", "const upper = find(document);")
    + """
const lower = upper?.parentElement.querySelector('.lower-canvas');
if (!lower) return 0;
const { data } = lower.getContext('2d').getImageData(0, 0, lower.width, lower.height);
const colours = new Uint32Array(data.buffer);
return colours.filter((colour) => colour !== colours[0]).length;
"""
)
# What is read on a ground, with all opacities; what is switched off may be faint.
LIST_FAINT = """
const share = (part) => part <= 10 ? part / 3294 : ((part / 255 + 0.055) / 1.055) ** 2.4;
const lightness = ([red, green, blue]) =>
  0.2126 * share(red) + 0.7152 * share(green) + 0.0722 * share(blue);
const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
  return [r, g, b, a]; };
const blend = (above, below) =>
  [0, 1, 2].map((i) => above[i] * above[3] + below[i] * (1 - above[3])).concat([1]);
const list = (node) => node ? [node, ...list(node.parentElement)] : [];
const faint = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const text = walker.currentNode.textContent.trim();
  const node = walker.currentNode.parentElement;
  const off = 'style, button:disabled, [aria-disabled="true"], [data-testid="stIconMaterial"]';
  // A slider's ends fade in under the mouse; its value is above the thumb, not on it.
  if (node?.closest('[data-testid="stSliderTickBar"], [data-testid="stSliderThumbValue"]'))
    continue;
  if (!text || !node?.offsetParent || node.closest(off) || node.offsetWidth < 2) continue;
  const above = list(node);
  const ground = above.map((each) => parse(getComputedStyle(each).backgroundColor)).reverse()
    .reduce((below, colour) => blend(colour, below), [255, 255, 255, 1]);
  const colour = parse(getComputedStyle(node).color);
  colour[3] *= above.map((each) => getComputedStyle(each).opacity).reduce((a, b) => a * b, 1);
  const pair = [lightness(blend(colour, ground)), lightness(ground)].sort((a, b) => b - a);
  const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
  if (contrast < 4.5) faint.push(`${text.slice(0, 40)}: ${contrast.toFixed(2)}`);
}
return faint;
"""
FIND_PASTE = FIND_CANVAS.replace(
    "node.tagName === 'CANVAS' && node.classList.contains('upper-canvas')",
    "node.tagName === 'BUTTON' && node.innerText === 'Paste a picture'",
)
PASTE = """
const bytes = Uint8Array.from(atob(arguments[0]), (letter) => letter.charCodeAt(0));
const held = new DataTransfer();
held.items.add(new File([bytes], 'clipboard.png', { type: 'image/png' }));
const options = { clipboardData: held, bubbles: true, cancelable: true };
document.dispatchEvent(new ClipboardEvent('paste', options));
"""


def wait_for(find, what):
    """Return what is found in the page, as soon as it is."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        try:
            if found := find():
                return found
        except (exceptions.WebDriverException, OSError):
            pass  # not there yet, or drawn again meanwhile
        time.sleep(0.05)
    pytest.fail(f"the page never showed {what}")


def wait_briefly(is_so):
    """Wait for two seconds at most until something is so."""
    until = time.monotonic() + 2
    while not is_so() and time.monotonic() < until:
        time.sleep(0.05)


class Visitor:
    """Somebody who looks at the app in Chromium."""

    def __init__(self, driver, address):
        self.driver, self.address = driver, address

    def open(self, page=""):
        """Open a page by its link, as people do; begin with the first one."""
        self.driver.get(self.address)
        self.wait_until_still()
        if page:
            link = f'[data-testid="stSidebarNavLink"][href$="/{page}"]'
            wait_for(lambda: self.driver.find_element(by.CSS_SELECTOR, link), link).click()
            wait_for(lambda: self.driver.current_url.endswith(page), f"the page {page}")
            self.wait_until_still()

    def wait_until_still(self):
        """Wait until nothing runs, nothing is stale, and there is a title."""
        script = (
            "const app = document.querySelector('[data-testid=\"stApp\"]');"
            "return app?.dataset.testScriptState === 'notRunning'"
            " && document.querySelector('h1') !== null"
        )
        wait_for(lambda: self.driver.execute_script(script), "a page that is ready")

    def look(self, width, scheme, height=1400):
        """Take a width and a colour scheme."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        preferred = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": preferred})

    def draw(self, points):
        """Draw one stroke on the canvas with the mouse; again, as people do, if it fails.

        The component shows its canvas a moment before it listens to the mouse, and makes it
        anew when the page first gives it its width.
        """

        def is_taken():
            before = self.driver.execute_script(COUNT_INK)
            self.stroke(points)
            wait_briefly(lambda: self.driver.execute_script(COUNT_INK) > before)
            self.wait_until_still()
            return self.driver.execute_script(COUNT_INK) > before

        wait_for(is_taken, "a stroke")

    def stroke(self, points):
        """Move the mouse over the canvas with its button down."""
        canvas = wait_for(lambda: self.driver.execute_script(FIND_CANVAS), "the canvas")
        width, height = canvas.rect["width"], canvas.rect["height"]
        hand = webdriver.ActionChains(self.driver, duration=0)
        places = [(round((x - 0.5) * width), round((y - 0.5) * height)) for x, y in points]
        hand.move_to_element_with_offset(canvas, *places[0]).click_and_hold()
        for place in places[1:]:
            hand.move_to_element_with_offset(canvas, *place)
        hand.release().perform()

    def read(self):
        """Return the digit that the page says, "" where it says none."""
        script = (
            "return [...document.querySelectorAll('h1')].map((each) => each.innerText.trim())"
        )
        found = [text for text in self.driver.execute_script(script) if text.isdecimal()]
        return found[0] if found else ""

    def wait_for_digit(self):
        """Return the digit that the page says, as soon as it says one."""
        return wait_for(self.read, "what was read")

    def press(self, label):
        """Press the button with this label."""
        script = (
            "return [...document.querySelectorAll('button')].find((button) => !button.disabled"
            # An icon's name stands before the label.
            " && button.innerText.trim().endsWith(arguments[0]))"
        )
        wait_for(lambda: self.driver.execute_script(script, label), f"{label!r}").click()

    def choose(self, option):
        """Choose an option of the first list."""

        def find():
            box = self.driver.find_element(by.CSS_SELECTOR, '[data-testid="stSelectbox"] input')
            box.click()
            time.sleep(0.3)
            found = self.driver.find_elements(by.CSS_SELECTOR, '[role="option"]')
            return next((each for each in found if each.text.strip() == option), None)

        wait_for(find, option).click()
        self.wait_until_still()

    def give_file(self, path):
        """Choose a file where the page asks for one."""

        def send():
            field = self.driver.find_element(by.CSS_SELECTOR, 'input[type="file"]')
            field.send_keys(str(path))
            return True

        wait_for(send, "a field for files")

    def says(self, text):
        """Wait until the page says something."""
        body = "return document.body.innerText.includes(arguments[0])"
        wait_for(lambda: self.driver.execute_script(body, text), repr(text))

    def list_errors(self):
        """Return what the console complained of since it was asked last."""
        return [row for row in self.driver.get_log("browser") if row["level"] == "SEVERE"]


@pytest.fixture(scope="session")
def driver():
    """Chromium without a window; skipped where it is not installed."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    program = shutil.which("chromedriver")
    if browser is None or program is None:
        pytest.skip("no browser: Chromium and its driver (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for option in QUIET:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(program)
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@contextmanager
def serve(trained, folder):
    """Start the app on a copy of a store: the store, and the app's address."""
    store = Store(folder / "artifacts")
    shutil.copytree(trained.root, store.root, symlinks=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {ARTIFACTS_VARIABLE: str(store.root)}
    code = "from digitflow.cli.main import main; main()"
    command = [sys.executable, "-c", code, "app", "--no-browser", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: urlopen(f"{address}/_stcore/health").status == 200, "its health")
        yield store, address
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def served(trained_once, tmp_path_factory):
    """The app on a store of its own: the store, and the app's address."""
    with serve(trained_once, tmp_path_factory.mktemp("served")) as found:
        yield found


@pytest.fixture
def store(served):
    """The store that the app opens."""
    return served[0]


@pytest.fixture
def visitor(driver, served):
    """Somebody who has just come: with a session of their own."""
    visitor = Visitor(driver, served[1])
    visitor.look(WIDTHS["wide"], "light")
    visitor.list_errors()
    return visitor


def test_a_digit_that_is_drawn_is_read_after_each_stroke(visitor):
    visitor.open("read")
    visitor.draw(ONE)
    assert visitor.wait_for_digit() == "1"
    assert visitor.list_errors() == []


def test_a_digit_is_drawn_and_read_on_the_first_page_too(visitor):
    visitor.open()
    visitor.draw(ONE)
    assert visitor.wait_for_digit() == "1"


def test_a_correction_by_one_click_is_in_the_database_until_it_is_taken_back(visitor, store):
    before = len(list_corrections(store))
    visitor.open("read")
    visitor.draw(SEVEN)
    visitor.wait_for_digit()
    visitor.press("4")
    visitor.says("Kept as a 4")
    kept = list_corrections(store)
    assert [row.target for row in kept[before:]] == ["4"]
    visitor.press("Undo")
    visitor.says("Taken back")
    assert len(list_corrections(store)) == before


def test_a_file_is_read_and_kept_once(visitor, store, handwriting, tmp_path):
    frame = handwriting.images[handwriting.labels == 3][-1]
    file = tmp_path / "a [3](nowhere) <b>.png"
    cv2.imwrite(str(file), 255 - cv2.resize(frame, (200, 200)))
    champion = find_champion(store)

    def count_kept():
        return len(read_recent(store, champion.name, champion.version, 1000).samples)

    before = count_kept()
    visitor.open("read")
    visitor.press("Upload or paste")
    visitor.give_file(file)
    assert visitor.wait_for_digit() == "3"
    wait_for(lambda: count_kept() == before + 1, "the prediction in the database")
    visitor.press("3")
    visitor.says("Kept as a 3")
    assert count_kept() == before + 1
    assert visitor.list_errors() == []


def test_a_file_that_only_claims_to_be_a_picture_is_refused(visitor, tmp_path):
    file = tmp_path / "claims.png"
    file.write_bytes(b"<script>alert(1)</script>")
    visitor.open("read")
    visitor.press("Upload or paste")
    visitor.give_file(file)
    visitor.says("claims.png")
    assert visitor.read() == ""
    assert visitor.list_errors() == []


def test_a_picture_is_pasted_and_read(visitor, handwriting):
    frame = handwriting.images[handwriting.labels == 0][-1]
    content = cv2.imencode(".png", 255 - cv2.resize(frame, (200, 200)))[1].tobytes()
    visitor.open("read")
    visitor.press("Upload or paste")
    # The button is there when the page listens.
    wait_for(lambda: visitor.driver.execute_script(FIND_PASTE), "the button to paste")
    visitor.driver.execute_script(PASTE, b64encode(content).decode())
    assert visitor.wait_for_digit() == "0"
    assert visitor.list_errors() == []


def test_five_pictures_are_reviewed_by_the_keyboard_alone(visitor, store, handwriting):
    champion = find_champion(store)
    images = handwriting.images[100:105]
    with PredictionLog(store) as log:
        unsure = np.full((5, 10), 0.1)
        log.add(
            name_images(images),
            unsure,
            ["unsure"] * 5,
            champion.name,
            champion.version,
            "a scan",
        )
    before = len(list_corrections(store))
    visitor.open("review")
    for number, digit in enumerate("31415", start=1):
        visitor.wait_until_still()
        webdriver.ActionChains(visitor.driver).send_keys(digit).perform()
        wait_for(
            lambda number=number: len(list_corrections(store)) == before + number,
            f"label {number} in the database",
        )
    said = list_corrections(store)[before:]
    assert "".join(row.target for row in said) == "31415"
    assert {row.sample for row in said} <= {digest_image(image) for image in images}


@pytest.mark.parametrize("page", PAGES)
def test_each_page_opens_without_an_error_in_every_size_and_light(visitor, page, tmp_path):
    visitor.open("" if page == "overview" else page)
    for name, width in WIDTHS.items():
        for scheme in SCHEMES:
            visitor.look(width, scheme)
            visitor.wait_until_still()
            taken = tmp_path / f"{page}-{name}-{scheme}.png"
            assert visitor.driver.save_screenshot(str(taken))
            wide = visitor.driver.execute_script("return document.documentElement.scrollWidth")
            assert wide <= width
            assert visitor.driver.execute_script(LIST_FAINT) == []
    failed = visitor.driver.find_elements(by.CSS_SELECTOR, '[data-testid="stException"]')
    assert failed == []
    assert visitor.list_errors() == []


READ_VALUE = "return [...document.querySelectorAll('h1')].map((each) => each.innerText)[1]"


def test_a_slider_and_a_click_on_the_map_change_the_price(driver, tables_once, tmp_path):
    with serve(tables_once, tmp_path) as (_, address):
        visitor = Visitor(driver, address)
        visitor.look(WIDTHS["wide"], "light", 2000)
        visitor.list_errors()
        visitor.open("predict")
        visitor.choose("homes")

        def wait_for_another(value):
            def find():
                found = driver.execute_script(READ_VALUE)
                return found if found and found != value else None

            return wait_for(find, "another price")

        first = wait_for_another("INLAND")
        slider = driver.find_elements(by.CSS_SELECTOR, 'input[type="range"]')[-1]
        driver.execute_script("arguments[0].focus()", slider)
        keys = webdriver.Keys.PAGE_UP * 5
        webdriver.ActionChains(driver, duration=0).send_keys(keys).perform()
        slid = wait_for_another(first)
        visitor.wait_until_still()
        canvas = wait_for(
            lambda: driver.find_element(
                by.CSS_SELECTOR, '[data-testid="stVegaLiteChart"] :is(canvas, svg)'
            ),
            "the map",
        )
        # The dots are along a line from the north west to the south east.
        for step in range(-60, 61, 4):
            place = webdriver.ActionChains(driver, duration=0)
            place.move_to_element_with_offset(canvas, 20, step).click().perform()
            time.sleep(0.5)
            if driver.execute_script(READ_VALUE) != slid:
                break
        wait_for_another(slid)
        visitor.wait_until_still()
        assert driver.find_elements(by.CSS_SELECTOR, '[data-testid="stException"]') == []
        for name, width in WIDTHS.items():
            for scheme in SCHEMES:
                visitor.look(width, scheme, 2000)
                visitor.wait_until_still()
                assert driver.save_screenshot(str(tmp_path / f"predict-{name}-{scheme}.png"))
                wide = driver.execute_script("return document.documentElement.scrollWidth")
                assert wide <= width
                assert driver.execute_script(LIST_FAINT) == []
        assert visitor.list_errors() == []
