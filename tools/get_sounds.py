"""Makes a folder of recorded voices and music for the simulation, from packages of Debian 12.

python -m tools.get_sounds --output=sounds
python -m tools.get_sounds --output=sounds --packages=FOLDER

The packages are downloaded through apt, or taken from a folder; each must have the stored digest. Voices and music
become 16 kHz WAV files in `speech/LANGUAGE-SPEAKER` and `music`; `licenses` holds each package's authors and licenses,
as Debian states them. Nothing of it belongs in a repository.
"""

from collections.abc import Iterator
import dataclasses
import hashlib
from pathlib import Path
import re
import shutil
import subprocess
import tempfile

import numpy as np

from attavvad_jax.commands.base import Command, Option
from attavvad_jax.media import MediaError, read_audio
from attavvad_jax.notes import note, progress_bar
from tools import app

_RATE_HZ = 16_000
# Shorter recordings are clicks and single consonants.
_MIN_S = 0.25


@dataclasses.dataclass(frozen=True)
class Package:
  """A Debian package: its version, the digest of its file, and the place of each recording by a pattern of its path."""

  name: str
  version: str
  sha256: str
  places: dict[str, str]


def _asterisk(language: str, sha256: str) -> Package:
  places = {
    rf"usr/share/asterisk/sounds/{language}_[^/]+_(?P<who>[^/]+)/(?!silence/).*\.g722": f"speech/{language}-{{who}}"
  }
  return Package(f"asterisk-core-sounds-{language}-g722", "1.6.1-1", sha256, places)


_VOICES = r"usr/share/games/hedgewars/Data/Sounds/voices"
PACKAGES = (
  _asterisk("en", "38c5261820b406dcb0ecb37675720da2b0864850690690352ca52707eb623806"),
  _asterisk("es", "e4e3b4281057d3b81b779298fd6be705f57411513955c518eed1bcaabbd615b8"),
  _asterisk("fr", "7add61d5e42279ecff1bbdf842a5a946ac3644fac9a0fe44384731aa7270c8e0"),
  _asterisk("it", "46b4cf7afc508a5fcfc051b7ea233251c0d195dd4ef83cc4b7facb4c6429b016"),
  _asterisk("ru", "673b4238a6b8269960f055d868c6a11083f7a0d00979167cb01554046b48ed9b"),
  Package(
    "klettres-data",
    "4:22.12.3-1",
    "1186d257a19e84230856baea0b0b1ded8be9195080fcdb2588970b5cd937f5a8",
    {r"usr/share/klettres/(?P<language>[a-z]+)[^/]*/(alpha|syllab)/.*\.ogg": "speech/{language}-letters"},
  ),
  Package(
    "hedgewars-data",
    "1.0.2-6",
    "722225903a72604403e6e0026e40e9a6953f47a74d94efc5f55504bc05bb4761",
    {
      # A suffix names the language; without one, it is English.
      rf"{_VOICES}/(?P<who>[A-Za-z]+)_(?P<language>[a-z]{{2}})/.*\.ogg": "speech/{language}-{who}",
      rf"{_VOICES}/(?P<who>(?!Robot)[A-Za-z]+)/.*\.ogg": "speech/en-{who}",
      r"usr/share/games/hedgewars/Data/Music/.*\.ogg": "music",
    },
  ),
  Package(
    "wesnoth-1.16-music",
    "1:1.16.9-1",
    "f9bc3cde92b4ab30db5d7b85f89b4bcc3d788dd92602956d0347250850bf59bb",
    {r"usr/share/games/wesnoth/1.16/data/core/music/.*\.ogg": "music"},
  ),
)


def get_sounds(output: Path, packages: Path | None = None) -> None:
  """Makes the folder.

  Args:
    output: the folder; must be new or empty.
    packages: folder of the packages' files; None downloads them through apt.

  Raises:
    ValueError: the output exists, a package is missing or differs from the stored digest.
  """
  if output.exists() and any(output.iterdir()):
    raise ValueError(f"{output}: is not empty; remove it or choose another folder")
  with tempfile.TemporaryDirectory() as scratch:
    unpacked = []
    for package in progress_bar(PACKAGES, desc="getting packages", unit="package"):
      file = _find(package, packages) if packages else _download(package, Path(scratch))
      if (got := hashlib.sha256(file.read_bytes()).hexdigest()) != package.sha256:
        raise ValueError(f"{file}: sha256 is {got}; expected {package.sha256}: get version {package.version}")
      root = Path(scratch) / package.name
      subprocess.run(["dpkg-deb", "-x", file, root], check=True)
      unpacked.append((package, root))
    output.mkdir(parents=True, exist_ok=True)
    files = [(root / place, folder) for package, root in unpacked for place, folder in _recordings(package, root)]
    skipped = sum(not _convert(file, output / folder) for file, folder in progress_bar(files, desc="converting"))
    (output / "licenses").mkdir()
    for package, root in unpacked:
      shutil.copy(root / "usr/share/doc" / package.name / "copyright", output / "licenses" / f"{package.name}.txt")
  note(f"{output}: {len(files) - skipped} recordings, {skipped} too short or unreadable; licenses in {output}/licenses")


def _find(package: Package, folder: Path) -> Path:
  for file in sorted(folder.glob(f"{package.name}_*.deb")):
    return file
  raise ValueError(f"{folder}: {package.name}_*.deb not found; expected version {package.version}")


def _download(package: Package, folder: Path) -> Path:
  command = ["apt-get", "download", "-qq", f"{package.name}={package.version}"]
  try:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
  except FileNotFoundError as error:
    raise ValueError("apt-get: not found; download the packages elsewhere and name their folder: --packages") from error
  except subprocess.CalledProcessError as error:
    raise ValueError(
      f"{' '.join(command)}: {error.stderr.strip()}; expected a system with Debian 12's sources"
    ) from error
  return _find(package, folder)


def _recordings(package: Package, root: Path) -> Iterator[tuple[str, str]]:
  """Yields the place of each recording in a package, and the folder that it goes to."""
  for file in sorted(root.rglob("*")):
    place = file.relative_to(root).as_posix()
    for pattern, folder in package.places.items():
      if match := re.fullmatch(pattern, place):
        yield place, folder.format(**match.groupdict())
        break


def _convert(file: Path, folder: Path) -> bool:
  """Writes a recording as a WAV file; returns whether it is readable and long enough."""
  from scipy.io import wavfile

  try:
    samples = np.concatenate([np.zeros(0, np.int16), *read_audio(file, _RATE_HZ)])
  except MediaError:
    return False
  if len(samples) < _MIN_S * _RATE_HZ:
    return False
  folder.mkdir(parents=True, exist_ok=True)
  # Names repeat among the folders of a speaker.
  wavfile.write(folder / f"{file.parent.name}-{file.stem}.wav", _RATE_HZ, samples)
  return True


COMMAND = Command(
  "get_sounds",
  "get recorded voices and music for the simulation",
  "Makes a folder of recorded voices and music from packages of Debian 12, for --preset=recorded.",
  "python -m tools.get_sounds --output=sounds",
  (
    Option("output", "folder to make", "path", required=True),
    Option("packages", "folder of the packages' files; without it, apt downloads them", "path"),
  ),
  lambda output, packages=None: get_sounds(Path(output), packages and Path(packages)),
)

if __name__ == "__main__":
  app.run(COMMAND)
