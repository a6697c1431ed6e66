"""The report on a recording, filled while it is read."""

import dataclasses
import math

from attavvad_jax.media import DEFAULT_TRACKS, MediaInfo, Tracks
from attavvad_jax.media.mixing import Passage


@dataclasses.dataclass
class Report:
  """Lengths, counts and warnings of a recording; complete once its last block has been read.

  Attributes:
    duration_s: length of the audio, which is the length of the recording.
    num_blocks: number of blocks that cover it.
    num_images: number of images of these blocks.
    images_without_frame: number of images at times without a video frame.
    images_without_face: number of images with a frame, but without the performer's face in it.
    images_too_seldom: number of images where the frame rate is below `MIN_FRAMES_PER_SECOND`.
    slowest_rate: lowest frame rate, in frames per second, at these images; infinite where there are none.
    frames_left_out: number of frames that were repeated, or came after a later one.
    warnings: one line for each missing or damaged thing.
    passages: passages in which the audio channels cancel, with the channel used there.
    media: contents of the file and its used tracks; None where the recording is not a file.
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
    """Whether any image has a video frame; true without images."""
    return not self.num_images or self.images_without_frame < self.num_images

  @property
  def tracks(self) -> Tracks:
    """The tracks that were used."""
    return DEFAULT_TRACKS if self.media is None else self.media.tracks

  @property
  def choices(self) -> list[str]:
    """A line each for audio and video with several tracks: which one is used, and which ones are not."""
    return [] if self.media is None else self.media.choices()


def summarize(report: Report, has_video: bool) -> None:
  """Adds the warnings about masked images and frames left out."""
  if has_video and report.images_without_frame:
    report.warnings.append(f"no video frame for {report.images_without_frame} of {report.num_images} images")
  if report.images_without_face:
    report.warnings.append(f"no face in {report.images_without_face} of {report.num_images} images")
  if report.images_too_seldom:
    report.warnings.append(
      f"only {report.slowest_rate:.1f} video frames per second: lips cannot be followed in {report.images_too_seldom} "
      f"of {report.num_images} images, where the audio alone decides"
    )
  if report.frames_left_out:
    report.warnings.append(f"{report.frames_left_out} video frames left out: repeated, or older than the one before")
