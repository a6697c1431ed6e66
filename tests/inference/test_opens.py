"""How often `attavvad detect` opens a video: it is probed once and the result is passed on."""

import builtins
import contextlib
import io
import os

import av
import numpy as np
import pytest
from several_tracks import DEFAULT, NONE, write_tracks
from streams import LevelDetector

from attavvad_jax.inference import run

ONE_AUDIO = [(300, 1, DEFAULT, {})]
TWO_AUDIOS = [*ONE_AUDIO, (700, 1, NONE, {})]
ONE_VIDEO = [(230, DEFAULT)]
TWO_VIDEOS = [(20, DEFAULT), (230, DEFAULT)]


@pytest.fixture(autouse=True)
def _without_models(monkeypatch):
  faces = np.array([[0.25, 0.25, 0.5, 0.5, 0.9]])
  for module in ("read", "camera"):
    monkeypatch.setattr(
      f"attavvad_jax.recordings.{module}.FaceDetector", lambda: contextlib.nullcontext(lambda rgb: faces)
    )
  monkeypatch.setattr(run, "Detector", LevelDetector)


@pytest.fixture
def opens(monkeypatch):
  """The names of the files that Python and FFmpeg open."""
  names = []

  def count(owner, name):
    opener = getattr(owner, name)

    def counting(file, *args, **options):
      if isinstance(file, (str, os.PathLike)):
        names.append(os.path.basename(os.fspath(file)))
      return opener(file, *args, **options)

    monkeypatch.setattr(owner, name, counting)

  for owner, name in ((builtins, "open"), (io, "open"), (os, "open"), (av, "open")):
    count(owner, name)
  return names


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
  ("audio_tracks", "video_tracks", "for_labels", "for_all"),
  [
    (ONE_AUDIO, ONE_VIDEO, 3, 5),
    (TWO_AUDIOS, ONE_VIDEO, 3, 5),
    # Each of several video tracks is searched for faces, which opens the file once more.
    (TWO_AUDIOS, TWO_VIDEOS, 5, 7),
  ],
)
def test_video_is_opened_a_few_times(tmp_path, opens, suffix, audio_tracks, video_tracks, for_labels, for_all):
  video = write_tracks(tmp_path / f"a{suffix}", audio_tracks, video_tracks)
  for to, limit in ((("tsv", "json"), for_labels), (("tsv", "json", "mp4", "html"), for_all)):
    opens.clear()
    run.detect_file(video, output=tmp_path / str(len(to)), to=to, stream=io.StringIO())
    assert 2 < opens.count(video.name) <= limit, to


def test_audio_file_is_opened_twice(tmp_path, opens):
  audio = write_tracks(tmp_path / "a.mkv", ONE_AUDIO)
  opens.clear()
  run.detect_file(audio, output=tmp_path / "out", stream=io.StringIO())
  assert opens.count(audio.name) == 2
