"""Augmentation of training batches on the device, by pure functions of keys and a batch.

Each function takes one key per block and returns the batch with some entries replaced; `augment` runs those that an
`Augmentation` asks for. All images of a block change alike, and no block's draw depends on the other blocks beside it.
Voices and background that one block takes from another are drawn from the whole batch as recorded, in the order of the
blocks' places in it, so that several devices draw the same as one. The changes affect the targets as follows:

- Gain, tilt, masks on the log-mel, brightness, contrast, shift, turn, zoom, erasing, flip, movement, offset, noise and
  a lower frame rate leave them unchanged.
- A voice swapped in under a face is somebody else's: the performer's event becomes others, the
  event of any voice becomes the voice's, and the visual term keeps the target of the block as recorded.
- Background mixed into a block is the audio of another block without a voice. Speech, singing and others keep their
  labels, and silence becomes others.
- A block without images keeps its events: the network must then decide from the audio who vocalizes. The visual term
  does not count the block, as for any block without images.
- In a block without audio, both labels become silence. The mouth still moves, so the visual term keeps the target of
the
  block as recorded.

Axes: B blocks, W blocks of the whole batch (in images, W is the width), S samples, T audio frames, F mel bands, N
images, H height.
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

# The fields of several blocks as arguments of a compiled function, stacked along the first axis.
Batch = Mapping[str, Array]

# Audio below this level is not used as background: raised to a signal-to-noise ratio, it would be hiss.
_AUDIBLE_DBFS = -50.0
_SILENCE, _OTHERS = EVENTS.index("silence"), EVENTS.index(BACKGROUND)
_VOICES = np.array([EVENTS.index(event) for event in VOCAL_EVENTS])


class Waveforms(NamedTuple):
  """The waveforms of the whole batch over all devices, in the order of their places in it.

  Attributes:
    waveforms: waveforms as recorded, [W,S], in the batch's type.
    offers: int32 [W], index of the event that a block can give another: a voice, or audible background. -1 for blocks
      with nothing to give, such as padding and blocks that are too quiet.
    places: int32 [W], places of the blocks in the whole batch.
    own_places: int32 [B], places of this device's blocks.
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
  """Runs the front end with augmentation before and after it.

  Args:
    keys: [B], one key per block. Each kind of change has its own draw, so that no change depends on another.
    batch: waveform int16 [B,S], images uint8 [B,N,H,W], image_mask bool [B,N], label and audio_label int32 [B],
      block_mask bool [B].
    clock: the clock of the blocks.
    augmentation: changes to make, and their maxima and probabilities.
    places: int32 [B], places of the blocks in the whole batch, unique except for padding; None for 0, 1, 2 and so on.
    axis_name: mapped axis of the devices among which the whole batch is distributed; None without one. If voices are
      swapped or background is mixed, every device gets the waveforms of all.

  Returns:
    The batch with images as `network_inputs` returns them, and log_mel in place of waveform.
  """
  a = augmentation
  mix_keys, gain_keys, drop_keys, flip_keys, shift_keys, mask_keys, *more = _split(keys, 11)
  light_keys, turn_keys, erase_keys, tilt_keys, swap_keys = more
  changed: Batch = {name: jnp.asarray(value) for name, value in batch.items()}
  swaps = bool(a.swap_audio_probability or a.swap_voice_probability)
  if swaps or a.mix_probability:
    waveforms = gather_waveforms(changed, places, axis_name)
    if swaps:
      changed = swap_audio(swap_keys, changed, a.swap_audio_probability, waveforms, a.swap_voice_probability)
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
  # Keys of later additions are folded rather than split, so that the draws of the other changes stay as they are.
  slow_keys, move_keys = (jax.vmap(jax.random.fold_in, (0, None))(keys, number) for number in (11, 12))
  if a.slow_video_probability:
    changed = slow_video(slow_keys, changed, a.slow_video_probability)
  log_mel, images, _ = network_inputs(changed, clock)
  changed = {name: value for name, value in changed.items() if name != "waveform"}
  changed = {**changed, "log_mel": log_mel, "images": images}
  if a.tilt_db:
    changed = tilt_log_mel(tilt_keys, changed, a.tilt_db)
  if a.mask_frames or a.mask_bands:
    changed = mask_log_mel(mask_keys, changed, a.mask_frames, a.mask_bands)
  if a.brightness_fraction or a.contrast_fraction:
    changed = change_light(light_keys, changed, a.brightness_fraction, a.contrast_fraction)
  if a.movement_fraction or a.offset_fraction or a.noise_fraction:
    changed = change_movement(move_keys, changed, a.movement_fraction, a.offset_fraction, a.noise_fraction)
  return changed


def gather_waveforms(batch: Batch, places: Int[Array, " B"] | None = None, axis_name: str | None = None) -> Waveforms:
  """Gathers the waveforms of all devices' blocks, and the voices and backgrounds that they offer each other.

  Args:
    batch: batch of which waveform, audio_label and block_mask are read.
    places: as for `augment`.
    axis_name: as for `augment`.
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


def swap_audio(
  keys: Key[Array, " B"],
  batch: Batch,
  probability: Number,
  waveforms: Waveforms | None = None,
  voice_probability: Number = 0.0,
) -> Batch:
  """Replaces the audio of blocks by another block's voice.

  A voice is the audio of a block of the batch in which somebody speaks or sings; speech and singing are drawn equally
  often if the batch has both. A batch without voices stays unchanged.

  Args:
    keys: one key per block for the draws.
    batch: batch of which waveform, label, audio_label and block_mask are read.
    probability: probability that a block whose performer neither speaks nor sings gets a voice.
    waveforms: waveforms of the whole batch; None if `batch` is the whole batch.
    voice_probability: probability that a block whose performer speaks or sings gets one.

  Returns:
    The batch; for blocks with another's voice, label is others and audio_label is the voice's.
  """
  whether_keys, source_keys = _split(keys, 2)
  label, audio_label = batch["label"], batch["audio_label"]
  waveforms = gather_waveforms(batch) if waveforms is None else waveforms
  offered = waveforms.offers == _VOICES[:, None]  # [voices,W]

  def draw(key: Key[Array, ""]) -> Array:
    voice_key, block_key = jax.random.split(key)
    return _pick(block_key, offered[_pick(voice_key, offered.any(axis=1))])

  source = _draw(source_keys, draw)
  drawn, vocalizes = _uniform(whether_keys), jnp.isin(label, _VOICES)
  chosen = ~vocalizes & (drawn < probability)
  # Without the option, the compiled program stays as it is.
  if not isinstance(voice_probability, (int, float)) or voice_probability:
    # A block with the performer's voice must get another one than its own.
    differs = waveforms.places[source] != waveforms.own_places
    chosen = chosen | (vocalizes & differs & (drawn < voice_probability))
  swapped = batch["block_mask"] & chosen & offered.any()
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
  """Adds the audio of another block of the batch, drawn from those that are audible but have no voice.

  The ratio of the block's own level to the background's is drawn between the two limits; a block of silence has no
  meaningful level and gets the background unscaled. A batch without background stays unchanged. If a data set has no
  labels of any voice, `audio_label` repeats the performer's, and a voice off camera counts as background; the
  performer's labels stay true.

  Args:
    keys: one key per block for the draws.
    batch: batch of which waveform, label, audio_label and block_mask are read.
    probability: probability that a block gets background.
    min_snr_db: minimum ratio of the block's level to the background's.
    max_snr_db: maximum ratio of the block's level to the background's.
    waveforms: waveforms of the whole batch; None if `batch` is the whole batch.

  Returns:
    The batch with waveform float32 in [-1, 1]; where background was added, silence in label and in audio_label has
    become others.
  """
  whether_keys, source_keys, snr_keys = _split(keys, 3)
  own, audio_label = _to_float(batch["waveform"]), batch["audio_label"]

  waveforms = gather_waveforms(batch) if waveforms is None else waveforms
  is_background = (waveforms.offers >= 0) & ~jnp.isin(waveforms.offers, _VOICES)
  may_give = is_background & (waveforms.places != waveforms.own_places[:, None])  # [B,W]: receiving and giving block
  source = jax.vmap(_pick)(source_keys, may_give)
  mixed = batch["block_mask"] & may_give.any(axis=1) & (_uniform(whether_keys) < probability)

  background = _to_float(waveforms.waveforms[source])
  snr_db = _uniform(snr_keys, min_snr_db, max_snr_db)
  # A block that gets no background may have drawn one whose level is 0.
  gain = _level(own) / jnp.where(mixed, _level(background), 1.0) * 10 ** (-snr_db / 20)
  gain = jnp.where(audio_label == _SILENCE, 1.0, gain)
  sum_of_both = jnp.clip(own + gain[:, None] * background, -1.0, 1.0)
  return {
    **batch,
    "waveform": jnp.where(mixed[:, None], sum_of_both, own),
    "label": _silence_to_others(batch["label"], mixed),
    "audio_label": _silence_to_others(audio_label, mixed),
  }


def change_gain(keys: Key[Array, " B"], batch: Batch, gain_db: Number) -> Batch:
  """Makes each block's audio up to `gain_db` louder or quieter, and clips it as a recorder would.

  Returns:
    The batch with waveform float32 in [-1, 1].
  """
  waveform = _to_float(batch["waveform"])
  drawn_db = _uniform(keys, -gain_db, gain_db)
  return {**batch, "waveform": jnp.clip(waveform * 10 ** (drawn_db[:, None] / 20), -1.0, 1.0)}


def drop_modality(keys: Key[Array, " B"], batch: Batch, images_probability: Number, audio_probability: Number) -> Batch:
  """Removes the images or the audio of some blocks.

  Returns:
    The batch; blocks without images have image_mask False, and blocks without audio have a waveform of zeros and
    silence in label and audio_label.
  """
  # One draw decides both, so that no block loses both.
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
  """Shifts the images of each block by whole pixels, as if the face box were slightly off.

  Args:
    keys: one key per block for the draws.
    batch: batch of which images are read.
    fraction: maximum shift as a fraction of height and of width; the edge is repeated into the exposed border.
  """
  images = batch["images"]
  down_keys, right_keys = _split(keys, 2)

  def source_index(keys: Key[Array, " B"], size: int) -> Array:
    """Index of the row or column from which each one is taken. [B, size]."""
    most = round(fraction * size)
    shift = _draw(keys, lambda key: jax.random.randint(key, (), -most, most + 1))
    return jnp.clip(jnp.arange(size) - shift[:, None], 0, size - 1)

  rows, columns = source_index(down_keys, images.shape[2]), source_index(right_keys, images.shape[3])

  def move(image: Array, row: Array, column: Array) -> Array:
    return image[:, row[:, None], column[None, :]]

  return {**batch, "images": jax.vmap(move)(images, rows, columns)}


def turn_images(keys: Key[Array, " B"], batch: Batch, degrees: float, zoom_fraction: float) -> Batch:
  """Rotates the images of each block about their center and scales their contents, in one resampling.

  Args:
    keys: one key per block for the draws.
    batch: batch of which images uint8 are read.
    degrees: maximum rotation in either direction.
    zoom_fraction: maximum fraction by which the contents grow; they shrink by at most the same factor. The edge is
      repeated into the exposed border.
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
  """Fills a rectangle of each block's images with uniform gray (Random Erasing, Zhong et al., AAAI 2020).

  The rectangle hides a part of the images. Since images are scaled by their darkest and brightest pixels, it also
  changes the contrast of the rest, as a lamp or a dark coat beside a face does.

  Args:
    keys: one key per block for the draws.
    batch: batch of which images uint8 are read.
    fraction: largest size of the rectangle as a fraction of height and of width; size, place and gray are drawn.
  """
  images = batch["images"]
  height, width = images.shape[2:]
  rows_keys, columns_keys, gray_keys = _split(keys, 3)
  rows = _run(rows_keys, height, round(fraction * height))
  columns = _run(columns_keys, width, round(fraction * width))
  grays = _draw(gray_keys, lambda key: jax.random.randint(key, (), 0, 256)).astype(images.dtype)
  erased = rows[:, None, :, None] & columns[:, None, None, :]
  return {**batch, "images": jnp.where(erased, grays[:, None, None, None], images)}


def slow_video(keys: Key[Array, " B"], batch: Batch, probability: Number) -> Batch:
  """Repeats the images of some blocks as in a video of half or a third of the frame rate.

  Args:
    keys: one key per block for the draws.
    batch: batch of which images [B,N,H,W] and image_mask are read.
    probability: probability that a block is changed.
  """
  images, mask = batch["images"], batch["image_mask"]
  whether_keys, rate_keys, phase_keys = _split(keys, 3)
  repeats = _draw(rate_keys, lambda key: jax.random.randint(key, (), 2, 4))
  repeats = jnp.where(_uniform(whether_keys) < probability, repeats, 1)
  phases = _draw(phase_keys, lambda key: jax.random.randint(key, (), 0, 6))
  places = jnp.arange(images.shape[1])
  shown = jnp.maximum(places - (places + phases[:, None]) % repeats[:, None], 0)  # [B,N]
  return {
    **batch,
    "images": jnp.take_along_axis(images, shown[:, :, None, None], axis=1),
    "image_mask": jnp.take_along_axis(mask, shown, axis=1),
  }


def tilt_log_mel(keys: Key[Array, " B"], batch: Batch, tilt_db: Number) -> Batch:
  """Tilts the spectrum of each block, as another microphone or another room would.

  Args:
    keys: one key per block for the draws.
    batch: batch of which log_mel [B,T,F], scaled, is read.
    tilt_db: maximum by which the lowest band is raised or lowered against the highest; the middle stays.

  Returns:
    The batch; values at the floor of `log_mel` stay there, and values that fall below it are raised to it.
  """
  log_mel = batch["log_mel"]
  drawn_db = _uniform(keys, -tilt_db, tilt_db)[:, None, None] * jnp.linspace(0.5, -0.5, log_mel.shape[2])
  floor, change = scale_log_mel(jnp.float32(FLOOR_DB)), scale_log_mel(drawn_db) - scale_log_mel(jnp.float32(0.0))
  return {**batch, "log_mel": jnp.where(log_mel > floor, jnp.maximum(log_mel + change, floor), log_mel)}


def mask_log_mel(keys: Key[Array, " B"], batch: Batch, max_frames: int, max_bands: int) -> Batch:
  """Hides a run of audio frames and a run of mel bands of each block (SpecAugment, Park et al., Interspeech 2019).

  Args:
    keys: one key per block for the draws.
    batch: batch of which log_mel [B,T,F] is read.
    max_frames: maximum number of hidden frames; the number, from 0 on, and the place are drawn.
    max_bands: maximum number of hidden bands, drawn in the same way.

  Returns:
    The batch; hidden values are the mean of the block's log-mel.
  """
  log_mel = batch["log_mel"]
  frames_keys, bands_keys = _split(keys, 2)
  hidden_frames = _run(frames_keys, log_mel.shape[1], max_frames)
  hidden_bands = _run(bands_keys, log_mel.shape[2], max_bands)
  hidden = hidden_frames[:, :, None] | hidden_bands[:, None, :]
  return {**batch, "log_mel": jnp.where(hidden, log_mel.mean(axis=(1, 2), keepdims=True), log_mel)}


def change_light(keys: Key[Array, " B"], batch: Batch, brightness_fraction: Number, contrast_fraction: Number) -> Batch:
  """Changes the brightness and the contrast of each block's images.

  It applies to images that are already scaled to [0, 1] by their own minimum and maximum, since that scaling would undo
  it. A lamp or a shadow beside the face has the same effect on the rest of an image.

  Args:
    keys: one key per block for the draws.
    batch: batch of which images float32 [B,N,H,W] in [0, 1] and image_mask are read.
    brightness_fraction: maximum that is added or subtracted.
    contrast_fraction: maximum fraction by which differences from middle gray grow or shrink.

  Returns:
    The batch; images in [0, 1], zeros where masked.
  """
  images, mask = batch["images"], batch["image_mask"]
  brightness_keys, contrast_keys = _split(keys, 2)
  brightness = _uniform(brightness_keys, -brightness_fraction, brightness_fraction)[:, None, None, None]
  contrast = _uniform(contrast_keys, 1 - contrast_fraction, 1 + contrast_fraction)[:, None, None, None]
  changed = jnp.clip((images - 0.5) * contrast + 0.5 + brightness, 0.0, 1.0)
  return {**batch, "images": jnp.where(mask[:, :, None, None], changed, 0.0)}


def change_movement(
  keys: Key[Array, " B"], batch: Batch, movement_fraction: Number, offset_fraction: Number, noise_fraction: Number
) -> Batch:
  """Makes each block's movements larger or smaller, and adds an offset and noise, for measures of the lips.

  Other faces have other proportions and open their mouths more or less; landmarks of small or blurred faces tremble.

  Args:
    keys: one key per block for the draws.
    batch: batch of which images float32 [B,N,H,W] in [0, 1] and image_mask are read.
    movement_fraction: maximum fraction by which differences from the mean of the block's images grow; they shrink by
      at most the same factor.
    offset_fraction: standard deviation of the value added to a pixel in all images of a block.
    noise_fraction: maximum standard deviation of the noise of a block. It is drawn with more weight on small ones.

  Returns:
    The batch; images may exceed [0, 1], and are zeros where masked.
  """
  images, mask = batch["images"], batch["image_mask"][:, :, None, None]
  size_keys, offset_keys, level_keys, noise_keys = _split(keys, 4)
  mean = (images * mask).sum(axis=1, keepdims=True) / jnp.maximum(mask.sum(axis=1, keepdims=True), 1)
  size = (1 + movement_fraction) ** _uniform(size_keys, -1.0, 1.0)[:, None, None, None]
  offset = offset_fraction * _draw(offset_keys, lambda key: jax.random.normal(key, (1, *images.shape[2:])))
  level = noise_fraction * _uniform(level_keys)[:, None, None, None] ** 2
  noise = level * _draw(noise_keys, lambda key: jax.random.normal(key, images.shape[1:]))
  return {**batch, "images": jnp.where(mask, mean + (images - mean) * size + offset + noise, 0.0)}


def _to_float(waveform: Num[Array, "B S"]) -> Float[Array, "B S"]:
  """Converts int16 to float32 in [-1, 1), as `log_mel` does; returns float32 unchanged."""
  return waveform.astype(jnp.float32) / 32768.0 if waveform.dtype == jnp.int16 else waveform


def _level(waveform: Float[Array, "B S"]) -> Float[Array, " B"]:
  """Root mean square of each block. [B,S] float32 -> [B]."""
  return jnp.sqrt(jnp.mean(waveform**2, axis=1))


def _silence_to_others(label: Int[Array, " B"], where: Bool[Array, " B"]) -> Int[Array, " B"]:
  return jnp.where(where & (label == _SILENCE), _OTHERS, label)


def _pick(key: Key[Array, ""], mask: Bool[Array, " W"]) -> Int[Array, ""]:
  """Draws the index of a true element, all equally likely; 0 if there is none. bool [W] -> int32 []."""
  nth = jax.random.randint(key, (), 0, jnp.maximum(mask.sum(), 1))
  return jnp.argmax(jnp.cumsum(mask) > nth)


def _run(keys: Key[Array, " B"], size: int, longest: int) -> Bool[Array, "B {size}"]:
  """Draws for each block a run of 0 to `longest` true elements, anywhere it fits. [B, size] bool."""

  def run(key: Key[Array, ""]) -> Array:
    length_key, start_key = jax.random.split(key)
    length = jax.random.randint(length_key, (), 0, min(longest, size) + 1)
    start = jax.random.randint(start_key, (), 0, size - length + 1)
    at = jnp.arange(size)
    return (at >= start) & (at < start + length)

  return _draw(keys, run)


def _draw(keys: Key[Array, " B"], draw: Callable[[Key[Array, ""]], Array]) -> Shaped[Array, "B ..."]:
  """Calls `draw` with each block's key. [B, ...]."""
  return jax.vmap(draw)(keys)


def _uniform(keys: Key[Array, " B"], low: Number = 0.0, high: Number = 1.0) -> Float[Array, " B"]:
  """Draws a number between `low` and `high` for each block. [B]."""
  return _draw(keys, lambda key: jax.random.uniform(key, minval=low, maxval=high))


def _split(keys: Key[Array, " B"], num: int) -> tuple[Key[Array, " B"], ...]:
  """Splits each block's key into several. [num] of [B]."""
  return tuple(_draw(keys, lambda key: jax.random.split(key, num)).T)
