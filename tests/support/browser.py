"""A headless browser for tests of the web pages. These tests are skipped on a machine without a browser.

`Page.text` reads a text with one script. With two calls of Selenium, the page could replace the element between the
calls.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

from tests.support.waiting import wait_until

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_BROWSER = next((found for name in BROWSERS if (found := shutil.which(name))), None)
_DRIVER = shutil.which("chromedriver")

_idle: list[webdriver.Chrome] = []  # browsers of this worker that no test uses

# The reason why tests marked `browser` are skipped; empty if they can run.
WHY_NO_BROWSER = (
    "" if _BROWSER and _DRIVER else "no browser: install chromium and chromedriver (Debian: chromium chromium-driver)"
)


class Page:
    """A browser that shows one web page, driven by Selenium."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        self.driver.get(url)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript in the page as the body of a function, and return its result."""
        return self.driver.execute_script(script, *arguments)

    def click(self, selector: str) -> None:
        """Wait until an element is there, and click it. Find the element again if the page replaces it meanwhile."""
        wait_until(lambda: self._clicked(selector))

    def _clicked(self, selector: str) -> bool:
        """Click an element. Return False if the element is not there yet, or if the page replaced the element before
        the click."""
        try:
            self.driver.find_element(By.CSS_SELECTOR, selector).click()
        except (NoSuchElementException, StaleElementReferenceException):
            return False
        return True

    def type(self, selector: str, text: str) -> None:
        """Type this text into a field. The old text of the field is deleted."""
        field = self.driver.find_element(By.CSS_SELECTOR, selector)
        field.clear()
        field.send_keys(text)

    def press(self, *keys: str, holding: str | None = None) -> None:
        """Press keys in the focused element. If `holding` names a key, such as Shift, hold this key down meanwhile."""
        actions = ActionChains(self.driver)
        if holding is not None:
            actions.key_down(holding)
        actions.send_keys(*keys)
        if holding is not None:
            actions.key_up(holding)
        actions.perform()

    def drag(self, start: str, end: str) -> None:
        """Drag the mouse from one element to another. `start` and `end` are the CSS selectors of the elements."""
        first, last = (self.driver.find_element(By.CSS_SELECTOR, selector) for selector in (start, end))
        ActionChains(self.driver).click_and_hold(first).move_to_element(last).release().perform()

    def text(self, selector: str) -> str:
        """Return the visible text of an element; empty if the element is missing or hidden."""
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def wait_for(self, condition: str, *arguments: Any) -> Any:
        """Wait until a JavaScript expression is true in the page, and return its value."""
        return wait_until(lambda: self.run(f"return {condition}", *arguments))

    def wait_for_text(self, selector: str, text: str) -> None:
        wait_until(lambda: text in self.text(selector))

    def problems(self) -> list[str]:
        """Return the errors in the browser console: failed scripts and violations of the content security policy."""
        log = self.driver.get_log("browser")
        return [entry["message"] for entry in log if entry["level"] == "SEVERE" and "net::ERR_" not in entry["message"]]


@contextlib.contextmanager
def browser(width: int = 1280, height: int = 800, *, calm: bool = False, flags: Sequence[str] = ()) -> Iterator[Page]:
    """Open a window without cookies, stored data or cache. Close the window at the end of the `with` block.

    If `calm` is true, the browser asks web pages to show no animations. `flags` are more flags for the command line of
    the browser. A browser with `flags` quits together with its window.

    Starting and quitting a browser takes more than a second. So after a test has passed, a later window without `flags`
    uses the browser of this test again. Two windows at the same time belong to different browsers.
    """
    driver = _idle.pop() if _idle and not flags else _start(*flags)
    first = driver.current_window_handle
    driver.switch_to.new_window("tab")
    driver.set_window_size(width, height)
    driver.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})  # as in the window of a user
    if calm:
        still = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", still)
    yield Page(driver)
    if flags:
        driver.quit()
        return
    # Only a browser whose test has passed is used again.
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    driver.execute_cdp_cmd("Network.clearBrowserCache", {})
    driver.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "all"})
    driver.close()
    driver.switch_to.window(first)
    driver.get_log("browser")
    _idle.append(driver)


def _start(*flags: str) -> webdriver.Chrome:
    """Start a browser with a new profile, and quit it when the tests end."""
    if _BROWSER is None or _DRIVER is None:
        raise RuntimeError(WHY_NO_BROWSER)
    options = webdriver.ChromeOptions()
    options.binary_location = _BROWSER
    for flag in (*FLAGS, *flags):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(_DRIVER, log_output=os.devnull))
    atexit.register(driver.quit)
    return driver
