"""Monotone speech from eSpeak NG, the input of every voice.

The wheel `espeakng-loader` (extra `simulation`) contains the library and its data for common systems; ctypes calls it.
Only the variant klatt6 (NV Speech Player, a cascade of formants) is used: all others carry the state of their
oscillators and filters from one utterance to the next, so the samples of a text would depend on the previous text. The
timbre of a person comes from `voices`, not from this module.
"""

import ctypes
import functools
import math
from typing import Any

import numpy as np
from scipy import signal

from attavvad_jax.simulation.vocoder import SAMPLE_RATE_HZ

# Languages that read the Latin letters of the pseudo-words.
LANGUAGES = (
  *("cs", "cy", "da", "de", "en-gb-scotland", "en-us", "es", "et", "eu", "fi", "fr", "hr", "hu", "id", "is", "it"),
  *("lv", "nb", "nl", "pl", "pt", "pt-br", "ro", "sq", "sv", "sw", "tr"),
)
_VARIANT = "klatt6"
MONOTONE_HZ = 89.0  # pitch of the speech with eSpeak's pitch 50 and range 0

# speak_lib.h
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_RATE, _PITCH, _RANGE = 1, 3, 4
_CHARACTERS, _UTF8 = 1, 1
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def synthesize(text: str, language: str, words_per_minute: int) -> np.ndarray:
  """Speaks a text at a constant pitch. -> float32 [n] at 16 kHz, within ±1; every call returns the same samples.

  Raises:
    ValueError: espeakng-loader is not installed, lacks the voice, or cannot speak the text.
  """
  library, source_hz, chunks, _ = _library()
  chunks.clear()
  library.espeak_ng_SetRandSeed(ctypes.c_long(1))
  name = f"{language}+{_VARIANT}"
  if library.espeak_SetVoiceByName(name.encode()) != 0:
    raise ValueError(f"reinstall espeakng-loader: eSpeak NG has no voice {name!r}")
  for parameter, value in ((_RATE, words_per_minute), (_PITCH, 50), (_RANGE, 0)):
    library.espeak_SetParameter(parameter, value, 0)
  data = text.encode() + b"\0"
  if library.espeak_Synth(data, ctypes.c_size_t(len(data)), 0, _CHARACTERS, 0, _UTF8, None, None) != 0:
    raise ValueError(f"eSpeak NG could not speak {text[:40]!r} as {name}")
  samples = np.concatenate(chunks) if chunks else np.zeros(1, np.int16)
  divisor = math.gcd(SAMPLE_RATE_HZ, source_hz)
  wave = signal.resample_poly(samples.astype(np.float32), SAMPLE_RATE_HZ // divisor, source_hz // divisor)
  return (wave / 32768).astype(np.float32)


def check_installed() -> None:
  """Checks that the synthesizer can be imported.

  Raises:
    ValueError: espeakng-loader is not installed.
  """
  try:
    import espeakng_loader  # noqa: F401
  except ImportError as error:
    raise ValueError(
      "simulated voices need the speech synthesizer eSpeak NG; install it with: pip install 'attavvad-jax[simulation]'"
    ) from error


@functools.cache
def _library() -> tuple[ctypes.CDLL, int, list[np.ndarray], Any]:
  """Loads the library. Returns it, its sample rate, the list that its callback fills, and the callback to keep."""
  check_installed()
  import espeakng_loader

  library = ctypes.CDLL(espeakng_loader.get_library_path())
  chunks: list[np.ndarray] = []

  def collect(samples, count, _events):
    if samples and count > 0:
      chunks.append(np.ctypeslib.as_array(samples, shape=(count,)).copy())
    return 0

  rate_hz = library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
  if rate_hz <= 0:
    raise ValueError(f"eSpeak NG did not start (code {rate_hz}); reinstall espeakng-loader")
  callback = _Callback(collect)
  library.espeak_SetSynthCallback(callback)
  return library, rate_hz, chunks, callback
