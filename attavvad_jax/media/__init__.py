"""Recordings in and out: decoding, faces, blocks, encoding."""

from attavvad_jax.media.blocks import Block, BlockAssembler, Report, read_blocks
from attavvad_jax.media.decode import MediaInfo, Picture, TimedPicture, probe, read_pictures, read_sound
from attavvad_jax.media.encode import VideoWriter
from attavvad_jax.media.errors import MediaError
from attavvad_jax.media.faces import Crop, FaceDetector

__all__ = [
  "Block",
  "BlockAssembler",
  "Crop",
  "FaceDetector",
  "MediaError",
  "MediaInfo",
  "Picture",
  "Report",
  "TimedPicture",
  "VideoWriter",
  "probe",
  "read_blocks",
  "read_pictures",
  "read_sound",
]
