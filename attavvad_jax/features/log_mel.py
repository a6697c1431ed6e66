"""Log-mel spectrogram in JAX, equal to librosa's to 1e-3 dB and several times as fast.

Axes: S samples, T audio frames, F mel bands.
"""

import functools
import itertools
import math

import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

from attavvad_jax.shapes import Array, Float, Num
from attavvad_jax.timeline import Clock

# librosa.power_to_db's floor, as power and as what digital silence has.
_MIN_POWER = 1e-10
FLOOR_DB = -100.0
# Frames worked on at once: 4 MB of them, which stay in the caches of two CPU cores.
_CHUNK_FRAMES = 1024
# The predictor sums products within runs of so many samples; short ones make sums that fit a CPU's vectors.
_RUN_SAMPLES = 32
# Groups of neighboring bands, each multiplied only with the FFT's bins that it covers. One product over all bins would
# be 1.3 times slower altogether.
_BAND_GROUPS = 2
# White noise that the predictor reckons with, as a part of the frame's energy: 20 dB below it. With less, undoing the
# prediction would cost more precision than it gains.
_PREDICTION_NOISE = 0.01


def log_mel(waveform: Num[Array, "*lead S"], clock: Clock, num_bands: int = 64) -> Float[Array, "*lead T {num_bands}"]:
  """Log-mel spectrogram of the frames that fit into the waveform. Jittable.

  Examples:
    >>> clock = Clock()
    >>> log_mel(jnp.zeros((2, clock.block_samples)), clock).shape
    (2, 15, 64)

  Frames of `clock.window_samples` under a periodic Hamming window, 50 % overlap, not centered; FFT of the next power
  of two; Slaney's mel filters; 10 log10 of the power, not below -100 dB, relative to 1 (Section 3.1).

  Args:
    waveform: [..., S] float32 in [-1, 1], or int16.
    clock: sample rate and window.
    num_bands: mel bands (F).

  Returns:
    [..., T, F] float32, dB. T = 1 + (S - window) // hop, so a block's S gives the clock's frames_per_block.

  Raises:
    ValueError: the waveform is shorter than one window, or of another type.
  """
  if waveform.dtype not in (jnp.float32, jnp.int16):
    raise ValueError(f"log_mel: waveform is {waveform.dtype}; expected float32 in [-1, 1] or int16")
  window, hop = clock.window_samples, clock.hop_samples
  *lead, num_samples = waveform.shape
  if num_samples < window:
    raise ValueError(f"log_mel: waveform has {num_samples} samples; expected at least one window of {window}")

  rows = waveform.reshape(math.prod(lead), num_samples)
  num_frames = 1 + (num_samples - window) // hop
  # Long recordings go chunk by chunk, short blocks as many at once as make up a chunk.
  chunk_frames, num_chunks = _share(num_frames, _CHUNK_FRAMES)
  chunk_rows, num_groups = _share(len(rows), max(1, _CHUNK_FRAMES // chunk_frames))
  chunk_samples = (chunk_frames - 1) * hop + window
  num_parts = min(_parts_of_a_chunk(jax.__version_info__), chunk_frames)
  transform = jax.vmap(functools.partial(_part_log_mel, clock=clock, num_bands=num_bands))

  def transform_chunk(samples: Array) -> Array:
    edges = [math.ceil(part * chunk_frames / num_parts) for part in range(num_parts + 1)]
    parts = [samples[:, first * hop : (last - 1) * hop + window] for first, last in itertools.pairwise(edges)]
    return jnp.concatenate([transform(part) for part in parts], axis=1)

  def add_chunk(index: Array, mel: Array) -> Array:
    # The last chunk ends with the last frame, and repeats some of the one before: no padding, no copies.
    row = jnp.minimum(index // num_chunks * chunk_rows, len(rows) - chunk_rows)
    frame = jnp.minimum(index % num_chunks * chunk_frames, num_frames - chunk_frames)
    samples = lax.dynamic_slice(rows, (row, frame * hop), (chunk_rows, chunk_samples))
    return lax.dynamic_update_slice(mel, transform_chunk(samples), (row, frame, 0))

  if num_chunks * num_groups == 1:
    return transform_chunk(rows).reshape(*lead, num_frames, num_bands)
  empty = jnp.zeros((len(rows), num_frames, num_bands))
  mel: Array = lax.fori_loop(0, num_chunks * num_groups, add_chunk, empty)
  return mel.reshape(*lead, num_frames, num_bands)


def scale_log_mel(log_mel_db: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
  """Log-mel in dB to about [-1, 1] for the network: the floor of -100 dB becomes -1, a loud band of 20 dB becomes 1.

  Fixed, not learned from data, so that training, streaming and every data set see the same numbers. A full-scale sine
  reaches about 30 dB in its band; music mastered to full scale, about 20.
  """
  return (log_mel_db + 40.0) / 60.0


def _parts_of_a_chunk(jax_version: tuple[int, ...]) -> int:
  """Returns into how many parts, with a Fourier transform each, a chunk is cut for a version of jax.

  Up to version 0.10, XLA transforms on one CPU core within a loop: two parts that do not depend on each other keep two
  cores at work. From 0.11 on it shares out each transform itself, and on two cores version 0.11.2 never finishes a
  program in which two are under way at once.
  """
  return 2 if jax_version < (0, 11) else 1


def _part_log_mel(samples: Array, clock: Clock, num_bands: int) -> Array:
  """Computes a part of a chunk, whose frames are together small enough for the cache. [S] -> [T,F] dB.

  A float32 FFT spreads a rounding noise of about -140 dB of the frame's energy over all bands, which costs 2e-3 dB in
  a band 80 dB below the loudest (librosa transforms in float64). So each frame is flattened by linear prediction,
  y[n] = x[n] - a x[n-1] - b x[n-2], and its power spectrum divided by |1 - a exp(-jw) - b exp(-2jw)|^2: exact for any
  a and b, as the FFT is longer than the window.
  """
  window, hop = clock.window_samples, clock.hop_samples
  if samples.dtype == jnp.int16:
    samples = samples.astype(jnp.float32) / 32768.0
  fft_size = _fft_size(window)
  # No gradient: the result does not depend on it.
  a, b = (tap[:, None] for tap in lax.stop_gradient(_predictor(samples, hop)))
  frames = jnp.pad(_frames(samples, window, hop) * _hamming(window), ((0, 0), (2, fft_size - window)))
  spectrum = jnp.fft.rfft(frames[:, 2:] - a * frames[:, 1:-1] - b * frames[:, :-2])
  # |1 - a exp(-jw) - b exp(-2jw)|^2, turned by exp(jw): two squares, so that nothing cancels.
  w = 2 * np.pi * np.arange(fft_size // 2 + 1) / fft_size
  gain = ((1.0 - b) * np.cos(w).astype(np.float32) - a) ** 2 + ((1.0 + b) * np.sin(w).astype(np.float32)) ** 2
  power = (spectrum.real**2 + spectrum.imag**2) / gain
  mel = _mel(power, mel_filters(clock.sample_rate_hz, fft_size, num_bands))
  return 10.0 * jnp.log10(jnp.maximum(mel, _MIN_POWER))


def _share(total: int, most: int) -> tuple[int, int]:
  """Size and number of the fewest equal parts, none larger than `most`, that cover `total`."""
  num_parts = max(1, math.ceil(total / most))
  size = math.ceil(total / num_parts)
  return size, num_parts


def _mel(power: Array, filters: Float[np.ndarray, "F _"]) -> Array:
  """Power in each band, without multiplying by most of the filters' zeros. [T, bins], [F, bins] -> [T,F]."""
  bands = []
  for group in np.array_split(filters, min(_BAND_GROUPS, len(filters))):
    covered = np.flatnonzero(group.any(axis=0))
    bins = slice(covered.min(initial=0), covered.max(initial=0) + 1)
    # Highest: an accelerator's reduced-precision products cost 0.1 dB.
    bands.append(jnp.matmul(power[:, bins], group[:, bins].T, precision=lax.Precision.HIGHEST))
  return jnp.concatenate(bands, axis=1)


def _fft_size(window: int) -> int:
  """Next power of two that holds the window and the two samples by which prediction makes it longer."""
  return 1 << (window + 1).bit_length()


def _frames(samples: Array, window: int, hop: int) -> Array:
  """Overlapping frames by reshaping, several times faster than a gather. [S] -> [T, window]."""
  num_frames = 1 + (len(samples) - window) // hop
  num_parts = math.ceil(window / hop)
  samples = jnp.pad(samples, (0, num_parts * hop - window))
  parts = [samples[i * hop : (i + num_frames) * hop].reshape(num_frames, hop) for i in range(num_parts)]
  return jnp.concatenate(parts, axis=1)[:, :window]


def _predictor(samples: Array, hop: int) -> tuple[Array, Array]:
  """Taps a and b that best predict each frame's samples from the two before. [S] -> [T], [T].

  From the autocorrelation within short runs of samples (Yule and Walker's equations), summed over each half of the
  frame.
  """
  num_halves, num_runs = len(samples) // hop, hop // _RUN_SAMPLES
  halves = samples[: num_halves * hop].reshape(num_halves, hop)
  runs = halves[:, : num_runs * _RUN_SAMPLES].reshape(num_halves, num_runs, _RUN_SAMPLES)
  products = (runs[..., lag:] * runs[..., : _RUN_SAMPLES - lag] for lag in range(3))
  # First over the runs, then within as a product with ones: XLA's row sums are not vectorized on a CPU.
  r0, r1, r2 = (product.sum(axis=1) @ jnp.ones(product.shape[-1]) for product in products)
  r0, r1, r2 = (r[1:] + r[:-1] for r in (r0, r1, r2))
  # Relative to the energy, so that nothing underflows; digital silence is left alone.
  r1, r2 = r1 / jnp.maximum(r0, 1e-20), r2 / jnp.maximum(r0, 1e-20)
  energy = 1.0 + _PREDICTION_NOISE
  determinant = energy**2 - r1**2
  return r1 * (energy - r2) / determinant, (energy * r2 - r1**2) / determinant


def _hamming(window: int) -> np.ndarray:
  """Periodic Hamming window. [window] float32."""
  return (0.54 - 0.46 * np.cos(2 * np.pi * np.arange(window) / window)).astype(np.float32)


@functools.cache
def mel_filters(sample_rate_hz: int, fft_size: int, num_bands: int) -> Float[np.ndarray, "{num_bands} {fft_size}//2+1"]:
  """Triangular filters of Slaney's mel scale from 0 Hz to half the sample rate, each of area 1. [F, fft_size / 2 + 1].

  librosa.filters.mel's default (Slaney, Auditory Toolbox, 1998), as float32.
  """
  edges = _mel_to_hz(np.linspace(0.0, _hz_to_mel(sample_rate_hz / 2), num_bands + 2))
  bins = np.arange(fft_size // 2 + 1) * sample_rate_hz / fft_size
  low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
  triangles = np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle))
  filters: np.ndarray = (np.maximum(triangles, 0.0) * 2.0 / (high - low)).astype(np.float32)
  return filters


# Slaney's scale: linear, 200/3 Hz a mel, up to 1 kHz; logarithmic above, 27 mel for a factor of 6.4.
_HZ_PER_MEL = 200.0 / 3.0
_LOG_FROM_MEL = 1000.0 / _HZ_PER_MEL
_LOG_STEP = math.log(6.4) / 27.0


def _hz_to_mel(hz: float) -> float:
  return hz / _HZ_PER_MEL if hz < 1000.0 else _LOG_FROM_MEL + math.log(hz / 1000.0) / _LOG_STEP


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
  logarithmic = 1000.0 * np.exp(_LOG_STEP * (np.maximum(mel, _LOG_FROM_MEL) - _LOG_FROM_MEL))
  return np.where(mel < _LOG_FROM_MEL, mel * _HZ_PER_MEL, logarithmic)
