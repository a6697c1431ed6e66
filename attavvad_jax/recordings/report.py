"""What a recording turned out to be while it was read."""

import dataclasses
import math

from attavvad_jax.media import DEFAULT_TRACKS, MediaInfo, Tracks
from attavvad_jax.media.mixing import Passage


@dataclasses.dataclass
class Report:
  """What was read; complete when the last block has been.

  Attributes:
    duration_s: length of the sound, which is that of the recording.
    num_blocks: blocks that cover it.
    num_images: images of these blocks.
    images_without_frame: images at times for which the file has no picture.
    images_without_face: images that have a picture, and no face of the performer in it.
    images_too_seldom: images where pictures come less often than `MIN_FRAMES_PER_SECOND`.
    slowest_rate: pictures a second where they come most seldom; infinite where they come often enough.
    frames_left_out: pictures that were repeated, or came after a later one.
    warnings: one line each for what is missing or damaged.
    passages: where the channels of the sound cancel, and which of them was used there.
    media: what is in the file, and which of it was used; None of what did not come from a file.
  """

  duration_s: float = 0.0
  num_blocks: int = 0
  num_images: int = 0
  images_without_frame: int = 0
  images_without_face: int = 0
  images_too_seldom: int = 0
  slowest_rate: float = math.inf
  frames_left_out: int = 0
  warnings: list[str] = dataclasses.field(default_factory=list)
  passages: list[Passage] = dataclasses.field(default_factory=list)
  media: MediaInfo | None = dataclasses.field(default=None, compare=False)

  @property
  def has_video(self) -> bool:
    """Whether there was anything to be seen."""
    return not self.num_images or self.images_without_frame < self.num_images

  @property
  def tracks(self) -> Tracks:
    """Those that were used."""
    return DEFAULT_TRACKS if self.media is None else self.media.tracks

  @property
  def choices(self) -> list[str]:
    """A line for sound and pictures each, where the file has several: what is used, and what is not."""
    return [] if self.media is None else self.media.choices()


def summarize(report: Report, has_video: bool) -> None:
  """Says what is masked."""
  if has_video and report.images_without_frame:
    report.warnings.append(f"no picture for {report.images_without_frame} of {report.num_images} images")
  if report.images_without_face:
    report.warnings.append(f"no face in {report.images_without_face} of {report.num_images} images")
  if report.images_too_seldom:
    report.warnings.append(
      f"only {report.slowest_rate:.1f} pictures a second: lips cannot be followed in {report.images_too_seldom} of "
      f"{report.num_images} images, and the sound alone decides there"
    )
  if report.frames_left_out:
    report.warnings.append(f"{report.frames_left_out} pictures left out: repeated, or older than the one before")
