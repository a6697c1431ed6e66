import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attavvad_jax.features import augmentation as lib
from attavvad_jax.features.augmentation import Augmentation, augment
from attavvad_jax.features.front_end import network_inputs
from attavvad_jax.features.log_mel import scale_log_mel
from attavvad_jax.timeline import Clock

SILENCE, SPEECH, SINGING, OTHERS = range(4)
CLOCK = Clock()
EVERYTHING = Augmentation(
  gain_db=6.0,
  swap_audio_probability=0.3,
  swap_voice_probability=0.3,
  tilt_db=12.0,
  mix_probability=0.5,
  mask_frames=4,
  mask_bands=10,
  brightness_fraction=0.2,
  contrast_fraction=0.3,
  shift_fraction=0.2,
  turn_degrees=20.0,
  zoom_fraction=0.2,
  erase_fraction=0.4,
  flip_probability=0.5,
  movement_fraction=0.5,
  offset_fraction=0.1,
  noise_fraction=0.1,
  slow_video_probability=0.3,
  drop_images_probability=0.2,
  drop_audio_probability=0.2,
)
# Compiled once for all tests, which is many times faster than running one operation after another. Numbers are traced
# unless the size of an array depends on them.
mix_background = jax.jit(lib.mix_background)
swap_audio = jax.jit(lib.swap_audio)
change_gain = jax.jit(lib.change_gain)
drop_modality = jax.jit(lib.drop_modality)
flip_images = jax.jit(lib.flip_images)
change_light = jax.jit(lib.change_light)
change_movement = jax.jit(lib.change_movement)
tilt_log_mel = jax.jit(lib.tilt_log_mel)
shift_images = jax.jit(lib.shift_images, static_argnums=2)
turn_images = jax.jit(lib.turn_images, static_argnums=(2, 3))
erase_images = jax.jit(lib.erase_images, static_argnums=2)
mask_log_mel = jax.jit(lib.mask_log_mel, static_argnums=(2, 3))


@functools.partial(jax.jit, static_argnums=2)
def compiled(keys, batch, augmentation):
  return augment(keys, batch, CLOCK, augmentation)


@functools.partial(jax.jit, static_argnums=2)
def compiled_over_batches(keys, batches, augmentation):
  return jax.vmap(lambda keys, batch: augment(keys, batch, CLOCK, augmentation))(keys, batches)


@functools.partial(jax.jit, static_argnums=3)
def compiled_over_devices(keys, batches, places, augmentation):
  def on_device(keys, batch, places):
    return augment(keys, batch, CLOCK, augmentation, places, "devices")

  return jax.vmap(on_device, axis_name="devices")(keys, batches, places)


def _batch(num_blocks=8, num_samples=CLOCK.block_samples, size=(10, 12), seed=0):
  """A batch of noise: every other block has its second image masked, and the last block is padding."""
  rng = np.random.default_rng(seed)
  label = np.arange(num_blocks, dtype=np.int32) % 4
  image_mask = np.ones((num_blocks, 3), bool)
  image_mask[::2, 1] = False
  images = rng.integers(0, 256, (num_blocks, 3, *size)).astype(np.uint8)
  images[~image_mask] = 0
  return {
    "waveform": rng.integers(-3000, 3000, (num_blocks, num_samples)).astype(np.int16),
    "images": images,
    "image_mask": image_mask,
    "label": label,
    "audio_label": label.copy(),
    "block_mask": np.arange(num_blocks) < num_blocks - 1,
  }


def _levels(*values, labels, audio_labels=None, num_samples=64):
  """A batch of blocks with constant waveforms at the given values."""
  count = len(values)
  return {
    "waveform": jnp.asarray(np.repeat(np.float32(values)[:, None], num_samples, axis=1)),
    "label": jnp.asarray(labels, jnp.int32),
    "audio_label": jnp.asarray(labels if audio_labels is None else audio_labels, jnp.int32),
    "block_mask": jnp.ones(count, bool),
  }


def _keys(batch, seed=0):
  """One key for each block."""
  return jax.random.split(jax.random.key(seed), len(next(iter(batch.values()))))


def _assert_same(a, b, exact=True):
  assert a.keys() == b.keys()
  for name in a:
    if exact or not jnp.issubdtype(a[name].dtype, jnp.floating):
      np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    else:
      np.testing.assert_allclose(a[name], b[name], atol=2e-5, err_msg=name)


# All changes together


def test_without_augmentation_the_result_is_the_front_end_bit_for_bit():
  batch = _batch()
  log_mel, images, image_mask = jax.jit(network_inputs, static_argnums=1)(batch, CLOCK)
  expected = {**batch, "log_mel": log_mel, "images": images, "image_mask": image_mask}
  del expected["waveform"]
  _assert_same(compiled(_keys(batch), batch, Augmentation()), expected)


@pytest.mark.slow
@pytest.mark.parametrize(
  "augmentation",
  [
    # Changes of the audio, of both modalities, of the images, and after the front end. Without compilation, the others
    # are 300 programs for XLA.
    Augmentation(gain_db=6.0, drop_images_probability=0.2, flip_probability=0.5, brightness_fraction=0.2),
    pytest.param(EVERYTHING, marks=pytest.mark.slow),
  ],
  ids=["some", "everything"],
)
def test_compiled_is_the_same_as_not_compiled(augmentation):
  expected = augment(_keys(_batch()), _batch(), CLOCK, augmentation)
  _assert_same(compiled(_keys(_batch()), _batch(), augmentation), expected, exact=False)


@pytest.mark.slow
def test_mapped_over_batches_is_the_same_as_one_after_another():
  batches = [_batch(seed=seed) for seed in range(3)]
  keys = [_keys(batch, seed) for seed, batch in enumerate(batches)]
  stacked = jax.tree.map(lambda *arrays: np.stack(arrays), *batches)
  mapped = compiled_over_batches(jnp.stack(keys), stacked, EVERYTHING)
  for i, (key, batch) in enumerate(zip(keys, batches, strict=True)):
    _assert_same({name: value[i] for name, value in mapped.items()}, compiled(key, batch, EVERYTHING), exact=False)


@pytest.mark.slow
def test_the_draws_depend_on_the_key_alone():
  first, again, other = (compiled(_keys(_batch(), seed), _batch(), EVERYTHING) for seed in (1, 1, 2))
  _assert_same(first, again)
  assert (np.asarray(first["log_mel"]) != other["log_mel"]).any()
  assert (np.asarray(first["images"]) != other["images"]).any()


def test_one_change_does_not_affect_the_draws_of_another():
  alone = compiled(_keys(_batch()), _batch(), Augmentation(flip_probability=0.5))
  beside = compiled(_keys(_batch()), _batch(), Augmentation(flip_probability=0.5, gain_db=6.0, mask_bands=9))
  np.testing.assert_array_equal(alone["images"], beside["images"])
  assert (np.asarray(alone["log_mel"]) != beside["log_mel"]).any()


def test_a_block_draws_the_same_beside_any_other_blocks():
  """Background is left out, since it is another block's."""
  augmentation = dataclasses.replace(EVERYTHING, mix_probability=0.0)
  batch = _batch()
  half = {name: value[4:] for name, value in batch.items()}
  whole = compiled(_keys(batch), batch, augmentation)
  actual = compiled(_keys(batch)[4:], half, augmentation)
  _assert_same(actual, {name: value[4:] for name, value in whole.items()}, exact=False)


@pytest.mark.parametrize("order", [range(8), [5, 2, 7, 0, 3, 6, 1, 4]], ids=["in order", "in any order"])
def test_devices_draw_voices_and_background_from_the_whole_batch(order):
  """Each of four devices has two blocks of the whole batch, in some order, and a third that is padding with a voice."""
  augmentation = Augmentation(swap_audio_probability=0.6, mix_probability=0.6)
  batch, keys = _batch(), _keys(_batch())
  expected = compiled(keys, batch, augmentation)
  # Otherwise the test would not cover voices and background from other blocks.
  assert (np.asarray(expected["audio_label"]) != batch["audio_label"]).sum() > 1

  places = np.array(order).reshape(4, 2)
  own = {name: value[places] for name, value in batch.items()}
  padding = {name: np.full((4, 1, *value.shape[2:]), SPEECH, value.dtype) for name, value in own.items()}
  padding["block_mask"][:] = False
  filled = {name: np.concatenate([value, padding[name]], axis=1) for name, value in own.items()}
  filled_places = np.concatenate([places, np.zeros((4, 1), int)], axis=1)
  actual = compiled_over_devices(keys[filled_places], filled, filled_places, augmentation)
  _assert_same(
    {name: value[:, :2].reshape(8, *value.shape[2:]) for name, value in actual.items()},
    {name: value[places.ravel()] for name, value in expected.items()},
    exact=False,
  )


def test_background_is_mixed_in_as_recorded():
  """A block whose audio was swapped for a voice still gives others its own background."""
  batch = _levels(0.4, 0.2, 0.001, labels=[SPEECH, OTHERS, SILENCE])
  waveforms = jax.jit(lib.gather_waveforms)(batch)
  swapped = swap_audio(_keys(batch), batch, 1.0, waveforms)
  assert swapped["audio_label"].tolist() == [SPEECH] * 3
  mixed = mix_background(_keys(batch, 1), swapped, 1.0, 0.0, 0.0, waveforms)
  # The background is as loud as the voice; the only block with background does not get any.
  np.testing.assert_allclose(mixed["waveform"][:, 0], [0.8, 0.4, 0.8], rtol=1e-6)


def test_masked_images_stay_masked():
  for seed in range(25):
    batch = _batch(seed=seed)
    # A slow video repeats images over masked places.
    changed = compiled(_keys(batch, seed), batch, dataclasses.replace(EVERYTHING, slow_video_probability=0.0))
    assert not (np.asarray(changed["image_mask"]) & ~batch["image_mask"]).any()
    assert (np.asarray(changed["images"])[~np.asarray(changed["image_mask"])] == 0).all()
    np.testing.assert_array_equal(changed["block_mask"], batch["block_mask"])
    assert np.isfinite(changed["log_mel"]).all()


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    (dict(gain_db=-1.0), r"gain_db.*-1\.0.*0 or more"),
    (dict(flip_probability=1.5), r"flip_probability.*1\.5.*0 to 1"),
    (dict(shift_fraction=float("nan")), "shift_fraction.*nan.*0 to 1"),
    (dict(mix_max_snr_db=float("inf")), "mix_max_snr_db.*inf.*finite"),
    (dict(mix_min_snr_db=30.0), r"mix_min_snr_db.*30\.0.*mix_max_snr_db.*20\.0"),
    (dict(drop_images_probability=0.6, drop_audio_probability=0.6), "drop_images_probability.*drop_audio_probability"),
  ],
)
def test_values_out_of_range_are_refused(fields, message):
  with pytest.raises(ValueError, match=message):
    Augmentation(**fields)


# Audio swap


def _swapped(batch, seed):
  return jax.tree.map(np.asarray, swap_audio(_keys(batch, seed), batch, 1.0))


def test_blocks_without_the_performers_voice_get_another_voice():
  # The blocks by value: the performer's voice, somebody else's voice, silence, music, and a voice that is padding.
  labels, audio_labels = [SPEECH, OTHERS, SILENCE, OTHERS, SINGING], [SPEECH, SINGING, SILENCE, OTHERS, SINGING]
  batch = _levels(0.1, 0.2, 0.0, 0.3, 0.4, labels=labels, audio_labels=audio_labels)
  batch["block_mask"] = jnp.arange(5) < 4
  sources = set()
  for seed in range(20):
    swapped = _swapped(batch, seed)
    assert swapped["label"].tolist() == [SPEECH, OTHERS, OTHERS, OTHERS, SINGING]
    values = [round(float(value), 3) for value in swapped["waveform"][:, 0]]
    assert (values[0], values[4]) == (0.1, 0.4)
    for value, label in zip(values[1:4], swapped["audio_label"][1:4], strict=True):
      assert (value, label) in ((0.1, SPEECH), (0.2, SINGING))
    sources |= set(values[1:4])
  assert sources == {0.1, 0.2}


def test_a_batch_without_voices_stays_unchanged():
  batch = _levels(0.0, 0.3, 0.2, labels=[SILENCE, OTHERS, OTHERS])
  _assert_same(_swapped(batch, 0), batch)


def test_speech_and_singing_are_swapped_in_equally_often_and_with_the_given_probability():
  count = 4000
  labels = np.full(count, OTHERS)
  labels[:40], labels[40:400] = SPEECH, SINGING
  batch = _levels(*np.zeros(count), labels=labels, num_samples=1)
  swapped = jax.tree.map(np.asarray, swap_audio(_keys(batch), batch, 0.5))
  voices = swapped["audio_label"][400:]
  assert np.mean(voices != OTHERS) == pytest.approx(0.5, abs=0.03)
  assert np.mean(voices[voices != OTHERS] == SPEECH) == pytest.approx(0.5, abs=0.04)
  np.testing.assert_array_equal(swapped["label"], labels)


# Background


def test_background_is_added_at_the_drawn_ratio():
  batch = _levels(0.1, 0.2, labels=[SPEECH, OTHERS])
  mixed = mix_background(_keys(batch), batch, 1.0, 20.0, 20.0)
  # 20 dB below the speech's 0.1; the only background is not mixed with itself.
  np.testing.assert_allclose(mixed["waveform"][:, 0], [0.11, 0.2], rtol=1e-6)
  assert mixed["label"].tolist() == [SPEECH, OTHERS]


def test_silence_with_background_becomes_others():
  batch = _levels(0.0, 0.001, 0.2, labels=[SILENCE] * 2 + [OTHERS])
  mixed = mix_background(_keys(batch), batch, 1.0, 20.0, 20.0)
  # Silence has no meaningful level, so the background is added unscaled.
  np.testing.assert_allclose(mixed["waveform"][:, 0], [0.2, 0.201, 0.2], rtol=1e-6)
  assert mixed["label"].tolist() == [OTHERS] * 3
  assert mixed["audio_label"].tolist() == [OTHERS] * 3


def test_background_leaves_both_labels_of_voices():
  labels, audio_labels = [SPEECH, SINGING, OTHERS, OTHERS], [SPEECH, SINGING, SPEECH, OTHERS]
  batch = _levels(0.1, 0.1, 0.1, 0.1, labels=labels, audio_labels=audio_labels)
  mixed = mix_background(_keys(batch), batch, 1.0, 0.0, 0.0)
  assert mixed["label"].tolist() == labels
  assert mixed["audio_label"].tolist() == audio_labels
  np.testing.assert_allclose(mixed["waveform"][:, 0], [0.2, 0.2, 0.2, 0.1], rtol=1e-6)


@pytest.mark.parametrize(
  "change",
  [
    dict(label=[SPEECH, SINGING], audio_label=[SPEECH, SINGING]),
    dict(audio_label=[SPEECH, SINGING]),  # the voice is somebody else's
    dict(block_mask=[True, False]),  # padding
    dict(waveform=np.float32([[0.1] * 64, [0.001] * 64])),  # 60 dB below full scale
  ],
)
def test_voices_padding_and_quiet_blocks_are_never_mixed_in(change):
  batch = _levels(0.1, 0.2, labels=[SPEECH, OTHERS])
  batch = {**batch, **{name: jnp.asarray(value) for name, value in change.items()}}
  mixed = mix_background(_keys(batch), batch, 1.0, 0.0, 0.0)
  _assert_same(mixed, batch)


def test_each_background_is_drawn_equally_often():
  count = 900
  batch = _levels(*[0.0] * count, 0.1, 0.2, 0.4, labels=[SILENCE] * count + [OTHERS] * 3, num_samples=2)
  mixed = np.asarray(mix_background(_keys(batch), batch, 1.0, 0.0, 0.0)["waveform"])[:count, 0]
  values, counts = np.unique(mixed, return_counts=True)
  np.testing.assert_allclose(values, [0.1, 0.2, 0.4])
  np.testing.assert_allclose(counts / count, 1 / 3, atol=0.06)


def test_mixing_has_the_given_probability_and_ratios():
  count = 1500
  batch = _levels(*[0.01] * count, 0.02, labels=[SPEECH] * count + [OTHERS], num_samples=4)
  mixed = np.asarray(mix_background(_keys(batch), batch, 0.25, -5.0, 15.0)["waveform"])[:count, 0]
  changed = mixed[mixed != np.float32(0.01)]
  assert len(changed) / count == pytest.approx(0.25, abs=0.04)
  ratios_db = 20 * np.log10(0.01 / (changed - 0.01))
  assert ratios_db.min() > -5.01
  assert ratios_db.max() < 15.01
  assert ratios_db.mean() == pytest.approx(5.0, abs=1.2)  # a uniform deviation of 5.8 over 375 draws


# Gain


def test_gain_is_one_factor_per_block_within_its_bounds():
  batch = _batch(num_blocks=2000, num_samples=16, size=(1, 1))
  changed = np.asarray(change_gain(_keys(batch), batch, 6.0)["waveform"])
  waveform = batch["waveform"] / 32768.0
  factors = (changed * waveform).sum(axis=1) / (waveform**2).sum(axis=1)
  np.testing.assert_allclose(changed, factors[:, None] * waveform, atol=1e-7)
  drawn_db = 20 * np.log10(factors)
  assert np.abs(drawn_db).max() < 6.001
  assert drawn_db.mean() == pytest.approx(0.0, abs=0.3)
  assert drawn_db.std() == pytest.approx(12 / 12**0.5, abs=0.2)


def test_loud_audio_clips():
  batch = _levels(*[0.9, -0.9] * 20, labels=[SPEECH] * 40)
  changed = change_gain(_keys(batch), batch, 40.0)["waveform"]
  assert float(jnp.abs(changed).max()) == 1.0


def test_a_gain_of_0_converts_int16_as_the_front_end_does():
  batch = _batch()
  changed = change_gain(_keys(batch), batch, 0.0)["waveform"]
  np.testing.assert_array_equal(changed, batch["waveform"].astype(np.float32) / 32768.0)


# Modality dropout


def test_blocks_lose_images_or_audio_and_never_both():
  batch = _batch(num_blocks=4000, num_samples=2, size=(1, 1))
  batch["waveform"] = np.full_like(batch["waveform"], 7)
  changed = {name: np.asarray(value) for name, value in drop_modality(_keys(batch), batch, 0.2, 0.3).items()}
  no_images, no_audio = ~changed["image_mask"].any(axis=1), (changed["waveform"] == 0).all(axis=1)
  assert no_images.mean() == pytest.approx(0.2, abs=0.03)
  assert no_audio.mean() == pytest.approx(0.3, abs=0.03)
  assert not (no_images & no_audio).any()
  np.testing.assert_array_equal(changed["image_mask"][~no_images], batch["image_mask"][~no_images])
  assert changed["waveform"].dtype == np.int16
  assert (changed["waveform"][~no_audio] == 7).all()
  for name in ("label", "audio_label"):
    np.testing.assert_array_equal(changed[name], np.where(no_audio, SILENCE, batch[name]))


# Images


def test_flipped_images_are_mirrored_left_to_right():
  batch = _batch(num_blocks=2000, num_samples=2, size=(2, 3))
  changed = np.asarray(flip_images(_keys(batch), batch, 0.3)["images"])
  flipped = (changed != batch["images"]).any(axis=(1, 2, 3))
  np.testing.assert_array_equal(changed[flipped], batch["images"][flipped][..., ::-1])
  assert flipped.mean() == pytest.approx(0.3, abs=0.04)


def test_shifted_images_are_padded_with_their_edge_and_cut():
  size = (10, 20)
  batch = _batch(num_blocks=600, num_samples=2, size=size)
  changed = np.asarray(shift_images(_keys(batch), batch, 0.2)["images"])
  # Shifts by up to 2 rows and 4 columns. All images of a block must have the same shift.
  padded = np.pad(batch["images"], [(0, 0), (0, 0), (2, 2), (4, 4)], mode="edge")
  num_fits = np.zeros(len(changed), int)
  counts = np.zeros((5, 9), int)
  for top in range(5):
    for left in range(9):
      expected = padded[:, :, top : top + size[0], left : left + size[1]]
      fits = (changed == expected).all(axis=(1, 2, 3))
      num_fits += fits
      counts[top, left] = fits.sum()
  assert (num_fits == 1).all()
  assert (counts > 0).all()
  np.testing.assert_allclose(counts.sum(axis=1) / 600, 1 / 5, atol=0.07)
  np.testing.assert_allclose(counts.sum(axis=0) / 600, 1 / 9, atol=0.06)


def _spots(num_blocks):
  """Three equal images with a soft spot above and right of the center, [B,3,41,61], and its place (right, up)."""
  y, x = np.mgrid[:41, :61]
  spot = 200 * np.exp(-((x - 42) ** 2 + (y - 15) ** 2) / 8)
  return {"images": np.tile(spot.round().astype(np.uint8), (num_blocks, 3, 1, 1))}, (12, 5)


def test_images_rotate_and_scale_about_their_center_within_the_limits():
  batch, (right, up) = _spots(200)
  changed = np.asarray(turn_images(_keys(batch), batch, 25.0, 0.25)["images"])
  np.testing.assert_array_equal(changed, changed[:, :1].repeat(3, axis=1))
  images = changed[:, 0].astype(float)
  mass = images.sum(axis=(1, 2))
  x = (images.sum(axis=1) * (np.arange(61) - 30)).sum(axis=1) / mass
  y = (images.sum(axis=2) * (20 - np.arange(41))).sum(axis=1) / mass
  zooms = np.hypot(x, y) / np.hypot(right, up)
  degrees = np.rad2deg(np.arctan2(y, x) - np.arctan2(up, right))
  for drawn, low, high in ((zooms, 1 / 1.25, 1.25), (degrees, -25, 25)):
    margin = 0.04 * (high - low)  # uint8 is coarse
    assert low - margin < drawn.min() < low + 3 * margin
    assert high - 3 * margin < drawn.max() < high + margin
  # Twice the size is four times the mass.
  np.testing.assert_allclose(mass / batch["images"][0, 0].sum(), zooms**2, rtol=0.06)
  assert abs(np.corrcoef(zooms, degrees)[0, 1]) < 0.2


def test_a_rotation_and_zoom_of_0_leave_images_unchanged():
  batch = _batch()
  np.testing.assert_array_equal(turn_images(_keys(batch), batch, 0.0, 0.0)["images"], batch["images"])


def test_erased_rectangles_are_uniform_within_the_size_limit_and_the_same_in_all_images():
  batch = _batch(num_blocks=200, size=(10, 12))
  batch["image_mask"][:] = True
  changed = np.asarray(erase_images(_keys(batch), batch, 0.5)["images"])
  heights, widths, grays = set(), set(), set()
  for before, after in zip(_batch(num_blocks=200, size=(10, 12))["images"], changed, strict=True):
    different = (before != after).any(axis=0)
    if not different.any():
      continue
    rows, columns = np.flatnonzero(different.any(axis=1)), np.flatnonzero(different.any(axis=0))
    part = after[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert (part == part.flat[0]).all()
    heights.add(part.shape[1])
    widths.add(part.shape[2])
    grays.add(int(part.flat[0]))
  assert heights == {1, 2, 3, 4, 5}
  assert widths == {1, 2, 3, 4, 5, 6}
  assert min(grays) < 20
  assert max(grays) > 235


def test_tilt_leaves_the_middle_band_and_tilts_the_others_about_it_by_the_drawn_amount():
  log_mel_db = jnp.zeros((100, 4, 5)).at[:, :, 4].set(-100.0)  # the highest band is silent
  batch = {"log_mel": scale_log_mel(log_mel_db)}
  changed_db = np.asarray(tilt_log_mel(_keys(batch), batch, 12.0)["log_mel"]) * 60 - 40
  np.testing.assert_allclose(changed_db[:, :, 2], 0, atol=1e-4)
  np.testing.assert_allclose(changed_db[:, :, 1], -changed_db[:, :, 3], atol=1e-4)
  np.testing.assert_allclose(changed_db[:, :, 0], 2 * changed_db[:, :, 1], atol=1e-4)
  np.testing.assert_allclose(changed_db[:, :, 4], -100, atol=1e-4)
  np.testing.assert_array_equal(changed_db, changed_db[:, :1].repeat(4, axis=1))
  lowest = changed_db[:, 0, 0]
  assert -6 - 1e-4 <= lowest.min() < -5
  assert 5 < lowest.max() <= 6 + 1e-4


def test_tilt_does_not_fall_below_the_floor():
  batch = {"log_mel": scale_log_mel(jnp.full((50, 2, 3), -98.0))}
  changed_db = np.asarray(tilt_log_mel(_keys(batch), batch, 30.0)["log_mel"]) * 60 - 40
  assert changed_db.min() == pytest.approx(-100, abs=1e-3)


def test_a_shift_of_less_than_a_pixel_changes_nothing():
  batch = _batch()
  np.testing.assert_array_equal(shift_images(_keys(batch), batch, 0.04)["images"], batch["images"])


def test_light_is_one_linear_function_of_all_images_of_a_block():
  rng = np.random.default_rng(0)
  images = rng.uniform(0.4, 0.6, (500, 3, 4, 5)).astype(np.float32)
  batch = {"images": jnp.asarray(images), "image_mask": jnp.ones((500, 3), bool)}
  changed = np.asarray(change_light(_keys(batch), batch, 0.1, 0.5)["images"])
  lines = [np.polyfit(x.ravel() - 0.5, y.ravel() - 0.5, 1, full=True) for x, y in zip(images, changed, strict=True)]
  contrast, brightness = np.array([line[0] for line in lines]).T
  assert max(line[1][0] for line in lines) < 1e-10  # no residual
  assert np.abs(brightness).max() < 0.1001
  assert np.abs(contrast - 1).max() < 0.5001
  assert brightness.std() == pytest.approx(0.2 / 12**0.5, rel=0.1)
  assert contrast.std() == pytest.approx(1.0 / 12**0.5, rel=0.1)


def test_light_keeps_images_within_0_to_1():
  images = jnp.asarray(np.tile(np.float32([0.0, 0.5, 1.0]), (50, 3, 2, 1)))
  batch = {"images": images, "image_mask": jnp.ones((50, 3), bool)}
  changed = change_light(_keys(batch), batch, 1.0, 1.0)["images"]
  assert float(changed.min()) == 0.0
  assert float(changed.max()) == 1.0


# SpecAugment


def test_masks_are_runs_of_frames_and_bands_at_the_mean():
  rng = np.random.default_rng(0)
  log_mel = rng.normal(size=(400, 15, 64)).astype(np.float32)
  batch = {"log_mel": jnp.asarray(log_mel)}
  changed = np.asarray(mask_log_mel(_keys(batch), batch, 3, 8)["log_mel"])
  hidden = changed != log_mel
  frames, bands = hidden.all(axis=2), hidden.all(axis=1)
  np.testing.assert_array_equal(hidden, frames[:, :, None] | bands[:, None, :])
  means = np.broadcast_to(log_mel.mean(axis=(1, 2), keepdims=True), log_mel.shape)
  np.testing.assert_allclose(changed[hidden], means[hidden], atol=1e-6)
  for masks, longest in ((frames, 3), (bands, 8)):
    lengths = masks.sum(axis=1)
    assert set(lengths) == set(range(longest + 1))
    starts = np.diff(masks.astype(int), axis=1, prepend=0) == 1
    assert (starts.sum(axis=1) <= 1).all()  # one run
    assert masks.any(axis=0).all()  # anywhere


def test_a_mask_longer_than_the_block_hides_at_most_all_of_it():
  batch = {"log_mel": jnp.arange(200.0).reshape(50, 2, 2)}
  changed = mask_log_mel(_keys(batch), batch, 9, 0)["log_mel"]
  assert np.isfinite(changed).all()


def _scaled_batch(num_blocks):
  batch = _batch(num_blocks)
  _, images, _ = network_inputs(batch, CLOCK)
  return {**batch, "images": images}


def test_movement_grows_or_shrinks_about_the_mean_of_the_seen_images():
  batch = _scaled_batch(200)
  changed = change_movement(_keys(batch), batch, 0.5, 0.0, 0.0)
  mask = np.asarray(batch["image_mask"])
  sizes = []
  for before, after, seen in zip(np.asarray(batch["images"]), np.asarray(changed["images"]), mask, strict=True):
    if seen.sum() < 2:
      continue
    np.testing.assert_allclose(after[seen].mean(axis=0), before[seen].mean(axis=0), atol=1e-5)
    own, new = (x[seen] - x[seen].mean(axis=0) for x in (before, after))
    sizes.append(np.vdot(own, new) / np.vdot(own, own))
    np.testing.assert_allclose(new, sizes[-1] * own, atol=1e-5)
    assert not after[~seen].any()
  assert 1 / 1.5 <= min(sizes) < 0.72
  assert 1.4 < max(sizes) <= 1.5


def test_an_offset_is_the_same_in_all_images_of_a_block_and_noise_is_not():
  batch = _scaled_batch(300)
  mask = np.asarray(batch["image_mask"])
  offset, noise = (
    np.asarray(change_movement(_keys(batch), batch, 0.0, *sizes)["images"]) - np.asarray(batch["images"])
    for sizes in ((0.1, 0.0), (0.0, 0.1))
  )
  seen = mask.all(axis=1)
  np.testing.assert_allclose(offset[seen], np.broadcast_to(offset[seen][:, :1], offset[seen].shape), atol=1e-6)
  assert offset[seen][:, 0].std() == pytest.approx(0.1, rel=0.05)
  deviations = noise[seen].std(axis=(1, 2, 3))
  assert deviations.max() < 0.115
  assert deviations.min() < 0.01
  # The mean of the square of a uniform number is 1/3.
  assert deviations.mean() == pytest.approx(0.1 / 3, rel=0.15)
  assert not offset[~mask].any()
  assert not noise[~mask].any()


def test_a_performer_with_another_voice_is_not_heard_and_never_gets_the_own_voice():
  batch = _batch(400)
  swapped = jax.jit(lib.swap_audio)(_keys(batch), batch, 0.0, voice_probability=0.4)
  vocal = np.isin(batch["label"], (SPEECH, SINGING)) & np.asarray(batch["block_mask"])
  changed = (np.asarray(swapped["waveform"]) != np.asarray(batch["waveform"])).any(axis=1)
  assert not changed[~vocal].any()
  assert changed[vocal].mean() == pytest.approx(0.4, abs=0.08)
  assert (np.asarray(swapped["label"])[changed] == OTHERS).all()
  assert np.isin(np.asarray(swapped["audio_label"])[changed], (SPEECH, SINGING)).all()
  np.testing.assert_array_equal(np.asarray(swapped["label"])[~changed], batch["label"][~changed])


def test_a_slow_video_repeats_each_image_two_or_three_times():
  rng = np.random.default_rng(0)
  images = np.arange(12, dtype=np.uint8)[None, :, None, None] * np.ones((600, 1, 1, 2), np.uint8)
  mask = rng.uniform(size=(600, 12)) < 0.8
  batch = {"images": jnp.asarray(images), "image_mask": jnp.asarray(mask)}
  slow = jax.jit(lib.slow_video)(_keys(batch), batch, 0.5)
  shown = np.asarray(slow["images"])[:, :, 0, 0]
  counts = {1: 0, 2: 0, 3: 0}
  for row, seen, before in zip(shown, np.asarray(slow["image_mask"]), mask, strict=True):
    runs = np.diff(np.flatnonzero(np.diff(row, prepend=255, append=255)))
    assert len(set(runs[1:-1])) == 1  # at the ends, runs are cut
    counts[int(runs[1])] += 1
    assert (row <= np.arange(12)).all()  # an image shows the past
    np.testing.assert_array_equal(seen, before[row])
  assert counts[1] == pytest.approx(300, abs=40)
  assert counts[2] == pytest.approx(150, abs=35)
