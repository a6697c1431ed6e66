"""Local web servers."""

import contextlib
import functools
import http.server
import os
import re
import threading


class WithoutRanges(http.server.SimpleHTTPRequestHandler):
  """A handler that sends whole files only, like `python -m http.server`."""

  def log_message(self, *args):
    pass


class WithRanges(WithoutRanges):
  """A handler that also sends ranges of files, like most servers."""

  def do_GET(self):
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
    path = self.translate_path(self.path)
    if asked is None or not os.path.isfile(path):
      super().do_GET()
      return
    with open(path, "rb") as file:
      content = file.read()
    first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
    self.send_response(206)
    self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
    self.send_header("Content-Length", str(last + 1 - first))
    self.send_header("Accept-Ranges", "bytes")
    self.end_headers()
    self.wfile.write(content[first : last + 1])


class Breaking(WithoutRanges):
  """A handler that declares the length of a file, but sends only three quarters of it at the first request."""

  asked = 0

  def do_GET(self):
    with open(self.translate_path(self.path), "rb") as file:
      content = file.read()
    self.send_response(200)
    self.send_header("Content-Length", str(len(content)))
    self.end_headers()
    self.wfile.write(content if type(self).asked else content[: len(content) * 3 // 4])
    type(self).asked += 1


@contextlib.contextmanager
def serving(folder, handler=WithoutRanges, port=0):
  """Serves a folder and yields the address of the server."""
  server = http.server.ThreadingHTTPServer(("127.0.0.1", port), functools.partial(handler, directory=folder))
  server.daemon_threads = True
  threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
  try:
    yield f"http://127.0.0.1:{server.server_port}"
  finally:
    server.shutdown()
    server.server_close()


class LiveList:
  """A live HLS playlist of existing segments; it lists the last `window` of those that have been `put`.

  Args:
    path: path of the playlist.
    lines: lines of a finished playlist of all segments.
    window: maximum number of listed segments.
  """

  def __init__(self, path, lines, window=4):
    self._path, self._window = path, window
    first = next(i for i, line in enumerate(lines) if line.startswith("#EXTINF"))
    self._head = [line for line in lines[:first] if "SEQUENCE" not in line and "TYPE" not in line]
    segments = [line for line in lines[first:] if line != "#EXT-X-ENDLIST"]
    # Tags before a segment belong to it.
    ends = [i + 1 for i, line in enumerate(segments) if not line.startswith("#")]
    self._segments = [segments[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    self.count = len(self._segments)

  def put(self, count, ended=False):
    """Lists the last `window` of the first `count` segments."""
    first = max(0, count - self._window)
    lines = [*self._head, f"#EXT-X-MEDIA-SEQUENCE:{first}"]
    lines += [line for segment in self._segments[first:count] for line in segment]
    part = self._path.with_suffix(".part")
    part.write_text("\n".join([*lines, *["#EXT-X-ENDLIST"] * ended, ""]))
    os.replace(part, self._path)
