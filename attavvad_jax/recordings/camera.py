"""Which of several pictures show the performer, where a file does not say: slides are no camera."""

import contextlib
import os

from attavvad_jax.faces import Detect, FaceDetector
from attavvad_jax.media.decode import MediaInfo, probe, read_frames
from attavvad_jax.media.tracks import DEFAULT_TRACKS, Tracks

# A face is looked for in a picture of each of the first so many seconds.
_SECONDS = 10


def with_camera(
  path: str | os.PathLike[str], tracks: Tracks = DEFAULT_TRACKS, find_faces: Detect | None = None
) -> MediaInfo:
  """What `probe` says of a file, with the pictures in which faces are found.

  Of several pictures of equal rank, those are used in which most of the first ten seconds show a face, of equals the
  first. Where the choice of tracks or the file itself says which, no face is looked for.

  Args:
    path: the file.
    tracks: as `probe` takes it.
    find_faces: finds the faces of a picture; where None, a `FaceDetector` is opened, if one is needed.

  Raises:
    OSError, MediaError: as `probe`, and MediaError where the face detector cannot start.
  """
  return choose_camera(path, probe(path, tracks), find_faces)


def choose_camera(path: str | os.PathLike[str], info: MediaInfo, find_faces: Detect | None = None) -> MediaInfo:
  """The same, where `probe` has been asked already, with the choice of tracks: `info` is its answer."""
  if not info.rivals:
    return info
  with contextlib.ExitStack() as stack:
    find = find_faces or stack.enter_context(FaceDetector())
    # The first of equals is the largest of them to `max`.
    return max(info.rivals, key=lambda rival: _seconds_with_face(path, rival, find))


def _seconds_with_face(path: str | os.PathLike[str], info: MediaInfo, find_faces: Detect) -> int:
  pictures = read_frames(path, range(_SECONDS), info=info)
  return sum(picture is not None and len(find_faces(picture.rgb)) > 0 for picture in pictures)
