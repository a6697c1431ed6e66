"""tools.get_sounds: which files of the packages become whose recordings, and wrong packages."""

import numpy as np
import pytest
from scipy.io import wavfile

from tools import get_sounds

PACKAGES = {package.name: package for package in get_sounds.PACKAGES}
HEDGEWARS = "usr/share/games/hedgewars/Data"


@pytest.mark.parametrize(
  ("package", "file", "folder"),
  [
    ("asterisk-core-sounds-es-g722", "usr/share/asterisk/sounds/es_MX_f_Someone/digits/1.g722", "speech/es-Someone"),
    ("asterisk-core-sounds-es-g722", "usr/share/asterisk/sounds/es_MX_f_Someone/silence/1.g722", None),
    ("klettres-data", "usr/share/klettres/pt_BR/alpha/a.ogg", "speech/pt-letters"),
    ("klettres-data", "usr/share/klettres/pics/a.png", None),
    ("hedgewars-data", f"{HEDGEWARS}/Sounds/voices/Default/Bye.ogg", "speech/en-Default"),
    ("hedgewars-data", f"{HEDGEWARS}/Sounds/voices/Default_pl/Bye.ogg", "speech/pl-Default"),
    ("hedgewars-data", f"{HEDGEWARS}/Sounds/voices/Robot/Bye.ogg", None),
    ("hedgewars-data", f"{HEDGEWARS}/Music/City.ogg", "music"),
    ("wesnoth-1.16-music", "usr/share/games/wesnoth/1.16/data/core/music/battle.ogg", "music"),
  ],
)
def test_a_file_of_a_package_goes_to_its_speaker(tmp_path, package, file, folder):
  (tmp_path / file).parent.mkdir(parents=True)
  (tmp_path / file).write_bytes(b"")
  assert list(get_sounds._recordings(PACKAGES[package], tmp_path)) == ([] if folder is None else [(file, folder)])


def test_a_recording_becomes_16_khz_and_short_or_damaged_ones_are_left_out(tmp_path):
  source, output = tmp_path / "digits", tmp_path / "out"
  source.mkdir()
  wavfile.write(source / "long.wav", 48_000, np.zeros(48_000, np.int16))
  wavfile.write(source / "short.wav", 48_000, np.zeros(4_800, np.int16))
  (source / "damaged.wav").write_bytes(b"RIFF")
  converted = [get_sounds._convert(source / f"{name}.wav", output) for name in ("long", "short", "damaged")]
  assert converted == [True, False, False]
  rate_hz, samples = wavfile.read(output / "digits-long.wav")
  assert (rate_hz, samples.dtype) == (16_000, np.int16)
  assert len(samples) == pytest.approx(16_000, abs=50)


def test_another_version_of_a_package_is_refused_and_nothing_is_written(tmp_path):
  for package in get_sounds.PACKAGES:
    (tmp_path / f"{package.name}_9.deb").write_bytes(b"another")
  with pytest.raises(ValueError, match=r"sha256 is [0-9a-f]{64}; expected [0-9a-f]{64}: get version 1\.6\.1-1"):
    get_sounds.get_sounds(tmp_path / "sounds", tmp_path)
  assert not (tmp_path / "sounds").exists()
  with pytest.raises(ValueError, match=r"asterisk-core-sounds-en-g722_\*\.deb not found"):
    get_sounds.get_sounds(tmp_path / "sounds", tmp_path / "empty")


def test_a_folder_with_files_is_refused(tmp_path):
  (tmp_path / "mine").write_text("")
  with pytest.raises(ValueError, match="is not empty"):
    get_sounds.get_sounds(tmp_path)
