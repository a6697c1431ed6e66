"""A block of a recording and its face images, shared by training, detection in files and detection in streams.

Axes: S samples of a block, N images of a block, M images before it plus its own N, H, W height and width of an image.
"""

from collections.abc import Mapping
import dataclasses
from typing import Any

import numpy as np

from attavvad_jax.timeline import EVENTS, Clock

# Parts of a face that an image may show. Face and mouth are cropped; lips are drawn from landmarks; of the lips' shape,
# an image holds measures in one row (`faces.lips.measure_lips`).
LIP_SHAPE = "lip_shape"
PARTS = ("face", "mouth", "lips", LIP_SHAPE)
# Width of the row of `LIP_SHAPE`.
NUM_LIP_MEASURES = 18
# Label sets: events of the performer on camera, and events of any voice. Each has its own label field in a record.
AUDIO_VISUAL, AUDIO = "audio_visual", "audio"

# The fields of several blocks in host memory, stacked along the first axis.
HostBatch = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Crop:
  """The crop of a face box that becomes an image.

  Attributes:
    height_px: height of the image (H).
    width_px: width of the image (W).
    margin: border added on each side of the box, as a fraction of the box; fitting the image's aspect ratio adds more.
    part: part of the face that the image shows, one of `PARTS`.
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
    if self.part == LIP_SHAPE and (self.height_px, self.width_px) != (1, NUM_LIP_MEASURES):
      raise ValueError(
        f"crop: size is {self.height_px}x{self.width_px}; expected 1x{NUM_LIP_MEASURES} for the part {LIP_SHAPE}"
      )


@dataclasses.dataclass(frozen=True)
class DataSpec:
  """The properties that all records of a data set share; stored with the data and checked when it is read.

  Attributes:
    clock: clock by which the recordings were cut into blocks.
    crop: size of the images, and their crop from a face box.
    events: the label map: the event of each label index.
    label_sets: label sets in the records: the performer's events (`AUDIO_VISUAL`) and, where they were known, those of
      any voice (`AUDIO`). Without `AUDIO`, `audio_label` repeats `label`.
  """

  clock: Clock
  crop: Crop
  events: tuple[str, ...] = EVENTS
  label_sets: tuple[str, ...] = (AUDIO_VISUAL,)

  def to_dict(self) -> dict[str, Any]:
    """Converts to plain values for metadata and checkpoints."""
    return {
      "clock": self.clock.to_dict(),
      "crop": dataclasses.asdict(self.crop),
      "events": list(self.events),
      "label_sets": list(self.label_sets),
    }

  @classmethod
  def from_dict(cls, values: Mapping[str, Any]) -> "DataSpec":
    """Restores a spec from the values of `to_dict`."""
    label_sets = tuple(values["label_sets"])
    return cls(Clock(**values["clock"]), Crop(**values["crop"]), tuple(values["events"]), label_sets)

  def misfit(self, asked: "DataSpec") -> str | None:
    """Describes how clock and crop differ from those that a config or checkpoint asks for; None if they agree."""
    own, theirs = (
      {f"{part}.{key}": value for part in ("clock", "crop") for key, value in spec.to_dict()[part].items()}
      for spec in (self, asked)
    )
    different = [f"{name}={value} instead of {theirs[name]}" for name, value in own.items() if value != theirs[name]]
    return ", ".join(different) or None


@dataclasses.dataclass(frozen=True)
class FaceImages:
  """The images of one face in one block.

  Attributes:
    number: number of the face, unique in the recording.
    shot: number of the first image of the shot that the face belongs to.
    images, image_mask, boxes: the same arrays as `Block` has for the performer.
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
    waveform: int16 [S], `clock.samples_before` samples from before the block, then its own; zeros before the start and
      after the end of the audio.
    images: uint8 [M,H,W] gray face crops, zeros where masked: `clock.images_before` images from before the block, then
      the block's own N.
    image_mask: bool [M], false where there is no video frame or no face, and where the frame rate is too low to follow
      lips.
    boxes: float32 [N,4], face boxes in the block's own images: x, y, width, height as fractions of the displayed frame,
      NaN where there is no frame or no face.
    faces: all faces visible in the block; empty unless they were asked for.
  """

  index: int
  waveform: np.ndarray
  images: np.ndarray
  image_mask: np.ndarray
  boxes: np.ndarray
  faces: tuple[FaceImages, ...] = ()


# Images uint8 [M,H,W] and their mask bool [M].
_Images = tuple[np.ndarray, np.ndarray]
# Last images by face number; the performer's are under None.
_Last = dict[int | None, _Images]


class ImagesBefore:
  """Prepends the last `clock.images_before` images from before each block to the block's own.

  The performer's images follow the performer's earlier ones, even if those show another face; any other face's images
  follow that face's own. A face that the previous block did not show has masked zeros before it.
  """

  def __init__(self, clock: Clock):
    self._count = clock.images_before
    self._last: _Last = {}

  def put(self, block: Block) -> Block:
    """Returns the next block of the recording with the images before it prepended."""
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
    """Joins a face's earlier images and masks with its own, and keeps the last ones for the next block."""
    nothing = np.zeros((self._count, *images.shape[1:]), np.uint8), np.zeros(self._count, bool)
    images_before, mask_before = before.get(number, nothing)
    images, mask = np.concatenate([images_before, images]), np.concatenate([mask_before, mask])
    self._last[number] = images[-self._count :], mask[-self._count :]
    return images, mask
