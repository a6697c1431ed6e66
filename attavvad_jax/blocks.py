"""A block of a recording and its face images: what training, detection of files and detection of streams share.

Axes: S samples of a block, N images of a block, M of the time before it and its own, H, W image.
"""

from collections.abc import Mapping
import dataclasses
from typing import Any

import numpy as np

from attavvad_jax.timeline import EVENTS, Clock

# Parts of a face that an image may show. The first two are cut out, lips are drawn from landmarks.
PARTS = ("face", "mouth", "lips")
# The events of the performer on camera, and those of any voice; each has its own field of labels in a record.
AUDIO_VISUAL, AUDIO = "audio_visual", "audio"

# The fields of several blocks in the memory of the host, stacked along the first axis.
HostBatch = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Crop:
  """How a face box becomes an image.

  Attributes:
    height_px: height of the image (H).
    width_px: width of the image (W).
    margin: what is added on each side of the box, as a fraction of the box; the image's aspect ratio adds more.
    part: of the face that the image shows: one of `PARTS`.
  """

  height_px: int = 112
  width_px: int = 112
  margin: float = 0.2
  part: str = "face"

  def __post_init__(self) -> None:
    if self.height_px < 1 or self.width_px < 1:
      raise ValueError(f"crop: size is {self.height_px}x{self.width_px}; expected at least 1x1 pixels")
    if not 0 <= self.margin < 10:
      raise ValueError(f"crop: margin is {self.margin}; expected a fraction of the face box, 0 or more")
    if self.part not in PARTS:
      raise ValueError(f"crop: part is {self.part!r}; expected one of {', '.join(PARTS)}")


@dataclasses.dataclass(frozen=True)
class DataSpec:
  """What every record of a data set has in common; travels with the data and is checked when it is read.

  Attributes:
    clock: cut the blocks.
    crop: size of their images.
    events: the label map.
    label_sets: whose events the records hold: the performer's (`AUDIO_VISUAL`), and those of any voice (`AUDIO`) where
      they were known; without them, `audio_label` repeats `label`.
  """

  clock: Clock
  crop: Crop
  events: tuple[str, ...] = EVENTS
  label_sets: tuple[str, ...] = (AUDIO_VISUAL,)

  def to_dict(self) -> dict[str, Any]:
    return {
      "clock": self.clock.to_dict(),
      "crop": dataclasses.asdict(self.crop),
      "events": list(self.events),
      "label_sets": list(self.label_sets),
    }

  @classmethod
  def from_dict(cls, values: Mapping[str, Any]) -> "DataSpec":
    label_sets = tuple(values["label_sets"])
    return cls(Clock(**values["clock"]), Crop(**values["crop"]), tuple(values["events"]), label_sets)

  def misfit(self, asked: "DataSpec") -> str | None:
    """Where clock and crop are not those that a config or checkpoint asks for, in words; None where they are."""
    own, theirs = (
      {f"{part}.{key}": value for part in ("clock", "crop") for key, value in spec.to_dict()[part].items()}
      for spec in (self, asked)
    )
    different = [f"{name}={value} instead of {theirs[name]}" for name, value in own.items() if value != theirs[name]]
    return ", ".join(different) or None


@dataclasses.dataclass(frozen=True)
class FaceImages:
  """One face in one block.

  Attributes:
    number: of the face, unique in the recording.
    shot: number of the first image of the shot that the face belongs to.
    images, image_mask, boxes: as `Block` has them of the performer.
  """

  number: int
  shot: int
  images: np.ndarray
  image_mask: np.ndarray
  boxes: np.ndarray


@dataclasses.dataclass(frozen=True)
class Block:
  """One block of one recording.

  Attributes:
    index: number of the block, from 0.
    waveform: int16 [S], zeros after the sound has ended.
    images: uint8 [M,H,W] gray face crops, zeros where masked: `clock.images_before` of the time before, then the N of
      the block.
    image_mask: bool [M], false where there is no picture or no face, and where pictures come too seldom to follow lips.
    boxes: float32 [N,4], of the block's own images: face box x, y, width, height as fractions of the displayed picture,
      NaN where there is no picture or no face.
    faces: everybody who is seen in the block, where they were asked for.
  """

  index: int
  waveform: np.ndarray
  images: np.ndarray
  image_mask: np.ndarray
  boxes: np.ndarray
  faces: tuple[FaceImages, ...] = ()


# Images uint8 [M,H,W] and their mask bool [M].
_Images = tuple[np.ndarray, np.ndarray]
# Of the performer, under None, and of other faces, by number.
_Last = dict[int | None, _Images]


class ImagesBefore:
  """Puts the last images of the time before in front of those of each block, as many as the clock asks for.

  Before a performer's images are the performer's, whoever that was, and before another face's its own. A face that was
  not seen in the block before has none.
  """

  def __init__(self, clock: Clock):
    self._count = clock.images_before
    self._last: _Last = {}

  def put(self, block: Block) -> Block:
    """The next block of the recording, with the images before its own."""
    if not self._count:
      return block
    before, self._last = self._last, {}
    images, mask = self._join(before, None, block.images, block.image_mask)
    faces = []
    for face in block.faces:
      face_images, face_mask = self._join(before, face.number, face.images, face.image_mask)
      faces.append(dataclasses.replace(face, images=face_images, image_mask=face_mask))
    return dataclasses.replace(block, images=images, image_mask=mask, faces=tuple(faces))

  def _join(self, before: _Last, number: int | None, images: np.ndarray, mask: np.ndarray) -> _Images:
    """A face's images before and its own, and their mask; the last of them are kept for the next block."""
    nothing = np.zeros((self._count, *images.shape[1:]), np.uint8), np.zeros(self._count, bool)
    images_before, mask_before = before.get(number, nothing)
    images, mask = np.concatenate([images_before, images]), np.concatenate([mask_before, mask])
    self._last[number] = images[-self._count :], mask[-self._count :]
    return images, mask
