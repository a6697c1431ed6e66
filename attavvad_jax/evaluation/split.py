"""Scores of a detector on a split of a prepared data set: from blocks to timelines to event metrics."""

from collections.abc import Mapping

from attavvad_jax.datasets.loader import PreparedData, batches_in_order
from attavvad_jax.datasets.records import to_example
from attavvad_jax.evaluation.metrics import Counter, Scores, count, total
from attavvad_jax.evaluation.protocols import Protocol
from attavvad_jax.predict import BlockScores, PredictBatch, score_batches, take
from attavvad_jax.timeline import Smoothing, Timeline, scores_to_timeline

# The scored outputs: the fused decision and the audio branch alone.
OUTPUTS = ("audio_visual", "audio")


def score_recordings(
  predict_batch: PredictBatch, data: PreparedData, split: str, batch_size: int
) -> dict[str, tuple[Timeline, BlockScores]]:
  """Returns the reference timeline and the block scores of every recording of a split."""
  source = data.source(split)
  recordings = data.recordings(split)
  positions = [position for blocks in recordings.values() for position in blocks]
  # Batches run across recordings, so that only the last batch of the split is padded.
  examples = (to_example(source[position], data.spec) for position in positions)
  scores = score_batches(predict_batch, batches_in_order(examples, batch_size))
  result, start = {}, 0
  for name, blocks in recordings.items():
    result[name] = (data.timeline(split, blocks), take(scores, slice(start, start + len(blocks))))
    start += len(blocks)
  return result


def count_outputs(
  recordings: Mapping[str, tuple[Timeline, BlockScores]],
  data: PreparedData,
  smoothing: Smoothing,
  protocol: Protocol,
  counter: Counter = count,
) -> dict[str, dict[str, Scores]]:
  """Counts events and segments of each recording, by its name, for each of `OUTPUTS` that the model has."""
  counts: dict[str, dict[str, Scores]] = {}
  for output in OUTPUTS:
    for name, (reference, scores) in recordings.items():
      if (decision := getattr(scores, output)) is not None:
        estimate = scores_to_timeline(decision, data.spec.clock, reference.duration_s, smoothing)
        counts.setdefault(output, {})[name] = counter(reference, estimate, protocol)
  return counts


def evaluate_outputs(
  recordings: Mapping[str, tuple[Timeline, BlockScores]], data: PreparedData, smoothing: Smoothing, protocol: Protocol
) -> dict[str, Scores]:
  """Scores each output over all recordings together."""
  counts = count_outputs(recordings, data, smoothing, protocol)
  return {output: total(scores.values()) for output, scores in counts.items()}
