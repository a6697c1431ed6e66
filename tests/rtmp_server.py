"""A minimal RTMP server that plays one FLV file to one client (Adobe's RTMP specification 1.0)."""

import contextlib
import socket
import struct
import threading


def _string(text):
  return b"\x02" + struct.pack(">H", len(text)) + text.encode()


def _number(value):
  return b"\x00" + struct.pack(">d", value)


def _object(**values):
  members = b"".join(struct.pack(">H", len(key)) + key.encode() + _string(value) for key, value in values.items())
  return b"\x03" + members + b"\x00\x00\x09"


def _message(kind, body, stream=0, time_ms=0):
  """Returns a message as one chunk."""
  header = struct.pack(">I", time_ms)[1:] + struct.pack(">I", len(body))[1:] + bytes([kind]) + struct.pack("<I", stream)
  return b"\x03" + header + body


_CHUNK_SIZE = _message(1, struct.pack(">I", 1 << 23))
# Commands of a client, in order, and the answers.
_ANSWERS = (
  (
    b"connect",
    _message(20, _string("_result") + _number(1) + _object() + _object(code="NetConnection.Connect.Success")),
  ),
  (b"createStream", _message(20, _string("_result") + _number(2) + b"\x05" + _number(1))),
  (
    b"play",
    _message(
      20,
      _string("onStatus") + _number(0) + b"\x05" + _object(level="status", code="NetStream.Play.Start", description=""),
      stream=1,
    ),
  ),
)


def _flv_messages(data):
  """Yields the audio and video messages, without the metadata, which would reveal the duration."""
  at = 13
  while at + 11 <= len(data):
    kind, size = data[at], int.from_bytes(data[at + 1 : at + 4], "big")
    time_ms = int.from_bytes(data[at + 4 : at + 7], "big")
    if kind in (8, 9):
      yield _message(kind, data[at + 11 : at + 11 + size], stream=1, time_ms=time_ms)
    at += 15 + size


def _serve(listener, data):
  client, _ = listener.accept()
  with client:
    hello = b""
    while len(hello) < 1537:
      hello += client.recv(4096)
    client.sendall(b"\x03" + bytes(1536) + hello[1:1537])
    asked = hello[1537:]
    for word, answer in _ANSWERS:
      while word not in asked:
        asked += client.recv(4096)
      client.sendall(_CHUNK_SIZE + answer)
    for message in _flv_messages(data):
      client.sendall(message)


@contextlib.contextmanager
def playing(flv):
  """Yields the address at which the first client gets a file as a live stream; then the connection is closed."""
  with socket.create_server(("127.0.0.1", 0)) as listener:
    server = threading.Thread(target=_serve, args=(listener, flv.read_bytes()), daemon=True)
    server.start()
    yield f"rtmp://127.0.0.1:{listener.getsockname()[1]}/live/performance"
    server.join(10)
