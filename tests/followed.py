"""Tracks the performer's face through frames that are all available."""

import contextlib

from attavvad_jax.faces import LOOKAHEAD_S, FaceTracker


def follow_performer(frames, detect, images_per_second, detect_every, lookahead_s=LOOKAHEAD_S):
  """Yields one `TrackedImage` for each frame, in order; arguments and closing as for `FaceTracker`."""
  with contextlib.closing(FaceTracker(detect, images_per_second, detect_every, lookahead_s)) as tracker:
    for frame in frames:
      yield from tracker.push(frame)
    yield from tracker.finish()
