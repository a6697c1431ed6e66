"""Evaluates a network on the validation split during training."""

from collections.abc import Mapping
from typing import Any

from attavvad_jax import config as config_lib
from attavvad_jax.datasets.loader import PreparedData
from attavvad_jax.evaluation.protocols import CLOSED
from attavvad_jax.evaluation.split import OUTPUTS, evaluate_outputs, score_recordings
from attavvad_jax.predict import BlockScores, PredictBatch
from attavvad_jax.timeline import Timeline


def validate(predict_batch: PredictBatch, data: PreparedData, config: Mapping[str, Any]) -> dict[str, float]:
  """Returns event-based metrics of the outputs on the validation split; empty if the data set has no such split."""
  if "validation" not in data.splits:
    return {}
  recordings = score_recordings(predict_batch, data, "validation", config["batch_size"])
  return validation_metrics(recordings, data, config)


def validation_metrics(
  recordings: Mapping[str, tuple[Timeline, BlockScores]], data: PreparedData, config: Mapping[str, Any]
) -> dict[str, float]:
  """Returns event-based metrics of the outputs on scored recordings; `f`, of the main output, selects the best."""
  scores = evaluate_outputs(recordings, data, config_lib.smoothing(config), CLOSED)
  main = next(output for output in OUTPUTS if output in scores)
  overall = scores[main].event_based["overall"]
  f_scores = {f"{output}_f": value.event_based["overall"].f_score for output, value in scores.items()}
  return {"f": overall.f_score, "error_rate": overall.error_rate, **f_scores}
