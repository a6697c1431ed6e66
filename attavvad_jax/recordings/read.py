"""Reads a recording file block by block."""

from collections.abc import Iterator
import contextlib
import dataclasses
import os

from attavvad_jax.blocks import Block, Crop
from attavvad_jax.faces import LOOKAHEAD_S, Detect, FaceDetector
from attavvad_jax.media import DEFAULT_TRACKS, MediaError, MediaInfo, Tracks, probe, read_audio, read_timed_frames
from attavvad_jax.media.order import PacketOrder
from attavvad_jax.recordings.assembler import BlockAssembler
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
  all_faces: bool = False,
) -> Iterator[Block]:
  """Reads a recording block by block, in one pass and in memory that does not grow with its length.

  The sound decides how long the recording is: pictures beyond its end are left out, missing ones are masked.

  Args:
    path: any file with sound that FFmpeg reads. Without pictures every image is masked, and the report says so.
    clock: cuts sound and pictures into blocks.
    crop: size of the face images.
    tracks: which of the file's sound and pictures are used. With a box, of several pictures of equal rank the first.
    info: what `probe` says of the file and these tracks, where it has been asked already.
    box: x, y, width, height of the performer's face as fractions of the displayed picture. It stays where it is for the
      whole recording, and no face is looked for.
    report: is filled while blocks are read.
    detect: finds the faces of a picture; where None, a `FaceDetector` lives as long as the iterator. Give an open one
      to read many files.
    lookahead_s: how far the choice of the performer looks ahead.
    all_faces: whether the blocks come with the images of all faces, as `FaceTracker` tells them apart.

  Returns:
    An iterator over all `clock.num_blocks(duration)` blocks in order.

  Raises:
    OSError: the file is missing, a folder or not readable.
    MediaError: it cannot be decoded, has no sound or no such track, or the face detector cannot start.
    ValueError: the box is not inside the picture.
  """
  check_box(box)
  report = Report() if report is None else report
  info = info or probe(path, tracks)
  if not info.has_audio:
    raise MediaError(f"{path}: no sound in this file; expected a video with sound")
  return _blocks(path, info, clock, crop, box, report, detect, lookahead_s, all_faces)


def _blocks(
  path: str | os.PathLike[str],
  info: MediaInfo,
  clock: Clock,
  crop: Crop,
  box: Box | None,
  report: Report,
  detect: Detect | None,
  lookahead_s: float,
  all_faces: bool,
) -> Iterator[Block]:
  with contextlib.ExitStack() as stack:
    if detect is None and box is None and info.has_video:
      detect = stack.enter_context(FaceDetector())
    if detect is not None and box is None:
      info = choose_camera(path, info, detect)
    report.media = info
    # Closed before the detector is, even if the caller stops half-way: detections may be under way.
    assembler = stack.enter_context(
      BlockAssembler(
        clock,
        crop,
        detect,
        box=box,
        has_video=info.has_video,
        lookahead_s=lookahead_s,
        report=report,
        all_faces=all_faces,
      )
    )
    pictures = read_timed_frames(path, info, report.warnings)
    order = PacketOrder()
    sound = read_audio(
      path, clock.sample_rate_hz, info=info, warnings=report.warnings, passages=report.passages, order=order
    )
    for samples in sound:
      assembler.push_samples(samples)
      while assembler.waits_for_frame():
        picture = next(pictures, None)
        if picture is None:
          assembler.end_video()
        else:
          assembler.push_frame(picture)
        yield from assembler.take()
      yield from assembler.take()
    report.media = dataclasses.replace(info, order=order)
    yield from assembler.finish()
