"""Augmentation of training batches: pure functions of a key and a batch, on the device.

Every function draws with a key for each block, so that all its images change alike and no block's draw depends on which
others stand beside it, and gives back a batch with some entries replaced; `augment` runs those that an `Augmentation`
asks for. What one block gives another, a voice or background, is drawn from the whole batch as it was recorded, in
order of the blocks' places in it: several devices draw what one would. What becomes of the targets:

- Gain, tilt, masks on the log-mel, brightness, contrast, shift, turn, zoom, erasing and flip leave them as they are.
- A voice laid under a face that utters none is somebody else's: the performer's events become others, those of any
  voice are the voice's, and the target of the visual term stays that of the block as recorded.
- Background mixed into a block is the sound of another block in which no voice is heard. Voices stay what they are,
  others stay others, and silence becomes others.
- Without images a block keeps its events: who is heard must then be told by ear. The visual term does not count it, as
  for any block without an image.
- Without sound nothing is heard: both labels become silence. The mouth moves as it did, so the target of the visual
  term stays that of the block as recorded.

Axes: B blocks, W blocks of the whole batch, S samples, T audio frames, F mel bands, N images, H, W height and width.
"""

from collections.abc import Callable, Mapping
import functools
from typing import NamedTuple

import jax
from jax import lax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates
import numpy as np

from attavvad_jax.features.front_end import network_inputs
from attavvad_jax.features.log_mel import FLOOR_DB, scale_log_mel
from attavvad_jax.settings import Augmentation
from attavvad_jax.shapes import Array, Bool, Float, Int, Key, Num, Number, Shaped
from attavvad_jax.timeline import BACKGROUND, EVENTS, VOCAL_EVENTS, Clock

# The fields of several blocks on the way into a compiled function, stacked along the first axis.
Batch = Mapping[str, Array]

# A background below this level is none: raised to a signal-to-noise ratio, it would be hiss.
_AUDIBLE_DBFS = -50.0
_SILENCE, _OTHERS = EVENTS.index("silence"), EVENTS.index(BACKGROUND)
_VOICES = np.array([EVENTS.index(event) for event in VOCAL_EVENTS])


class Waveforms(NamedTuple):
  """The waveforms of the whole batch, in order of their places in it, whichever device has them.

  Attributes:
    waveforms: as recorded, of the type that the batch has them in, [W,S].
    offers: index of the event that a block can give another: a voice, or background that can be heard; -1 where it has
      nothing to give, as padding and what is too quiet. Int32 [W].
    places: of the blocks, int32 [W].
    own_places: of the blocks of this device, int32 [B].
  """

  waveforms: Num[Array, "W S"]
  offers: Int[Array, " W"]
  places: Int[Array, " W"]
  own_places: Int[Array, " B"]


def augment(
  keys: Key[Array, " B"],
  batch: Batch,
  clock: Clock,
  augmentation: Augmentation,
  places: Int[Array, " B"] | None = None,
  axis_name: str | None = None,
) -> Batch:
  """The front end with augmentation before and after it.

  Args:
    keys: one for each block; every kind of change has a draw of its own, so that one does not depend on another. [B]
    batch: waveform int16 [B,S], images uint8 [B,N,H,W], image_mask bool [B,N], label and audio_label int32 [B],
      block_mask bool [B].
    clock: the clock of the blocks.
    augmentation: what is changed.
    places: of the blocks in the whole batch, no two the same but for padding, int32 [B]; None for 0, 1, 2 and so on.
    axis_name: the mapped axis of the devices that have the whole batch between them, None without one. Where voices or
      background are mixed, each is sent the waveforms of all.

  Returns:
    The batch with images as `network_inputs` gives them, and its log_mel in the place of waveform.
  """
  a = augmentation
  mix_keys, gain_keys, drop_keys, flip_keys, shift_keys, mask_keys, *more = _split(keys, 11)
  light_keys, turn_keys, erase_keys, tilt_keys, swap_keys = more
  changed: Batch = {name: jnp.asarray(value) for name, value in batch.items()}
  if a.swap_audio_probability or a.mix_probability:
    waveforms = gather_waveforms(changed, places, axis_name)
    if a.swap_audio_probability:
      changed = swap_audio(swap_keys, changed, a.swap_audio_probability, waveforms)
    if a.mix_probability:
      changed = mix_background(mix_keys, changed, a.mix_probability, a.mix_min_snr_db, a.mix_max_snr_db, waveforms)
  if a.gain_db:
    changed = change_gain(gain_keys, changed, a.gain_db)
  if a.drop_images_probability or a.drop_audio_probability:
    changed = drop_modality(drop_keys, changed, a.drop_images_probability, a.drop_audio_probability)
  if a.flip_probability:
    changed = flip_images(flip_keys, changed, a.flip_probability)
  if a.shift_fraction:
    changed = shift_images(shift_keys, changed, a.shift_fraction)
  if a.turn_degrees or a.zoom_fraction:
    changed = turn_images(turn_keys, changed, a.turn_degrees, a.zoom_fraction)
  if a.erase_fraction:
    changed = erase_images(erase_keys, changed, a.erase_fraction)
  log_mel, images, _ = network_inputs(changed, clock)
  changed = {name: value for name, value in changed.items() if name != "waveform"}
  changed = {**changed, "log_mel": log_mel, "images": images}
  if a.tilt_db:
    changed = tilt_log_mel(tilt_keys, changed, a.tilt_db)
  if a.mask_frames or a.mask_bands:
    changed = mask_log_mel(mask_keys, changed, a.mask_frames, a.mask_bands)
  if a.brightness_fraction or a.contrast_fraction:
    changed = change_light(light_keys, changed, a.brightness_fraction, a.contrast_fraction)
  return changed


def gather_waveforms(batch: Batch, places: Int[Array, " B"] | None = None, axis_name: str | None = None) -> Waveforms:
  """What the blocks of all devices can give each other.

  Args:
    batch: waveform, audio_label and block_mask are read.
    places: as of `augment`.
    axis_name: as of `augment`.
  """
  own_places = jnp.arange(len(batch["label"])) if places is None else places
  waveforms, audio_label = batch["waveform"], batch["audio_label"]
  audible = _level(_to_float(waveforms)) > 10 ** (_AUDIBLE_DBFS / 20)
  gives = batch["block_mask"] & (jnp.isin(audio_label, _VOICES) | audible)
  offers_and_places = jnp.stack([jnp.where(gives, audio_label, -1), own_places], axis=1)
  if axis_name is not None:
    waveforms, offers_and_places = (
      lax.all_gather(values, axis_name, tiled=True) for values in (waveforms, offers_and_places)
    )
  order = jnp.argsort(offers_and_places[:, 1])
  offers, places = offers_and_places[order].T
  return Waveforms(waveforms[order], offers, places, own_places)


def swap_audio(keys: Key[Array, " B"], batch: Batch, probability: Number, waveforms: Waveforms | None = None) -> Batch:
  """Lays voices under faces that utter none, in the place of what was heard there.

  A voice is the sound of another block of the batch, in which somebody speaks or sings; each as often as the other,
  where there are both. A batch without voices is left alone.

  Args:
    keys: of the draws, one for each block.
    batch: waveform, label, audio_label and block_mask are read.
    probability: that a block whose performer neither speaks nor sings gets a voice.
    waveforms: of the whole batch; None where `batch` is the whole.

  Returns:
    The batch; of blocks with another's voice, label is others and audio_label the voice's.
  """
  whether_keys, source_keys = _split(keys, 2)
  label, audio_label = batch["label"], batch["audio_label"]
  waveforms = gather_waveforms(batch) if waveforms is None else waveforms
  offered = waveforms.offers == _VOICES[:, None]  # [voices,W]

  def draw(key: Key[Array, ""]) -> Array:
    voice_key, block_key = jax.random.split(key)
    return _pick(block_key, offered[_pick(voice_key, offered.any(axis=1))])

  source = _draw(source_keys, draw)
  utters_nothing = batch["block_mask"] & ~jnp.isin(label, _VOICES)
  swapped = utters_nothing & offered.any() & (_uniform(whether_keys) < probability)
  return {
    **batch,
    "waveform": jnp.where(swapped[:, None], waveforms.waveforms[source], batch["waveform"]),
    "label": jnp.where(swapped, _OTHERS, label),
    "audio_label": jnp.where(swapped, waveforms.offers[source], audio_label),
  }


def mix_background(
  keys: Key[Array, " B"],
  batch: Batch,
  probability: Number,
  min_snr_db: Number,
  max_snr_db: Number,
  waveforms: Waveforms | None = None,
) -> Batch:
  """Adds the sound of another block of the batch, drawn from those in which no voice but something is heard.

  It is added so many dB below the block's own level as is drawn between the two ratios; to a block of silence, which
  has no level to speak of, as it is. A batch without such a block is left alone. Where a data set has no labels of any
  voice, `audio_label` repeats the performer's, and a voice off camera counts as background: of the performer it stays
  true.

  Args:
    keys: of the draws, one for each block.
    batch: waveform, label, audio_label and block_mask are read.
    probability: that a block gets background.
    min_snr_db: least ratio of the block's level to the background's.
    max_snr_db: greatest.
    waveforms: of the whole batch; None where `batch` is the whole.

  Returns:
    The batch with waveform float32 in [-1, 1]; where background was added, silence in label and in audio_label has
    become others.
  """
  whether_keys, source_keys, snr_keys = _split(keys, 3)
  sound, audio_label = _to_float(batch["waveform"]), batch["audio_label"]

  waveforms = gather_waveforms(batch) if waveforms is None else waveforms
  is_background = (waveforms.offers >= 0) & ~jnp.isin(waveforms.offers, _VOICES)
  may_give = is_background & (waveforms.places != waveforms.own_places[:, None])  # [B,W]: to a block, from a block
  source = jax.vmap(_pick)(source_keys, may_give)
  mixed = batch["block_mask"] & may_give.any(axis=1) & (_uniform(whether_keys) < probability)

  background = _to_float(waveforms.waveforms[source])
  snr_db = _uniform(snr_keys, min_snr_db, max_snr_db)
  # Where nothing may be taken, the level of what was drawn may be 0.
  gain = _level(sound) / jnp.where(mixed, _level(background), 1.0) * 10 ** (-snr_db / 20)
  gain = jnp.where(audio_label == _SILENCE, 1.0, gain)
  sum_of_both = jnp.clip(sound + gain[:, None] * background, -1.0, 1.0)
  return {
    **batch,
    "waveform": jnp.where(mixed[:, None], sum_of_both, sound),
    "label": _silence_to_others(batch["label"], mixed),
    "audio_label": _silence_to_others(audio_label, mixed),
  }


def change_gain(keys: Key[Array, " B"], batch: Batch, gain_db: Number) -> Batch:
  """Makes each block's sound up to `gain_db` louder or quieter, and clips it as a recorder would.

  Returns:
    The batch with waveform float32 in [-1, 1].
  """
  sound = _to_float(batch["waveform"])
  drawn_db = _uniform(keys, -gain_db, gain_db)
  return {**batch, "waveform": jnp.clip(sound * 10 ** (drawn_db[:, None] / 20), -1.0, 1.0)}


def drop_modality(keys: Key[Array, " B"], batch: Batch, images_probability: Number, audio_probability: Number) -> Batch:
  """Takes from a block its images, or its sound, or neither.

  Returns:
    The batch; blocks without images have image_mask false, those without sound a waveform of zeros and silence in label
    and audio_label.
  """
  # One draw for both, so that no block loses both.
  drawn = _uniform(keys)
  no_images, no_audio = drawn < images_probability, drawn >= 1.0 - audio_probability
  return {
    **batch,
    "image_mask": batch["image_mask"] & ~no_images[:, None],
    "waveform": jnp.where(no_audio[:, None], jnp.zeros((), batch["waveform"].dtype), batch["waveform"]),
    "label": jnp.where(no_audio, _SILENCE, batch["label"]),
    "audio_label": jnp.where(no_audio, _SILENCE, batch["audio_label"]),
  }


def flip_images(keys: Key[Array, " B"], batch: Batch, probability: Number) -> Batch:
  """Mirrors the images of some blocks, left to right."""
  images = batch["images"]
  flipped = _uniform(keys) < probability
  return {**batch, "images": jnp.where(flipped[:, None, None, None], images[..., ::-1], images)}


def shift_images(keys: Key[Array, " B"], batch: Batch, fraction: float) -> Batch:
  """Moves the images of each block by whole pixels, as if the face had been found a little aside.

  Args:
    keys: of the draws, one for each block.
    batch: images are read.
    fraction: of height and width, by which they move at most; what comes in is the edge, repeated.
  """
  images = batch["images"]
  down_keys, right_keys = _split(keys, 2)

  def taken(keys: Key[Array, " B"], size: int) -> Array:
    """Where each row or column comes from. [B, size]."""
    most = round(fraction * size)
    shift = _draw(keys, lambda key: jax.random.randint(key, (), -most, most + 1))
    return jnp.clip(jnp.arange(size) - shift[:, None], 0, size - 1)

  rows, columns = taken(down_keys, images.shape[2]), taken(right_keys, images.shape[3])

  def move(image: Array, row: Array, column: Array) -> Array:
    return image[:, row[:, None], column[None, :]]

  return {**batch, "images": jax.vmap(move)(images, rows, columns)}


def turn_images(keys: Key[Array, " B"], batch: Batch, degrees: float, zoom_fraction: float) -> Batch:
  """Turns the images of each block about their middle and changes the size of what is in them, in one resampling.

  Args:
    keys: of the draws, one for each block.
    batch: images uint8 are read.
    degrees: by which they turn at most, either way.
    zoom_fraction: by which they grow at most, and shrink likewise; what comes in is the edge, repeated.
  """
  images = batch["images"]
  height, width = images.shape[2:]
  turn_keys, zoom_keys = _split(keys, 2)
  angles = jnp.deg2rad(_uniform(turn_keys, -degrees, degrees))
  zooms = (1 + zoom_fraction) ** _uniform(zoom_keys, -1.0, 1.0)
  y, x = jnp.mgrid[:height, :width]
  y, x = y - (height - 1) / 2, x - (width - 1) / 2

  def turned(images: Array, angle: Array, zoom: Array) -> Array:
    cos, sin = jnp.cos(angle) / zoom, jnp.sin(angle) / zoom
    places = [cos * y - sin * x + (height - 1) / 2, sin * y + cos * x + (width - 1) / 2]
    sample = functools.partial(map_coordinates, coordinates=places, order=1, mode="nearest")
    return jnp.round(jax.vmap(sample)(images.astype(jnp.float32))).astype(images.dtype)

  return {**batch, "images": jax.vmap(turned)(images, angles, zooms)}


def erase_images(keys: Key[Array, " B"], batch: Batch, fraction: float) -> Batch:
  """Puts an even gray in the place of a rectangle of each block's images (Random Erasing, Zhong et al., AAAI 2020).

  It hides what is there, and as images are scaled by their darkest and brightest pixels, it changes the contrast of all
  the rest, as a lamp or a dark coat beside a face does.

  Args:
    keys: of the draws, one for each block.
    batch: images uint8 are read.
    fraction: of height and of width, that the rectangle has at most; its size, place and gray are drawn.
  """
  images = batch["images"]
  height, width = images.shape[2:]
  rows_keys, columns_keys, gray_keys = _split(keys, 3)
  rows = _run(rows_keys, height, round(fraction * height))
  columns = _run(columns_keys, width, round(fraction * width))
  grays = _draw(gray_keys, lambda key: jax.random.randint(key, (), 0, 256)).astype(images.dtype)
  erased = rows[:, None, :, None] & columns[:, None, None, :]
  return {**batch, "images": jnp.where(erased, grays[:, None, None, None], images)}


def tilt_log_mel(keys: Key[Array, " B"], batch: Batch, tilt_db: Number) -> Batch:
  """Makes the sound of each block darker or brighter, as another microphone or another room would.

  Args:
    keys: of the draws, one for each block.
    batch: log_mel [B,T,F], scaled, is read.
    tilt_db: most by which the lowest band grows or shrinks against the highest; the middle stays.

  Returns:
    The batch; what was at the floor of `log_mel` or falls below it is there.
  """
  log_mel = batch["log_mel"]
  drawn_db = _uniform(keys, -tilt_db, tilt_db)[:, None, None] * jnp.linspace(0.5, -0.5, log_mel.shape[2])
  floor, change = scale_log_mel(jnp.float32(FLOOR_DB)), scale_log_mel(drawn_db) - scale_log_mel(jnp.float32(0.0))
  return {**batch, "log_mel": jnp.where(log_mel > floor, jnp.maximum(log_mel + change, floor), log_mel)}


def mask_log_mel(keys: Key[Array, " B"], batch: Batch, max_frames: int, max_bands: int) -> Batch:
  """Hides a run of audio frames and a run of mel bands of each block (SpecAugment, Park et al., Interspeech 2019).

  Args:
    keys: of the draws, one for each block.
    batch: log_mel [B,T,F] is read.
    max_frames: most frames hidden; how many and which is drawn, none included.
    max_bands: most bands hidden, likewise.

  Returns:
    The batch; what is hidden is the mean of the block's log-mel.
  """
  log_mel = batch["log_mel"]
  frames_keys, bands_keys = _split(keys, 2)
  hidden_frames = _run(frames_keys, log_mel.shape[1], max_frames)
  hidden_bands = _run(bands_keys, log_mel.shape[2], max_bands)
  hidden = hidden_frames[:, :, None] | hidden_bands[:, None, :]
  return {**batch, "log_mel": jnp.where(hidden, log_mel.mean(axis=(1, 2), keepdims=True), log_mel)}


def change_light(keys: Key[Array, " B"], batch: Batch, brightness_fraction: Number, contrast_fraction: Number) -> Batch:
  """Makes the images of each block brighter or darker, and differences within them greater or smaller.

  Done to images that are already scaled to [0, 1] by their own minimum and maximum, which would undo it: a lamp or a
  shadow beside the face moves everything else in the same way.

  Args:
    keys: of the draws, one for each block.
    batch: images float32 [B,N,H,W] in [0, 1] and image_mask are read.
    brightness_fraction: most that is added or taken away.
    contrast_fraction: most by which distances from the middle gray grow or shrink.

  Returns:
    The batch; images in [0, 1], zeros where masked.
  """
  images, mask = batch["images"], batch["image_mask"]
  brightness_keys, contrast_keys = _split(keys, 2)
  brightness = _uniform(brightness_keys, -brightness_fraction, brightness_fraction)[:, None, None, None]
  contrast = _uniform(contrast_keys, 1 - contrast_fraction, 1 + contrast_fraction)[:, None, None, None]
  changed = jnp.clip((images - 0.5) * contrast + 0.5 + brightness, 0.0, 1.0)
  return {**batch, "images": jnp.where(mask[:, :, None, None], changed, 0.0)}


def _to_float(waveform: Num[Array, "B S"]) -> Float[Array, "B S"]:
  """Int16 as float32 in [-1, 1), as `log_mel` reads it; float32 as it is."""
  return waveform.astype(jnp.float32) / 32768.0 if waveform.dtype == jnp.int16 else waveform


def _level(sound: Float[Array, "B S"]) -> Float[Array, " B"]:
  """Root mean square of each block. [B,S] float32 -> [B]."""
  return jnp.sqrt(jnp.mean(sound**2, axis=1))


def _silence_to_others(label: Int[Array, " B"], where: Bool[Array, " B"]) -> Int[Array, " B"]:
  return jnp.where(where & (label == _SILENCE), _OTHERS, label)


def _pick(key: Key[Array, ""], mask: Bool[Array, " W"]) -> Int[Array, ""]:
  """Where one of the true ones is, each as likely as the other; 0 where there is none. bool [W] -> int32 []."""
  nth = jax.random.randint(key, (), 0, jnp.maximum(mask.sum(), 1))
  return jnp.argmax(jnp.cumsum(mask) > nth)


def _run(keys: Key[Array, " B"], size: int, longest: int) -> Bool[Array, "B {size}"]:
  """For each block a run of 0 to `longest` true, anywhere it fits. [B, size] bool."""

  def run(key: Key[Array, ""]) -> Array:
    length_key, start_key = jax.random.split(key)
    length = jax.random.randint(length_key, (), 0, min(longest, size) + 1)
    start = jax.random.randint(start_key, (), 0, size - length + 1)
    at = jnp.arange(size)
    return (at >= start) & (at < start + length)

  return _draw(keys, run)


def _draw(keys: Key[Array, " B"], draw: Callable[[Key[Array, ""]], Array]) -> Shaped[Array, "B ..."]:
  """What is drawn with each block's key. [B, ...]."""
  return jax.vmap(draw)(keys)


def _uniform(keys: Key[Array, " B"], low: Number = 0.0, high: Number = 1.0) -> Float[Array, " B"]:
  """A number between two for each block. [B]."""
  return _draw(keys, lambda key: jax.random.uniform(key, minval=low, maxval=high))


def _split(keys: Key[Array, " B"], num: int) -> tuple[Key[Array, " B"], ...]:
  """Several keys for each block from one. [num] of [B]."""
  return tuple(_draw(keys, lambda key: jax.random.split(key, num)).T)
