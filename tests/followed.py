"""The performer's face in pictures that are all there."""

import contextlib

from attavvad_jax.media.faces import LOOKAHEAD_S, Follower


def follow_performer(pictures, detect, images_per_second, detect_every, lookahead_s=LOOKAHEAD_S):
  """A generator with one `TrackedImage` for each picture, in order; arguments and closing as for `Follower`."""
  with contextlib.closing(Follower(detect, images_per_second, detect_every, lookahead_s)) as follower:
    for picture in pictures:
      yield from follower.push(picture)
    yield from follower.finish()
