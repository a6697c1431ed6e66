"""Probes, decodes and encodes audio and video files."""

from attavvad_jax.media.decode import read_audio, read_frames, read_timed_frames
from attavvad_jax.media.encode import VideoWriter
from attavvad_jax.media.errors import MediaError
from attavvad_jax.media.frame import Frame, TimedFrame
from attavvad_jax.media.info import MediaInfo, probe, recorded_s
from attavvad_jax.media.tracks import DEFAULT_TRACKS, Tracks
from attavvad_jax.moved import moved_name

__all__ = [
  "DEFAULT_TRACKS",
  "Frame",
  "MediaError",
  "MediaInfo",
  "TimedFrame",
  "Tracks",
  "VideoWriter",
  "probe",
  "read_audio",
  "read_frames",
  "read_timed_frames",
  "recorded_s",
]


def __getattr__(name: str) -> object:
  return moved_name(__name__, name)
