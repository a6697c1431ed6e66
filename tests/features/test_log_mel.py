import functools

import jax
import jax.numpy as jnp
import numpy as np
from optimized import optimized_jit
import pytest

from attavvad_jax.features import log_mel as lib
from attavvad_jax.features.log_mel import mel_filters, scale_log_mel
from attavvad_jax.timeline import Clock

RATE_HZ, WINDOW, HOP, FFT_SIZE = 16_000, 704, 352, 1024
# Compiled once per shape, which is many times faster than running one operation after another.
log_mel = jax.jit(lib.log_mel, static_argnums=1)
# Compiled as in training and detection, for the tests of exactness.
optimized_log_mel = optimized_jit(lib.log_mel, static_argnums=1)


def _seconds(duration_s):
  return np.arange(round(duration_s * RATE_HZ)) / RATE_HZ


def _music():
  """Chords with decaying harmonics, whose bands are 70 dB apart."""
  t = _seconds(2.0)
  notes = (np.sin(2 * np.pi * f * k * t) / k**2 for f in (220.0, 277.2, 329.6) for k in range(1, 8))
  return 0.2 * sum(notes) * np.exp(-2 * (t % 0.5))


def _speech():
  """Pulses through three formants, with pauses of digital silence."""
  from scipy.signal import lfilter

  t = _seconds(2.0)
  x = (np.diff(np.floor(120 * t + 0.5 * np.sin(2 * np.pi * 3 * t)), prepend=0) > 0).astype(float)
  for formant_hz, width_hz in ((700, 80), (1200, 100), (2600, 150)):
    r = np.exp(-np.pi * width_hz / RATE_HZ)
    x = lfilter([1 - r], [1, -2 * r * np.cos(2 * np.pi * formant_hz / RATE_HZ), r * r], x)
  return 0.5 * x / np.abs(x).max() * (np.sin(2 * np.pi * 4 * t) > -0.3)


def _noise(edge_hz=None, pass_zero=True):
  from scipy.signal import firwin, lfilter

  x = 0.3 * np.random.default_rng(0).normal(size=2 * RATE_HZ)
  return x if edge_hz is None else lfilter(firwin(401, edge_hz, fs=RATE_HZ, pass_zero=pass_zero), 1, x)


SIGNALS = {
  "music": _music,
  "speech": _speech,
  "noise": _noise,
  "noise_below_1_khz": lambda: _noise(1000),
  "noise_above_4_khz": lambda: _noise(4000, pass_zero=False),
  "silence": lambda: np.zeros(RATE_HZ),
}


def _librosa(x):
  import librosa

  # librosa centers the window in the FFT's frame, so the first sample needs as many zeros before it as the window.
  x = np.pad(x, (FFT_SIZE - WINDOW) // 2)
  power = librosa.feature.melspectrogram(
    y=x, sr=RATE_HZ, n_fft=FFT_SIZE, win_length=WINDOW, hop_length=HOP, window="hamming", center=False, n_mels=64
  )
  return librosa.power_to_db(power, top_db=None).T


def _float64(x):
  """Computes the definition frame by frame in float64."""
  import librosa

  window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
  frames = np.lib.stride_tricks.sliding_window_view(np.float64(x), WINDOW)[::HOP] * window
  filters = librosa.filters.mel(sr=RATE_HZ, n_fft=FFT_SIZE, n_mels=64, dtype=np.float64)
  return 10 * np.log10(np.maximum(1e-10, np.abs(np.fft.rfft(frames, FFT_SIZE)) ** 2 @ filters.T))


@pytest.mark.parametrize("signal", SIGNALS)
def test_equals_librosa(signal):
  x = np.float32(SIGNALS[signal]())
  np.testing.assert_allclose(optimized_log_mel(x, Clock()), _librosa(x), atol=7e-4, rtol=0)


@pytest.mark.parametrize("signal", ["music", "speech", "noise", "noise_below_1_khz"])
def test_quiet_bands_beside_loud_ones_are_exact(signal):
  x = np.float32(SIGNALS[signal]())
  np.testing.assert_allclose(optimized_log_mel(x, Clock()), _float64(x), atol=4e-4, rtol=0)


def test_filters_equal_librosa():
  import librosa

  for rate_hz, fft_size, num_bands in ((16_000, 1024, 64), (44_100, 2048, 80)):
    expected = librosa.filters.mel(sr=rate_hz, n_fft=fft_size, n_mels=num_bands)
    np.testing.assert_allclose(mel_filters(rate_hz, fft_size, num_bands), expected, atol=1e-8)


def test_int16_equals_float():
  x = np.int16(np.random.default_rng(0).integers(-(2**15), 2**15, 4000))
  np.testing.assert_array_equal(log_mel(x, Clock()), log_mel(np.float32(x) / 32768, Clock()))


def test_blocks_have_the_frames_of_the_clock():
  clock = Clock()
  blocks = jax.ShapeDtypeStruct((2, 3, clock.block_samples), np.int16)
  assert jax.eval_shape(functools.partial(lib.log_mel, clock=clock), blocks).shape == (2, 3, clock.frames_per_block, 64)


def test_no_blocks_give_no_frames():
  clock = Clock()
  assert log_mel(np.zeros((0, clock.block_samples), np.int16), clock).shape == (0, clock.frames_per_block, 64)


def test_a_long_recording_in_chunks_equals_its_frames():
  clock = Clock()
  num_frames = 1100  # two chunks
  x = np.float32(np.random.default_rng(0).normal(size=(num_frames - 1) * HOP + WINDOW + 100) * 0.1)
  frames = np.lib.stride_tricks.sliding_window_view(x, WINDOW)[::HOP]
  np.testing.assert_allclose(log_mel(x, clock), log_mel(frames, clock)[:, 0], atol=1e-4)


def test_many_blocks_equal_each_alone():
  clock = Clock()
  x = np.random.default_rng(0).integers(-3000, 3000, (3, 31, clock.block_samples)).astype(np.int16)
  whole = log_mel(x, clock)  # two chunks, of which the second overlaps the first
  for index in ((0, 0), (1, 0), (2, 9), (2, 30)):
    np.testing.assert_allclose(whole[index], log_mel(x[index], clock), atol=1e-4)


@pytest.mark.parametrize(("version", "count"), [((0, 6, 1), 2), ((0, 10, 2), 2), ((0, 11, 0), 1), ((0, 11, 2), 1)])
def test_two_transforms_run_at_once_only_with_versions_of_jax_that_finish_them(version, count, monkeypatch):
  samples = np.float32(_noise()[: 4 * WINDOW])
  expected = log_mel(samples, Clock())
  monkeypatch.setattr(jax, "__version_info__", version)
  program = jax.make_jaxpr(lambda samples: lib.log_mel(samples, Clock()))(
    samples
  )  # a new function, which is not cached
  assert str(program).count("fft_lengths") == count
  np.testing.assert_allclose(lib.log_mel(samples, Clock()), expected, atol=1e-3)


def test_odd_window():
  clock = Clock(sample_rate_hz=11_025)  # 485 samples, hop 242
  x = np.float32(np.random.default_rng(0).normal(size=485 + 242))
  whole = log_mel(x, clock)
  np.testing.assert_allclose(whole[1], log_mel(x[242:], clock)[0], atol=1e-4)
  assert whole.shape == (2, 64)


def test_a_shift_by_one_hop_is_a_shift_by_one_frame():
  x = np.float32(np.random.default_rng(0).normal(size=5 * HOP + WINDOW))
  np.testing.assert_allclose(log_mel(x[HOP:], Clock()), log_mel(x, Clock())[1:], atol=1e-4)


def test_gradient_is_finite_at_silence():
  gradient = jax.jit(jax.grad(lambda x: log_mel(x, Clock()).sum()))(jnp.zeros(WINDOW))
  assert np.isfinite(gradient).all()


def test_short_or_float64_waveforms_are_refused():
  with pytest.raises(ValueError, match=r"703 samples.*704"):
    lib.log_mel(np.zeros(703, np.float32), Clock())
  with pytest.raises(ValueError, match="float64"):
    lib.log_mel(np.zeros(704), Clock())


def test_scale_by_hand():
  np.testing.assert_allclose(scale_log_mel(np.array([-100.0, -40.0, 20.0])), [-1, 0, 1])
