"""Log-mel spectrogram in JAX, equal to librosa's within 1e-3 dB and several times as fast.

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

# librosa.power_to_db's floor as power, and in dB, the level of digital silence.
_MIN_POWER = 1e-10
FLOOR_DB = -100.0
# Frames per chunk: 4 MB, which stay in the caches of two CPU cores.
_CHUNK_FRAMES = 1024
# Length of the runs of samples within which the predictor sums products; sums of short runs fit a CPU's vectors.
_RUN_SAMPLES = 32
# Number of groups of neighboring bands, each multiplied only by the FFT bins that it covers. With one product over all
# bins, the whole would be 1.3 times slower.
_BAND_GROUPS = 2
# White noise that the predictor assumes, as a fraction of the frame's energy: 20 dB below it. With less, undoing the
# prediction would cost more precision than it gains.
_PREDICTION_NOISE = 0.01


def log_mel(waveform: Num[Array, "*lead S"], clock: Clock, num_bands: int = 64) -> Float[Array, "*lead T {num_bands}"]:
  """Computes the log-mel spectrogram of the frames that fit into the waveform. Jittable.

  Examples:
    >>> clock = Clock()
    >>> log_mel(jnp.zeros((2, clock.block_samples)), clock).shape
    (2, 15, 64)

  Frames have `clock.window_samples` samples under a periodic Hamming window and overlap by 50 %, without centering. The
  FFT has the next power of two as its size, and the mel filters are Slaney's. The result is 10 log10 of the power
  relative to 1, and at least -100 dB (Section 3.1).

  Args:
    waveform: [..., S] float32 in [-1, 1], or int16.
    clock: clock with the sample rate and the window.
    num_bands: number of mel bands (F).

  Returns:
    [..., T, F] float32, dB. T = 1 + (S - window) // hop, which is the clock's frames_per_block for a block's S.

  Raises:
    ValueError: the waveform is shorter than one window or has another type.
  """
  if waveform.dtype not in (jnp.float32, jnp.int16):
    raise ValueError(f"log_mel: waveform is {waveform.dtype}; expected float32 in [-1, 1] or int16")
  window, hop = clock.window_samples, clock.hop_samples
  *lead, num_samples = waveform.shape
  if num_samples < window:
    raise ValueError(f"log_mel: waveform has {num_samples} samples; expected at least one window of {window}")

  rows = waveform.reshape(math.prod(lead), num_samples)
  num_frames = 1 + (num_samples - window) // hop
  # A long recording is cut into chunks; of short blocks, a chunk holds several.
  chunk_frames, num_chunks = _equal_parts(num_frames, _CHUNK_FRAMES)
  chunk_rows, num_groups = _equal_parts(len(rows), max(1, _CHUNK_FRAMES // chunk_frames))
  chunk_samples = (chunk_frames - 1) * hop + window
  num_parts = min(_parts_of_a_chunk(jax.__version_info__), chunk_frames)
  transform = jax.vmap(functools.partial(_part_log_mel, clock=clock, num_bands=num_bands))

  def transform_chunk(samples: Array) -> Array:
    edges = [math.ceil(part * chunk_frames / num_parts) for part in range(num_parts + 1)]
    parts = [samples[:, first * hop : (last - 1) * hop + window] for first, last in itertools.pairwise(edges)]
    return jnp.concatenate([transform(part) for part in parts], axis=1)

  def add_chunk(index: Array, mel: Array) -> Array:
    # The last chunk ends with the last frame and overlaps the previous chunk, which avoids padding and copies.
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
  """Scales a log-mel in dB to about [-1, 1]: the floor of -100 dB becomes -1, a loud band of 20 dB becomes 1.

  The scale is fixed, not learned from data, so that it is the same in training, streaming and every data set. A
  full-scale sine reaches about 30 dB in its band, and music mastered to full scale about 20 dB.
  """
  return (log_mel_db + 40.0) / 60.0


def _parts_of_a_chunk(jax_version: tuple[int, ...]) -> int:
  """Returns the number of parts, each with its own Fourier transform, into which a chunk is cut for a version of jax.

  Up to version 0.10, XLA runs a transform within a loop on one CPU core, so that two independent parts keep two cores
  busy. From 0.11 on, it distributes each transform itself, and on two cores version 0.11.2 never finishes a program in
  which two transforms run at once.
  """
  return 2 if jax_version < (0, 11) else 1


def _part_log_mel(samples: Array, clock: Clock, num_bands: int) -> Array:
  """Computes the log-mel of one part of a chunk, whose frames fit into the cache. [S] -> [T,F] dB.

  A float32 FFT spreads rounding noise of about -140 dB of the frame's energy over all bands, which is an error of 2e-3
  dB in a band 80 dB below the loudest (librosa transforms in float64). Each frame is therefore flattened by linear
  prediction, y[n] = x[n] - a x[n-1] - b x[n-2], and its power spectrum is divided by |1 - a exp(-jw) - b exp(-2jw)|^2.
  This is exact for any a and b, since the FFT is longer than the window.
  """
  window, hop = clock.window_samples, clock.hop_samples
  if samples.dtype == jnp.int16:
    samples = samples.astype(jnp.float32) / 32768.0
  fft_size = _fft_size(window)
  # The result does not depend on the taps, so they need no gradient.
  a, b = (tap[:, None] for tap in lax.stop_gradient(_predictor(samples, hop)))
  frames = jnp.pad(_frames(samples, window, hop) * _hamming(window), ((0, 0), (2, fft_size - window)))
  spectrum = jnp.fft.rfft(frames[:, 2:] - a * frames[:, 1:-1] - b * frames[:, :-2])
  # |1 - a exp(-jw) - b exp(-2jw)|^2, rotated by exp(jw) into two squares, so that nothing cancels.
  w = 2 * np.pi * np.arange(fft_size // 2 + 1) / fft_size
  gain = ((1.0 - b) * np.cos(w).astype(np.float32) - a) ** 2 + ((1.0 + b) * np.sin(w).astype(np.float32)) ** 2
  power = (spectrum.real**2 + spectrum.imag**2) / gain
  mel = _mel(power, mel_filters(clock.sample_rate_hz, fft_size, num_bands))
  return 10.0 * jnp.log10(jnp.maximum(mel, _MIN_POWER))


def _equal_parts(total: int, largest: int) -> tuple[int, int]:
  """Returns size and number of the fewest equal parts that cover `total`, none larger than `largest`."""
  num_parts = max(1, math.ceil(total / largest))
  size = math.ceil(total / num_parts)
  return size, num_parts


def _mel(power: Array, filters: Float[np.ndarray, "F _"]) -> Array:
  """Sums the power in each band, skipping most of the filters' zeros. [T, bins], [F, bins] -> [T,F]."""
  bands = []
  for group in np.array_split(filters, min(_BAND_GROUPS, len(filters))):
    covered = np.flatnonzero(group.any(axis=0))
    bins = slice(covered.min(initial=0), covered.max(initial=0) + 1)
    # An accelerator's reduced-precision products would cost 0.1 dB.
    bands.append(jnp.matmul(power[:, bins], group[:, bins].T, precision=lax.Precision.HIGHEST))
  return jnp.concatenate(bands, axis=1)


def _fft_size(window: int) -> int:
  """Returns the next power of two that holds the window and the two samples that prediction adds to it."""
  return 1 << (window + 1).bit_length()


def _frames(samples: Array, window: int, hop: int) -> Array:
  """Cuts overlapping frames by reshaping, several times faster than by a gather. [S] -> [T, window]."""
  num_frames = 1 + (len(samples) - window) // hop
  num_parts = math.ceil(window / hop)
  samples = jnp.pad(samples, (0, num_parts * hop - window))
  parts = [samples[i * hop : (i + num_frames) * hop].reshape(num_frames, hop) for i in range(num_parts)]
  return jnp.concatenate(parts, axis=1)[:, :window]


def _predictor(samples: Array, hop: int) -> tuple[Array, Array]:
  """Computes the taps a and b that best predict each frame's samples from the two before. [S] -> [T], [T].

  They solve the Yule-Walker equations with the autocorrelation within short runs of samples, summed over each half of
  the frame.
  """
  num_halves, num_runs = len(samples) // hop, hop // _RUN_SAMPLES
  halves = samples[: num_halves * hop].reshape(num_halves, hop)
  runs = halves[:, : num_runs * _RUN_SAMPLES].reshape(num_halves, num_runs, _RUN_SAMPLES)
  products = (runs[..., lag:] * runs[..., : _RUN_SAMPLES - lag] for lag in range(3))
  # Sums over the runs first, then within them by a product with ones, since XLA does not vectorize row sums on a CPU.
  r0, r1, r2 = (product.sum(axis=1) @ jnp.ones(product.shape[-1]) for product in products)
  r0, r1, r2 = (r[1:] + r[:-1] for r in (r0, r1, r2))
  # Relative to the energy, so that nothing underflows; digital silence stays 0.
  r1, r2 = r1 / jnp.maximum(r0, 1e-20), r2 / jnp.maximum(r0, 1e-20)
  energy = 1.0 + _PREDICTION_NOISE
  determinant = energy**2 - r1**2
  return r1 * (energy - r2) / determinant, (energy * r2 - r1**2) / determinant


def _hamming(window: int) -> np.ndarray:
  """Returns a periodic Hamming window. [window] float32."""
  return (0.54 - 0.46 * np.cos(2 * np.pi * np.arange(window) / window)).astype(np.float32)


@functools.cache
def mel_filters(sample_rate_hz: int, fft_size: int, num_bands: int) -> Float[np.ndarray, "{num_bands} {fft_size}//2+1"]:
  """Returns triangular filters of area 1 on Slaney's mel scale up to half the sample rate. [F, fft_size / 2 + 1].

  These are the default of librosa.filters.mel (Slaney, Auditory Toolbox, 1998), as float32.
  """
  edges = _mel_to_hz(np.linspace(0.0, _hz_to_mel(sample_rate_hz / 2), num_bands + 2))
  bins = np.arange(fft_size // 2 + 1) * sample_rate_hz / fft_size
  low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
  triangles = np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle))
  filters: np.ndarray = (np.maximum(triangles, 0.0) * 2.0 / (high - low)).astype(np.float32)
  return filters


# Slaney's scale is linear up to 1 kHz, with 200/3 Hz per mel, and logarithmic above, with 27 mel per factor of 6.4.
_HZ_PER_MEL = 200.0 / 3.0
_LOG_FROM_MEL = 1000.0 / _HZ_PER_MEL
_LOG_STEP = math.log(6.4) / 27.0


def _hz_to_mel(hz: float) -> float:
  return hz / _HZ_PER_MEL if hz < 1000.0 else _LOG_FROM_MEL + math.log(hz / 1000.0) / _LOG_STEP


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
  logarithmic = 1000.0 * np.exp(_LOG_STEP * (np.maximum(mel, _LOG_FROM_MEL) - _LOG_FROM_MEL))
  return np.where(mel < _LOG_FROM_MEL, mel * _HZ_PER_MEL, logarithmic)
