"""The performer's face in pictures that are all there."""

import contextlib

from attavvad_jax.faces import LOOKAHEAD_S, FaceTracker


def follow_performer(pictures, detect, images_per_second, detect_every, lookahead_s=LOOKAHEAD_S):
  """A generator with one `TrackedImage` for each picture, in order; arguments and closing as for `FaceTracker`."""
  with contextlib.closing(FaceTracker(detect, images_per_second, detect_every, lookahead_s)) as follower:
    for picture in pictures:
      yield from follower.push(picture)
    yield from follower.finish()
