"""Recordings in and out: decoding, faces, blocks, encoding."""

from attavvad_jax.media.blocks import Block, BlockAssembler, Report, read_blocks
from attavvad_jax.media.decode import MediaInfo, Picture, TimedPicture, probe, read_pictures, read_sound, recorded_s
from attavvad_jax.media.encode import VideoWriter
from attavvad_jax.media.errors import MediaError
from attavvad_jax.media.faces import Crop, FaceDetector
from attavvad_jax.media.tracks import DEFAULT_TRACKS, Tracks

__all__ = [
  "DEFAULT_TRACKS",
  "Block",
  "BlockAssembler",
  "Crop",
  "FaceDetector",
  "MediaError",
  "MediaInfo",
  "Picture",
  "Report",
  "TimedPicture",
  "Tracks",
  "VideoWriter",
  "probe",
  "read_blocks",
  "read_pictures",
  "read_sound",
  "recorded_s",
]
