"""Chooses the video track that shows the performer, where a file ranks several equally, such as camera and slides."""

import contextlib
import os

from attavvad_jax.faces import Detect, FaceDetector
from attavvad_jax.media.decode import read_frames
from attavvad_jax.media.info import MediaInfo, probe
from attavvad_jax.media.tracks import DEFAULT_TRACKS, Tracks

# Faces are searched for in one frame of each of this many seconds at the beginning.
_SECONDS = 10


def with_camera(
  path: str | os.PathLike[str], tracks: Tracks = DEFAULT_TRACKS, find_faces: Detect | None = None
) -> MediaInfo:
  """Probes a file and chooses the video track in which faces are detected.

  Of several video tracks of equal rank, the one with a face in most of the first ten seconds is used; on a tie, the
  first. Where `tracks` or the file itself decides, no face is searched for.

  Args:
    path: the file.
    tracks: as for `probe`.
    find_faces: detects the faces of a frame; where None, a `FaceDetector` is opened if one is needed.

  Raises:
    OSError, MediaError: as `probe`, and MediaError where the face detector cannot start.
  """
  return choose_camera(path, probe(path, tracks), find_faces)


def choose_camera(path: str | os.PathLike[str], info: MediaInfo, find_faces: Detect | None = None) -> MediaInfo:
  """Does the same as `with_camera` where the result of `probe` for the choice of tracks is already known."""
  if not info.rivals:
    return info
  with contextlib.ExitStack() as stack:
    find = find_faces or stack.enter_context(FaceDetector())
    # On a tie, `max` returns the first.
    return max(info.rivals, key=lambda rival: _seconds_with_face(path, rival, find))


def _seconds_with_face(path: str | os.PathLike[str], info: MediaInfo, find_faces: Detect) -> int:
  frames = read_frames(path, range(_SECONDS), info=info)
  return sum(frame is not None and len(find_faces(frame.rgb)) > 0 for frame in frames)
