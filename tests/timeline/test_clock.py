import math

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from attavvad_jax.timeline import Clock

PAPER = Clock()
rates_hz = st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000])
block_rates_hz = st.sampled_from([1.0, 2.5, 3.0, 7.0, 10.0, 12.5])


def test_paper_block_is_15_frames_of_22_ms_hops():
  # 44 ms at 16 kHz are 704 samples; 15 frames that overlap by half have 14 * 352 + 704 samples, 352 ms.
  assert (PAPER.window_samples, PAPER.hop_samples, PAPER.frames_per_block) == (704, 352, 15)
  assert PAPER.block_samples == 5632


def test_an_hour_of_blocks_drifts_by_less_than_a_sample():
  # One hour at 3 Hz is 10,800 blocks; each must start within half a sample of the exact time.
  for block in range(0, 10_801):
    assert abs(PAPER.start_sample(block) - block * 16_000 / 3) <= 0.5
  assert PAPER.start_sample(10_800) == 3600 * 16_000


@given(rates_hz, block_rates_hz, st.integers(0, 200_000))
def test_start_sample_stays_within_half_a_sample_of_start(rate_hz, block_rate_hz, block):
  clock = Clock(sample_rate_hz=rate_hz, block_rate_hz=block_rate_hz)
  assert abs(clock.start_sample(block) - clock.start_s(block) * rate_hz) <= 0.5 + 1e-6


@given(block_rates_hz, st.integers(0, 200_000))
def test_the_start_of_a_block_belongs_to_it(block_rate_hz, block):
  clock = Clock(block_rate_hz=block_rate_hz)
  assert clock.block_at(clock.start_s(block)) == block


@given(block_rates_hz, st.integers(0, 20_000), st.floats(0.001, 0.999))
def test_times_inside_a_block_belong_to_it(block_rate_hz, block, part):
  clock = Clock(block_rate_hz=block_rate_hz)
  assert clock.block_at(clock.start_s(block) + part * clock.block_s) == block


def test_times_before_the_start_belong_to_the_first_block():
  assert PAPER.block_at(-0.5) == 0


def test_image_times_at_the_papers_rates_by_hand():
  # Block 1 lasts from 1/3 to 2/3 s; the middles of its thirds are 7/18, 9/18 and 11/18 s.
  np.testing.assert_allclose(PAPER.image_times_s(1), [7 / 18, 9 / 18, 11 / 18], rtol=1e-12)


@given(block_rates_hz, st.integers(1, 10), st.integers(0, 10_000))
def test_images_are_evenly_spaced_across_blocks(block_rate_hz, images, block):
  clock = Clock(block_rate_hz=block_rate_hz, images_per_block=images)
  times = np.concatenate([clock.image_times_s(block), clock.image_times_s(block + 1)])
  np.testing.assert_allclose(np.diff(times), clock.block_s / images, rtol=1e-6)


@pytest.mark.parametrize(
  ("duration_s", "blocks"),
  [(0.0, 0), (1 / 3, 1), (1.0, 3), (30.0, 90), (1.01, 4), (1 + 0.4 / 16_000, 3), (1 + 0.6 / 16_000, 4), (3600, 10_800)],
)
def test_number_of_blocks_that_cover_a_duration(duration_s, blocks):
  assert PAPER.num_blocks(duration_s) == blocks


@given(rates_hz, block_rates_hz, st.integers(0, 10_000_000))
def test_blocks_cover_every_sample_and_the_last_is_needed(rate_hz, block_rate_hz, samples):
  clock = Clock(sample_rate_hz=rate_hz, block_rate_hz=block_rate_hz)
  blocks = clock.num_blocks(samples / rate_hz)
  assert clock.start_s(blocks) * rate_hz >= samples - 0.51
  if blocks:
    assert clock.start_s(blocks - 1) * rate_hz < samples


def test_negative_duration_is_refused():
  with pytest.raises(ValueError, match="duration is -1"):
    PAPER.num_blocks(-1)


@pytest.mark.parametrize(
  "setting",
  [
    {"sample_rate_hz": 0},
    {"block_rate_hz": -3.0},
    {"block_rate_hz": math.inf},
    {"window_ms": math.nan},
    {"images_per_block": 2.5},
    {"sample_rate_hz": "16000"},
    {"block_rate_hz": 1000.0},
  ],
)
def test_invalid_settings_are_refused_by_name(setting):
  with pytest.raises(ValueError, match="block_rate_hz|" + next(iter(setting))):
    Clock(**setting)


def test_a_window_without_samples_is_refused():
  with pytest.raises(ValueError, match="window_ms"):
    Clock(window_ms=0.05)


def test_to_dict_restores_the_clock():
  clock = Clock(sample_rate_hz=8_000, block_rate_hz=5.0, images_per_block=2, window_ms=30.0)
  assert Clock(**clock.to_dict()) == clock


def test_images_before_a_block_must_be_a_whole_number_of_0_or_more():
  assert (PAPER.images_before, PAPER.num_images) == (0, 3)
  assert Clock(images_before=6).num_images == 9
  for value in (-1, 1.5):
    with pytest.raises(ValueError, match="images_before"):
      Clock(images_before=value)


def test_audio_frames_before_a_block_lengthen_its_waveform():
  assert (PAPER.frames_before, PAPER.samples_before) == (0, 0)
  longer = Clock(frames_before=45)
  assert longer.samples_before == 45 * PAPER.hop_samples
  assert longer.block_samples == PAPER.block_samples + longer.samples_before
  assert longer.start_sample(7) == PAPER.start_sample(7)
  for value in (-1, 1.5):
    with pytest.raises(ValueError, match="frames_before"):
      Clock(frames_before=value)
