"""A checkpoint's scores on a split of a prepared data set, as text."""

from pathlib import Path

from attavvad_jax.datasets.loader import PreparedData
from attavvad_jax.detection.detector import Detector
from attavvad_jax.evaluation.protocols import PROTOCOLS
from attavvad_jax.evaluation.split import evaluate_outputs, score_recordings
from attavvad_jax.evaluation.table import text_table

_BATCH_SIZE = 32
_TITLES = {"audio_visual": "audio-visual output", "audio": "audio branch alone"}


def evaluate_checkpoint(checkpoint: str | Path, data: str | Path, split: str, protocol: str) -> str:
  """Tables of P, R, F and ER for each output of the checkpoint's model, with protocol, data and support named.

  Args:
    checkpoint: what training wrote.
    data: a prepared data set with the checkpoint's clock and crop.
    split: one of its splits.
    protocol: a name of `PROTOCOLS`.

  Raises:
    ValueError: an unknown protocol or split, or data that the checkpoint does not fit.
  """
  if protocol not in PROTOCOLS:
    raise ValueError(f"unknown protocol {protocol!r}; expected one of {', '.join(PROTOCOLS)}")
  detector = Detector(checkpoint)
  prepared = PreparedData(data)
  if prepared.spec != detector.spec:
    raise ValueError(f"{prepared.path}: prepared with {prepared.spec}, the checkpoint was trained with {detector.spec}")
  recordings = score_recordings(detector.predict, prepared, split, _BATCH_SIZE)
  scores = evaluate_outputs(recordings, prepared, detector.smoothing, PROTOCOLS[protocol])
  header = (
    f"{detector.meta['config']['model']['name']}, step {detector.meta['step']}, on {prepared.path}, split {split}"
  )
  tables = [f"-- {_TITLES[output]}\n{text_table(value)}" for output, value in scores.items()]
  return "\n\n".join([header, *tables])
