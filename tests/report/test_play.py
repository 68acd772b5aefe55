"""The page that plays a chain, in a browser: sliders, maps, lists, at two widths."""

import base64
import json
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from kho_sim.chain import run_scenario
from kho_sim.logs.reader import read_boot_log
from kho_sim.report.html import report_html
from kho_sim.report.player import player
from kho_sim.scenario import load
from kho_sim.trace.records import PreservedRun, RegionRow
from tests.hand_made import TRACES, with_records
from tests.report.browser import browser, needs_browser

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "build" / "pictures"
"""Where the pictures of the page are kept; not committed."""
WIDTHS = {"desktop": 1400, "phone": 390}
SIDES = ("With the extension", "Without the extension")
STEPS = ["before", "walk", "digest", "marks", "early", "retrieve"]


@pytest.fixture(scope="module")
def trace():
    return run_scenario(load(ROOT / "scenarios/hypervisor.yaml"))


@pytest.fixture(scope="module")
def file(trace, tmp_path_factory):
    path = tmp_path_factory.mktemp("play") / "page.html"
    path.write_text(report_html(trace))
    return path


@pytest.fixture(scope="module", params=WIDTHS)
def page(request, file, tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        narrow = request.param == "phone"
        size = {"width": WIDTHS[request.param], "height": 900, "deviceScaleFactor": 1}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**size, "mobile": narrow})
        driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": narrow})
        driver.kind, driver.address = request.param, file.as_uri()
        yield driver


def at(page, boot, step):
    """Open the page at a step, by its address."""
    page.get("about:blank")
    page.get(f"{page.address}#boot={boot}&step={step}")
    shown = WebDriverWait(page, 5).until(
        lambda _: page.find_element(By.ID, "player").is_displayed()
    )
    assert shown
    assert page.find_element(By.ID, "player").get_attribute("data-at") == f"{boot} {step}"


def part(page, name):
    return page.find_element(By.ID, f"play-{name}")


def settled(page, read):
    """What ``read`` gives when it no longer changes: zooming takes half a second."""
    seen = []
    WebDriverWait(page, 5, 0.2).until(
        lambda _: seen.append(read()) or seen[-2:].count(seen[-1]) > 1
    )
    return seen[-1]


def colours(page, side, share, lane):
    """The colour of a map's lane at a share of its width, as (red, green, blue)."""
    return page.execute_script(
        """const [side, share, lane] = arguments;
        const canvas = document.querySelectorAll('#play-maps canvas')[side];
        const y = {memory: 28, handed: 66, taken: 103}[lane];
        const pen = canvas.getContext('2d'), ratio = canvas.width / canvas.clientWidth;
        return [...pen.getImageData(share * canvas.width, y * ratio, 1, 1).data].slice(0, 3);""",
        side, share, lane,
    )  # fmt: skip


def picture(page, name):
    PICTURES.mkdir(parents=True, exist_ok=True)
    shot = page.execute_cdp_cmd("Page.captureScreenshot", {})["data"]
    (PICTURES / f"play-{name}-{page.kind}.png").write_bytes(base64.b64decode(shot))


@needs_browser
def test_the_slider_is_dragged_and_the_page_tells_the_step(page):
    at(page, 0, "before")
    assert part(page, "now").text == "Boot 0 (cold), release 7.3: early boot, first half"
    slider = part(page, "boot")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", slider)
    wide = slider.size["width"]
    drag = ActionChains(page).move_to_element_with_offset(slider, -wide // 2 + 8, 0)
    drag.click_and_hold().move_by_offset(round((wide - 16) / 3), 0).release().perform()
    assert slider.get_attribute("value") == "1"
    assert part(page, "now").text.startswith("Boot 1 (KHO), release 7.3: before the extension")
    assert "4.51 GiB in 3 areas" in part(page, "story").text
    step = part(page, "step")
    step.send_keys(Keys.END)
    assert part(page, "now").text.endswith("retrieval")
    assert "memblock.reserved had 57 regions before, and has 75 now" in part(page, "story").text
    step.send_keys(Keys.HOME, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert step.get_attribute("aria-valuetext") == "Marks: more scratch"
    story = part(page, "story").text
    assert "15.49 GiB between busy blocks are marked as scratch as well." in story
    assert "This chain has no such step." in story  # the twin
    picture(page, "marks")


@needs_browser
def test_maps_show_the_step(page):
    grey, blue, green = [140, 140, 140], [124, 196, 236], [0, 158, 115]
    at(page, 1, "before")
    assert colours(page, 0, 0.3, "memory") == colours(page, 1, 0.3, "memory") == grey
    at(page, 1, "early")
    assert colours(page, 0, 0.3, "memory") == blue  # extended, with the extension only
    assert colours(page, 1, 0.3, "memory") == grey
    assert colours(page, 0, 0.3, "taken") == green  # a gigantic page
    assert colours(page, 1, 0.3, "taken") != green
    assert colours(page, 0, 0.6, "handed") == [213, 94, 0]
    picture(page, "early")


@needs_browser
def test_steps_go_on_into_the_next_boot_by_keys_and_buttons(page):
    at(page, 1, "retrieve")
    page.find_element(By.TAG_NAME, "body").send_keys(".")
    assert part(page, "now").text == "Boot 2 (KHO), release 7.3: before the extension"
    part(page, "back").click()
    assert part(page, "now").text == "Boot 1 (KHO), release 7.3: retrieval"
    page.find_element(By.TAG_NAME, "body").send_keys("p")
    WebDriverWait(page, 5).until(lambda _: "Boot 2" in part(page, "now").text)
    part(page, "run").click()
    assert part(page, "run").get_attribute("aria-pressed") == "false"


@needs_browser
def test_a_mark_is_read_and_zoomed_to(page):
    at(page, 1, "early")
    canvas = page.find_element(By.CSS_SELECTOR, "#play-maps canvas")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    place = (round(canvas.size["width"] * -0.2), 103 - canvas.size["height"] // 2)
    ActionChains(page).move_to_element_with_offset(canvas, *place).perform()
    if page.kind == "desktop":
        assert part(page, "tip").text.splitlines()[0] == "gigantic page: 9 GiB"
        assert "9 x 1 GiB" in part(page, "tip").text
    ActionChains(page).move_to_element_with_offset(canvas, *place).click().perform()
    buttons = {one.text: one for one in part(page, "mark").find_elements(By.TAG_NAME, "button")}
    assert "only gigantic page" in buttons
    assert "zoom to the region (extended scratch)" in buttons
    buttons["zoom to its block of 1 GiB"].click()
    assert settled(page, lambda: part(page, "window").text).endswith("1.43 GiB")
    picture(page, "block")
    page.execute_script("arguments[0].click()", part(page, "all"))
    assert settled(page, lambda: part(page, "window").text) == "all memory"


@needs_browser
def test_lists_lead_to_callers_regions_and_blocks(page):
    at(page, 1, "early")
    fold = part(page, "lists")
    page.execute_script("arguments[0].open = true", fold)
    rows = WebDriverWait(page, 5).until(lambda _: fold.find_elements(By.CSS_SELECTOR, "tbody tr"))
    assert rows[0].text.split() == ["gigantic", "page", "10", "10", "GiB", "0", "10"]
    Select(part(page, "side")).select_by_visible_text("Without the extension")
    first = fold.find_element(By.CSS_SELECTOR, "tbody tr")
    assert first.text.split() == ["gigantic", "page", "10", "0", "B", "10", "0"]
    Select(part(page, "side")).select_by_visible_text("With the extension")
    Select(part(page, "list")).select_by_value("blocks")
    first = fold.find_element(By.CSS_SELECTOR, "tbody tr")
    assert first.text.split() == ["busy", "block", "0x600000000", "0x1000000000", "40", "GiB"]
    first.find_element(By.TAG_NAME, "button").click()
    assert settled(page, lambda: part(page, "window").text).endswith("57.14 GiB")
    part(page, "address").send_keys("0x200000000", Keys.ENTER)
    assert settled(page, lambda: part(page, "window").text).startswith("0x1f")
    picture(page, "lists")


@needs_browser
def test_nothing_is_wider_than_the_screen_and_nothing_fails(page):
    at(page, 1, "walk")
    wide, window = page.execute_script(
        "return [document.documentElement.scrollWidth, window.innerWidth]"
    )
    assert wide <= window
    assert not [one for one in page.get_log("browser") if one["level"] == "SEVERE"]


@needs_browser
def test_dark_readers_get_dark_maps_and_figures(page):
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": dark})
    at(page, 1, "marks")
    assert colours(page, 0, 0.3, "memory") == [124, 196, 236]
    assert colours(page, 0, 0.6, "memory") == [124, 124, 124]
    figure = page.find_element(By.CSS_SELECTOR, "#figure-memory_map img")
    corner = page.execute_script(
        """const canvas = document.createElement('canvas'), image = arguments[0];
        canvas.width = canvas.height = 4;
        canvas.getContext('2d').drawImage(image, 0, 0, 8, 8, 0, 0, 4, 4);
        return canvas.getContext('2d').getImageData(1, 1, 1, 1).data[0];""",
        figure,
    )
    assert corner == 24
    picture(page, "dark")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@needs_browser
def test_without_scripts_every_step_is_there_in_words(file, tmp_path):
    with browser(tmp_path / "profile", scripts=False) as driver:
        driver.get(file.as_uri())
        assert not driver.find_element(By.ID, "player").is_displayed()
        words = driver.find_element(By.CSS_SELECTOR, "#play .sentences")
        words.find_element(By.TAG_NAME, "summary").click()
        assert "15.49 GiB between busy blocks are marked as scratch as well." in words.text


def test_the_data_has_each_boot_and_step_of_both_chains(trace):
    found = player(trace, SIDES)
    data = json.loads(found.data)
    assert [boot["boot"] for boot in data["boots"]] == [0, 1, 2, 3]
    for boot, written in zip(data["boots"][1:], found.sentences[1:], strict=True):
        names = [[step["name"] for step in side["steps"]] for side in boot["sides"]]
        assert names == [STEPS, ["before", "early", "retrieve"]]
        assert [name for name, _, _ in written.steps] == STEPS
    numbers = [
        number
        for step in data["boots"][1]["sides"][0]["steps"]
        for number in step["memory"].values()
    ]
    assert max(numbers) < len(data["layers"])


def test_a_chain_whose_twin_ends_early_goes_on_alone():
    found = player(TRACES["hand-made"], SIDES)
    assert [one.boot for one in found.sentences] == [0, 1, 2]
    assert player(TRACES["empty"], SIDES[:1]) is None
    assert player(TRACES["sparse"], SIDES[:1]) is None


def test_a_log_is_played_without_a_twin():
    log = read_boot_log(ROOT / "tests/recorded/machine-4G.log.xz")
    data = json.loads(player(log, ("",)).data)
    assert [len(boot["sides"]) for boot in data["boots"]] == [1, 1, 1]


def test_data_that_is_too_large_is_made_coarser(monkeypatch):
    page = 4096
    runs = [PreservedRun(boot=1, order=0, start=n * 5 * page, end=(n * 5 + n % 3 + 1) * page)
            for n in range(1000)]  # fmt: skip
    memory = RegionRow(
        boot=1, moment="before_extend", array="memory", start=0, end=1 << 30, nid=0, flags=0
    )
    trace = with_records(TRACES["hand-made"], preserved=runs, regions=[memory])
    whole = player(trace, SIDES).data
    assert not any("grain" in layer for layer in json.loads(whole)["layers"])
    monkeypatch.setattr("kho_sim.report.player.MOST_BYTES", len(whole) - 1)
    smaller = player(trace, SIDES).data
    assert len(smaller) < len(whole)
    assert any("grain" in layer for layer in json.loads(smaller)["layers"])
