"""Controls a headless Chromium through a pipe by the Chrome DevTools Protocol: opens, queries and clicks pages."""

import base64
import contextlib
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--hide-scrollbars",
  "--mute-audio",
  "--autoplay-policy=no-user-gesture-required",
  "--remote-debugging-pipe",
)
# The browser reads from descriptor 3 and writes to 4. A separate process sets them, because forking one with threads is
# unsafe.
START = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
PATIENCE_S = 60


def find_chromium():
  """Returns the path of Chromium, or None."""
  return next(filter(None, map(shutil.which, NAMES)), None)


def _raised(descriptor):
  """Moves a descriptor to a number of 64 or more."""
  number = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 64)
  os.close(descriptor)
  return number


@contextlib.contextmanager
def browser():
  """Yields the empty page of a new browser, which is closed at the end."""
  to_browser, from_us = os.pipe()
  from_browser, to_us = os.pipe()
  # Keeps 3 and 4 free.
  to_browser, to_us = (_raised(descriptor) for descriptor in (to_browser, to_us))
  with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
    command = [find_chromium(), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(
      [sys.executable, "-I", "-c", START, str(to_browser), str(to_us), *command],
      pass_fds=[to_browser, to_us],
      stdout=subprocess.DEVNULL,
      stderr=subprocess.DEVNULL,
    )
    os.close(to_browser)
    os.close(to_us)
    try:
      yield Page(from_us, from_browser)
    finally:
      os.close(from_us)  # closing its pipe ends the browser
      os.close(from_browser)
      try:
        process.wait(10)
      except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Page:
  """The page of a browser. `troubles` has the console's errors and warnings, `fetched` every requested address."""

  def __init__(self, writing, reading):
    self._writing, self._reading, self._rest = writing, reading, b""
    self._numbers, self._session = itertools.count(1), None
    self.troubles, self.fetched = [], []
    (target,) = [t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page"]
    self._session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
    for domain in ("Page", "Runtime", "Log", "Network"):
      self.call(f"{domain}.enable")

  def call(self, method, **params):
    """Calls a method of the protocol and returns its result."""
    number = next(self._numbers)
    message = {"id": number, "method": method, "params": params}
    if self._session:
      message["sessionId"] = self._session
    data = json.dumps(message).encode() + b"\0"
    while data:
      data = data[os.write(self._writing, data) :]
    while True:
      answer = self._receive()
      if answer.get("id") == number:
        if "error" in answer:
          raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

  def _receive(self):
    while b"\0" not in self._rest:
      if not select.select([self._reading], [], [], PATIENCE_S)[0]:
        raise TimeoutError(f"the browser was silent for {PATIENCE_S} s")
      if not (data := os.read(self._reading, 1 << 20)):
        raise EOFError("the browser has closed its pipe")
      self._rest += data
    message, _, self._rest = self._rest.partition(b"\0")
    message = json.loads(message)
    params = message.get("params", {})
    match message.get("method"):
      case "Runtime.exceptionThrown":
        self.troubles.append(params["exceptionDetails"].get("exception", {}).get("description", "an exception"))
      case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
        self.troubles.append(str(params["args"]))
      case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
        self.troubles.append(params["entry"]["text"])
      case "Network.requestWillBeSent":
        self.fetched.append(params["request"]["url"][:100])
    return message

  def open(self, path, *, width=1280, height=900, dark=False, scale=1):
    """Loads a file in a window of a given size, in dark or light style."""
    features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    self.call("Emulation.setEmulatedMedia", features=features)
    self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)
    self.call("Page.navigate", url="about:blank")
    self.troubles.clear()
    self.fetched.clear()
    self.call("Page.navigate", url=path.resolve().as_uri())
    self.wait("document.readyState === 'complete' && document.URL.startsWith('file')")

  def ask(self, expression):
    """Returns the value of a JavaScript expression; a promise is awaited."""
    answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
    if "exceptionDetails" in answer:
      raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
    return answer["result"].get("value")

  def wait(self, condition):
    """Waits until a JavaScript expression is true."""
    end = time.monotonic() + PATIENCE_S
    while not self.ask(condition):
      if time.monotonic() > end:
        raise TimeoutError(f"never true: {condition}")
      time.sleep(0.02)

  def click(self, selector, part=0.5):
    """Clicks the first element of a selector, at a fraction of its width."""
    box = f"document.querySelector({json.dumps(selector)})"
    self.ask(f"{box}.scrollIntoView({{block: 'center'}})")
    x, y, w, h = self.ask(f"(r => [r.x, r.y, r.width, r.height])({box}.getBoundingClientRect())")
    for kind in ("mousePressed", "mouseReleased"):
      self.call("Input.dispatchMouseEvent", type=kind, x=x + part * w, y=y + h / 2, button="left", clickCount=1)

  def press(self, key, **more):
    """Presses and releases a key."""
    text = {"text": key} if len(key) == 1 else {}
    self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text, **more)
    self.call("Input.dispatchKeyEvent", type="keyUp", key=key, **more)

  def screenshot(self, *, whole=False):
    """Returns a PNG of the visible part, or of the whole page."""
    return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"])
