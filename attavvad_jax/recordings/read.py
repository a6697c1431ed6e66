"""Reads a recording file block by block."""

from collections.abc import Iterator
import contextlib
import dataclasses
import os

from attavvad_jax.blocks import Block, Crop
from attavvad_jax.faces import LOOKAHEAD_S, Detect, FaceDetector
from attavvad_jax.media import DEFAULT_TRACKS, MediaError, MediaInfo, Tracks, probe, read_audio, read_timed_frames
from attavvad_jax.media.order import PacketOrder
from attavvad_jax.recordings.assembler import BlockAssembler, Faces
from attavvad_jax.recordings.boxes import Box, check_box
from attavvad_jax.recordings.camera import choose_camera
from attavvad_jax.recordings.report import Report
from attavvad_jax.timeline import Clock


def read_blocks(
  path: str | os.PathLike[str],
  clock: Clock,
  crop: Crop,
  *,
  tracks: Tracks = DEFAULT_TRACKS,
  info: MediaInfo | None = None,
  box: Box | None = None,
  report: Report | None = None,
  detect: Detect | None = None,
  lookahead_s: float = LOOKAHEAD_S,
  faces: Faces = "performer",
) -> Iterator[Block]:
  """Reads a recording block by block, in one pass and in memory that does not grow with its length.

  The audio defines the length of the recording: frames beyond its end are left out, images without a frame are masked.

  Args:
    path: any file with audio that FFmpeg reads. Without video every image is masked, and the report contains a warning.
    clock: cuts audio and video into blocks.
    crop: size of the face images.
    tracks: which audio and video tracks are used. With a box, the first of several video tracks of equal rank is used.
    info: the result of `probe` for the file and these tracks; where None, the file is probed.
    box: x, y, width, height of the performer's face as fractions of the displayed frame. It is fixed for the whole
      recording, and no face is searched for.
    report: filled while blocks are read.
    detect: detects the faces of a frame; where None, a `FaceDetector` lives as long as the iterator. Pass an open one
      to read many files.
    lookahead_s: how far the choice of the performer looks ahead.
    faces: the faces whose images blocks contain, see `BlockAssembler`.

  Returns:
    An iterator over all `clock.num_blocks(duration)` blocks in order.

  Raises:
    OSError: the file is missing, a folder or not readable.
    MediaError: the file cannot be decoded, has no audio or no such track, or the face detector cannot start.
    ValueError: the box is not inside the frame.
  """
  check_box(box)
  report = Report() if report is None else report
  info = info or probe(path, tracks)
  if not info.has_audio:
    raise MediaError(f"{path}: no audio in this file; expected a video with audio")
  return _blocks(path, info, clock, crop, box, report, detect, lookahead_s, faces)


def _blocks(
  path: str | os.PathLike[str],
  info: MediaInfo,
  clock: Clock,
  crop: Crop,
  box: Box | None,
  report: Report,
  detect: Detect | None,
  lookahead_s: float,
  faces: Faces,
) -> Iterator[Block]:
  with contextlib.ExitStack() as stack:
    if detect is None and box is None and info.has_video:
      detect = stack.enter_context(FaceDetector())
    if detect is not None and box is None:
      info = choose_camera(path, info, detect)
    report.media = info
    # The assembler closes before the detector, even if the caller stops early: detections may still be running.
    assembler = stack.enter_context(
      BlockAssembler(
        clock,
        crop,
        detect,
        box=box,
        has_video=info.has_video,
        lookahead_s=lookahead_s,
        report=report,
        faces=faces,
      )
    )
    frames = read_timed_frames(path, info, report.warnings)
    order = PacketOrder()
    audio = read_audio(
      path, clock.sample_rate_hz, info=info, warnings=report.warnings, passages=report.passages, order=order
    )
    for samples in audio:
      assembler.push_samples(samples)
      while assembler.waits_for_frame():
        frame = next(frames, None)
        if frame is None:
          assembler.end_video()
        else:
          assembler.push_frame(frame)
        yield from assembler.take()
      yield from assembler.take()
    report.media = dataclasses.replace(info, order=order)
    yield from assembler.finish()
