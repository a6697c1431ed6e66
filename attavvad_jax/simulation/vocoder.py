"""A small channel vocoder: from monotone speech to envelope frames, and from frames with any pitch to a waveform.

It is a reduced form of WORLD (Morise et al. 2016): the pitch of the input is constant and known, so the envelope is a
power spectrum smoothed over exactly one harmonic, and voicing is the correlation with the waveform one period earlier.

Axes: T frames of 5 ms, K frequency bins of 25 Hz, n samples.
"""

import dataclasses

import numpy as np
from scipy import fft, signal

SAMPLE_RATE_HZ = 16_000
HOP = 80
FRAME_RATE_HZ = SAMPLE_RATE_HZ // HOP
_FFT = 640
_WINDOW = 4 * HOP
BIN_HZ = SAMPLE_RATE_HZ / _FFT
_LOWEST_HZ, _HIGHEST_HZ = 65.0, 480.0  # pitch of recorded voices


@dataclasses.dataclass(frozen=True)
class Frames:
  """An utterance without its pitch.

  Attributes:
    log_envelope: natural logarithm of the magnitude spectrum. float32 [T,K].
    voicing: 0 for noise to 1 for a periodic waveform. float32 [T].
  """

  log_envelope: np.ndarray
  voicing: np.ndarray

  def at(self, positions: np.ndarray) -> "Frames":
    """Interpolates frames at fractional positions, which stretches time. positions [T'] -> T' frames."""
    low = np.clip(np.floor(positions).astype(int), 0, len(self.voicing) - 2)
    mix = np.clip(positions - low, 0, 1).astype(np.float32)
    envelope = self.log_envelope[low] * (1 - mix)[:, None] + self.log_envelope[low + 1] * mix[:, None]
    return Frames(envelope, self.voicing[low] * (1 - mix) + self.voicing[low + 1] * mix)

  def shifted(self, formant_scale: float, tilt_db_per_octave: float) -> "Frames":
    """Scales the formants by a factor (above 1 for a shorter vocal tract) and adds a spectral tilt around 1 kHz."""
    bins = self.log_envelope.shape[1]
    source = np.clip(np.arange(bins) / formant_scale, 0, bins - 1.001)
    low = source.astype(int)
    mix = (source - low).astype(np.float32)
    envelope = self.log_envelope[:, low] * (1 - mix) + self.log_envelope[:, low + 1] * mix
    octaves = np.log2(np.maximum(np.arange(bins) * BIN_HZ, 100.0) / 1000)
    return Frames(envelope + (octaves * tilt_db_per_octave * np.log(10) / 20).astype(np.float32), self.voicing)


def analyze(wave: np.ndarray, f0_hz: float) -> Frames:
  """Computes envelope and voicing of speech with the constant pitch `f0_hz`. float [n] -> Frames, T = n / 80."""
  period = round(SAMPLE_RATE_HZ / f0_hz)
  length = min(3 * period, _FFT)
  count = max(2, len(wave) // HOP)
  padded = np.pad(wave, (length // 2 + period, length + HOP)).astype(np.float32)
  starts = np.arange(count) * HOP
  views = np.lib.stride_tricks.sliding_window_view(padded, length)
  now, before = views[starts + period], views[starts]
  window = np.hanning(length).astype(np.float32)
  power = np.abs(fft.rfft(now * (window / np.sqrt((window**2).sum())), _FFT)) ** 2
  width = max(1, round(f0_hz / BIN_HZ))
  kernel = np.r_[0.5, np.ones(width - 1), 0.5] / width
  smooth = sum(
    weight * np.take(power, np.abs(np.arange(power.shape[1]) + shift - width // 2) % power.shape[1], axis=1)
    for shift, weight in enumerate(kernel)
  )
  both = np.sqrt((now**2).sum(1) * (before**2).sum(1)) + 1e-6
  voicing = np.clip(((now * before).sum(1) / both - 0.25) / 0.35, 0, 1)
  return Frames(0.5 * np.log(smooth + 1e-9).astype(np.float32), voicing.astype(np.float32))


def analyze_voice(wave: np.ndarray) -> tuple[Frames, np.ndarray]:
  """Computes envelope, voicing and pitch of a recorded voice. float [n] -> Frames and Hz [T], T = n / 80.

  The pitch is YIN's (de Cheveigné and Kawahara, 2002), as librosa computes it. The envelope is the power spectrum
  smoothed over one harmonic, and voicing the correlation with the waveform one period earlier, as in `analyze`.
  """
  import librosa

  count = max(2, len(wave) // HOP)
  wave = wave.astype(np.float32)
  f0_hz = librosa.yin(wave, fmin=_LOWEST_HZ, fmax=_HIGHEST_HZ, sr=SAMPLE_RATE_HZ, frame_length=1024, hop_length=HOP)
  f0_hz = signal.medfilt(np.resize(f0_hz, count), 9).clip(_LOWEST_HZ, _HIGHEST_HZ)

  starts = np.arange(count) * HOP
  longest = int(SAMPLE_RATE_HZ / _LOWEST_HZ) + 1
  views = np.lib.stride_tricks.sliding_window_view(np.pad(wave, (_FFT // 2 + longest, _FFT + HOP)), _FFT)
  now = views[starts + longest]
  before = views[starts + longest - np.round(SAMPLE_RATE_HZ / f0_hz).astype(int)]
  window = np.hanning(_FFT).astype(np.float32)
  power = np.abs(fft.rfft(now * (window / np.sqrt((window**2).sum())), _FFT)) ** 2
  # Sums over half a harmonic below and above each bin, between the points of the running sum.
  bins = power.shape[1]
  sums = np.concatenate(
    [np.zeros((count, 1)), np.cumsum(np.concatenate([power, power[:, -40:][:, ::-1]], axis=1), axis=1)], axis=1
  )
  half = 0.5 * f0_hz[:, None] / BIN_HZ
  rows = np.arange(count)[:, None]

  def summed(position: np.ndarray) -> np.ndarray:
    low = np.floor(position).astype(int).clip(0, sums.shape[1] - 2)
    part = (position - low).clip(0, 1)
    return sums[rows, low] * (1 - part) + sums[rows, low + 1] * part

  center = np.arange(bins)[None] + 0.5
  low, high = (center - half).clip(0, None), center + half
  smooth = (summed(high) - summed(low)) / (high - low)
  both = np.sqrt((now**2).sum(1) * (before**2).sum(1)) + 1e-6
  voicing = np.clip(((now * before).sum(1) / both - 0.25) / 0.35, 0, 1)
  return Frames(0.5 * np.log(smooth + 1e-9).astype(np.float32), voicing.astype(np.float32)), f0_hz


def synthesize(frames: Frames, f0_hz: np.ndarray, breathiness: float, rng: np.random.Generator) -> np.ndarray:
  """Synthesizes the waveform of frames with a pitch for each frame. f0_hz [T] -> float32 [80 T].

  Args:
    frames: envelope and voicing.
    f0_hz: pitch of each frame.
    breathiness: noise in voiced frames, 0..1, which grows with frequency.
    rng: generator of the noise.
  """
  count = len(f0_hz)
  samples = count * HOP
  pitch = np.interp(np.arange(samples) / HOP, np.arange(count), f0_hz)
  phase = np.cumsum(pitch / SAMPLE_RATE_HZ)
  # A pulse between two samples is split by distance; its height keeps the power per hertz at one.
  at = np.flatnonzero(np.diff(np.floor(phase), prepend=0.0) > 0)
  late = (phase[at] % 1) * SAMPLE_RATE_HZ / pitch[at]
  height = np.sqrt(SAMPLE_RATE_HZ / pitch[at])
  pulses = np.zeros(samples + 1, np.float32)
  np.add.at(pulses, at, height * late)
  np.add.at(pulses, at + 1, height * (1 - late))
  noise = rng.standard_normal(samples + 1, np.float32)

  window = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)
  starts = np.arange(count) * HOP
  views = [
    np.lib.stride_tricks.sliding_window_view(np.pad(source[:samples], (_WINDOW // 2, _WINDOW)), _WINDOW)[starts]
    for source in (pulses, noise)
  ]
  pulse_spectra, noise_spectra = (fft.rfft(view * window, _FFT) for view in views)
  ramp = np.clip(np.arange(_FFT // 2 + 1) * BIN_HZ / 5000, 0, 1) ** 1.5
  noisy = 1 - frames.voicing[:, None] * (1 - np.clip(breathiness * (0.1 + 2 * ramp), 0, 1)).astype(np.float32)
  spectra = (pulse_spectra * np.sqrt(1 - noisy) + noise_spectra * np.sqrt(noisy)) * _minimum_phase(frames.log_envelope)
  pieces = fft.irfft(spectra, _FFT).astype(np.float32)

  wave = np.zeros((count + _FFT // HOP) * HOP, np.float32)
  for part in range(_FFT // HOP):
    wave[part * HOP : (part + count) * HOP] += pieces[:, part * HOP : (part + 1) * HOP].reshape(-1)
  return wave[_WINDOW // 2 : _WINDOW // 2 + samples] * (2 * HOP / _WINDOW)


def _minimum_phase(log_envelope: np.ndarray) -> np.ndarray:
  """Computes the spectra of the causal filters with these log magnitudes. [T,K] -> complex64 [T,K]."""
  cepstrum = fft.irfft(log_envelope, _FFT)
  cepstrum[:, 1 : _FFT // 2] *= 2
  cepstrum[:, _FFT // 2 + 1 :] = 0
  return np.exp(fft.rfft(cepstrum, _FFT)).astype(np.complex64)
