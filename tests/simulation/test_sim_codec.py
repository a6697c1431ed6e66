import numpy as np
import pytest
from scipy import signal

from attavvad_jax.simulation.codec import NAMES, Codec, VideoCodec, round_trip

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def wave():
  """Returns bursts of colored noise of uneven lengths."""
  rng = np.random.default_rng(0)
  noise = signal.lfilter([1], [1, -0.8], rng.standard_normal(3 * RATE_HZ + 123))
  gate = np.repeat(rng.uniform(0, 1, 40), -(-len(noise) // 40))[: len(noise)] > 0.5
  return (0.1 * noise * gate).astype(np.float32)


@pytest.mark.parametrize("rate", [12, 24, 64])
@pytest.mark.parametrize("name", NAMES)
def test_round_trip_is_aligned_to_the_sample(wave, name, rate):
  decoded = round_trip(wave, Codec(name, rate))
  assert decoded.shape == wave.shape
  agreement = signal.correlate(decoded, wave, "full")
  assert int(np.argmax(agreement)) == len(wave) - 1
  assert np.corrcoef(decoded, wave)[0, 1] > 0.8


@pytest.mark.parametrize("name", NAMES)
def test_loses_more_at_lower_rates(wave, name):
  lost = [np.square(round_trip(wave, Codec(name, rate)) - wave).sum() for rate in (12, 64)]
  assert lost[0] > 2 * lost[1] > 0


@pytest.mark.parametrize("name", NAMES)
def test_same_waveform_gives_the_same_samples(wave, name):
  np.testing.assert_array_equal(round_trip(wave, Codec(name, 24)), round_trip(wave, Codec(name, 24)))


def test_very_short_waveform_survives():
  assert round_trip(np.full(100, 0.1, np.float32), Codec("aac", 24)).shape == (100,)


def test_codec_prints_name_and_bit_rate():
  assert str(Codec("opus", 16)) == "opus 16 kbit/s"


def test_video_codec_returns_each_frame_at_once_and_damages_it_more_at_a_higher_crf():
  rng = np.random.default_rng(0)
  texture = np.repeat(np.repeat(rng.integers(16, 235, (30, 40), np.uint8), 4, 0), 4, 1)
  frames = [np.roll(texture, shift, 1) for shift in range(0, 40, 2)]
  errors = {}
  for crf in (0, 20, 45):
    codec = VideoCodec(160, 120, crf)
    decoded = [codec.round_trip(frame) for frame in frames]
    assert all(frame.shape == (120, 160) and frame.dtype == np.uint8 for frame in decoded)
    errors[crf] = np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(frames, decoded, strict=True)])
    # A delay of one frame would be worse than the damage.
    assert errors[crf] < np.abs(frames[0].astype(int) - frames[1]).mean()
  assert errors[0] == 0 < errors[20] < errors[45]
