"""Sources of the face models, replaced by stand-ins: no test uses the network."""

import hashlib
import io
from pathlib import Path
import subprocess
import zipfile

import pytest

from attavvad_jax.faces import model_files
from attavvad_jax.media.errors import MediaError

CONTENT = b"stands in for the model"
MODEL = model_files.Model("the face mesh's model", "mesh.tflite", "mesh", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
  """An empty cache folder, and sources that fail unless a test replaces them."""
  monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
  sources(monkeypatch)


def sources(monkeypatch, bucket=None, wheel=None):
  """Replaces the sources by contents or exceptions; returns the list of requested sources."""
  asked = []

  def source(name, answer):
    def fetch(model):
      assert model is MODEL
      asked.append(name)
      if answer is None:
        raise AssertionError(f"{name} was asked")
      if isinstance(answer, Exception):
        raise answer
      return answer

    return fetch

  monkeypatch.setattr(model_files, "_from_bucket", source("bucket", bucket))
  monkeypatch.setattr(model_files, "_from_wheel", source("wheel", wheel))
  return asked


def keep(content):
  path = model_files.cache_path(MODEL)
  path.parent.mkdir(parents=True)
  path.write_bytes(content)
  return path


def test_the_given_path_comes_first_and_is_trusted(tmp_path):
  (tmp_path / "mine.tflite").write_bytes(b"another model")
  keep(CONTENT)
  assert model_files.resolve(MODEL, tmp_path / "mine.tflite") == tmp_path / "mine.tflite"


@pytest.mark.parametrize("name", ["absent.tflite", "."])
def test_a_given_path_that_is_no_file_is_an_error(tmp_path, name):
  keep(CONTENT)
  with pytest.raises(FileNotFoundError, match=r"is not a file; expected the face mesh's model mesh\.tflite"):
    model_files.resolve(MODEL, tmp_path / name)


def test_the_cache_comes_second():
  path = keep(CONTENT)
  assert model_files.resolve(MODEL) == path


def test_the_cache_folder_is_that_of_the_environment(tmp_path, monkeypatch):
  assert model_files.cache_path(MODEL).parent == tmp_path / "cache" / "attavvad_jax"
  monkeypatch.delenv("XDG_CACHE_HOME")
  monkeypatch.setenv("HOME", str(tmp_path / "home"))
  assert model_files.cache_path(MODEL).parent == tmp_path / "home" / ".cache" / "attavvad_jax"


def test_the_bucket_comes_third_and_fills_the_cache(monkeypatch):
  asked = sources(monkeypatch, bucket=CONTENT)
  path = model_files.resolve(MODEL)
  assert path == model_files.cache_path(MODEL)
  assert path.read_bytes() == CONTENT
  assert model_files.resolve(MODEL) == path
  assert asked == ["bucket"]


def test_a_damaged_cache_is_fetched_again(monkeypatch):
  path = keep(CONTENT[:-1])
  sources(monkeypatch, bucket=CONTENT)
  assert model_files.resolve(MODEL) == path
  assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("bucket", [OSError("no route to host"), TimeoutError(), b"<html>please log in</html>"])
def test_the_wheel_comes_last(monkeypatch, bucket):
  asked = sources(monkeypatch, bucket=bucket, wheel=CONTENT)
  assert model_files.resolve(MODEL).read_bytes() == CONTENT
  assert asked == ["bucket", "wheel"]


@pytest.mark.parametrize(
  ("wheel", "reason"),
  [
    (OSError("pip download failed: no network"), "pip download failed: no network"),
    (subprocess.TimeoutExpired("pip", 300), "timed out"),
    (zipfile.BadZipFile("File is not a zip file"), "not a zip file"),
    (KeyError("no such member"), "no such member"),
    (b"another file", "checksum differs"),
  ],
)
def test_one_line_says_why_all_sources_failed_and_what_to_do(monkeypatch, wheel, reason):
  sources(monkeypatch, bucket=OSError("no route to host"), wheel=wheel)
  with pytest.raises(MediaError, match=reason) as error:
    model_files.resolve(MODEL)
  message = str(error.value)
  assert "no route to host" in message
  assert str(model_files.cache_path(MODEL)) in message
  assert "\n" not in message
  assert not model_files.cache_path(MODEL).exists()


def test_an_incomplete_file_is_removed(monkeypatch):
  sources(monkeypatch, bucket=CONTENT)

  def fail(*_):
    raise OSError("disk full")

  monkeypatch.setattr("os.replace", fail)
  with pytest.raises(OSError, match="disk full"):
    model_files.resolve(MODEL)
  assert list(model_files.cache_path(MODEL).parent.iterdir()) == []


def test_the_bucket_request_names_the_file(monkeypatch):
  monkeypatch.undo()
  asked = []

  def urlopen(url, timeout):
    asked.append((url, timeout))
    return io.BytesIO(CONTENT)

  monkeypatch.setattr("urllib.request.urlopen", urlopen)
  assert model_files._from_bucket(MODEL) == CONTENT
  assert asked[0][0].endswith("/mesh.tflite")
  assert 0 < asked[0][1] <= 60


def stand_in_for_pip(monkeypatch, files, returncode=0, stderr=""):
  """Replaces pip download: puts a wheel with these files into its folder."""
  monkeypatch.undo()
  commands = []

  def run(command, **_):
    commands.append(command)
    if files is not None:
      folder = Path(command[command.index("--dest") + 1])
      with zipfile.ZipFile(folder / "mediapipe-0.10.21-cp311-none-any.whl", "w") as wheel:
        for name, content in files.items():
          wheel.writestr(name, content)
    return subprocess.CompletedProcess(command, returncode, "", stderr)

  monkeypatch.setattr("subprocess.run", run)
  return commands


def test_the_wheel_is_downloaded_and_never_installed(monkeypatch):
  commands = stand_in_for_pip(monkeypatch, {"mediapipe/modules/mesh/mesh.tflite": CONTENT})
  assert model_files._from_wheel(MODEL) == CONTENT
  (command,) = commands
  assert command[1:4] == ["-m", "pip", "download"]
  assert "--no-deps" in command
  assert command[-1] == model_files.WHEEL
  assert not Path(command[command.index("--dest") + 1]).exists()


def test_the_last_line_of_pip_is_the_reason(monkeypatch):
  stand_in_for_pip(monkeypatch, None, returncode=1, stderr="WARNING: Retrying\nERROR: No matching distribution\n")
  with pytest.raises(OSError, match=r"pip download failed: ERROR: No matching distribution$"):
    model_files._from_wheel(MODEL)


def test_a_wheel_without_the_model_is_refused(monkeypatch):
  stand_in_for_pip(monkeypatch, {"mediapipe/__init__.py": b""})
  with pytest.raises(KeyError):
    model_files._from_wheel(MODEL)


@pytest.mark.parametrize("model", [model_files.DETECTOR, model_files.LANDMARKS])
def test_the_models_in_the_cache_have_the_known_checksums(monkeypatch, model):
  monkeypatch.undo()
  if not model_files.cache_path(model).is_file():
    pytest.skip(f"{model.title} is not in the cache folder: python -m attavvad_jax.faces.model_files")
  assert model_files.resolve(model) == model_files.cache_path(model)
