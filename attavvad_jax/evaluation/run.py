"""Scores of checkpoints on a split of a prepared data set, overall and by condition, and their comparison."""

from collections.abc import Sequence
import dataclasses
import itertools
from pathlib import Path

from attavvad_jax import __version__
from attavvad_jax.datasets.loader import PreparedData
from attavvad_jax.evaluation import bootstrap, comparison, stored
from attavvad_jax.evaluation.by_sed_eval import find_counter
from attavvad_jax.evaluation.ceiling import ceilings
from attavvad_jax.evaluation.conditions import group_recordings, independent_units
from attavvad_jax.evaluation.protocols import PROTOCOLS
from attavvad_jax.evaluation.result import Evaluation, Subject
from attavvad_jax.evaluation.split import count_outputs, score_recordings
from attavvad_jax.evaluation.table import aligned, format_metric
from attavvad_jax.predict import BATCH_SIZE
from attavvad_jax.trained import TrainedModel


def evaluate_checkpoint(
  checkpoint: str | Path,
  data: str | Path,
  split: str,
  protocol: str,
  condition: str | None = None,
  metrics: str = "attavvad",
) -> Evaluation:
  """Computes P, R, F and ER of each output of a checkpoint's model, with protocol, data and support.

  Args:
    checkpoint: a checkpoint or workdir that training wrote, or "shipped".
    data: a prepared data set with the checkpoint's clock and crop.
    split: a split of the data set.
    protocol: a name of `PROTOCOLS`.
    condition: a name from the recordings' descriptions, such as snr_db; adds scores for each of its values.
    metrics: a name of `COUNTERS`, the implementation that counts.

  Raises:
    ValueError: the protocol, split, condition or counter is unknown, or the checkpoint does not fit the data.
  """
  if protocol not in PROTOCOLS:
    raise ValueError(f"unknown protocol {protocol!r}; expected one of {', '.join(PROTOCOLS)}")
  counter = find_counter(metrics)
  detector = TrainedModel(checkpoint)
  prepared = PreparedData(data)
  if misfit := prepared.spec.misfit(detector.spec):
    raise ValueError(f"{prepared.path}: prepared with {misfit}, which the checkpoint needs; prepare it again")
  conditions = prepared.conditions(split)
  if condition is not None:
    group_recordings(conditions, condition)  # raises on an unknown condition before the scoring, which takes time
  scored = score_recordings(detector.predict, prepared, split, BATCH_SIZE)
  return Evaluation(
    _subject(detector, prepared, split),
    protocol,
    count_outputs(scored, prepared, detector.smoothing, PROTOCOLS[protocol], counter),
    conditions,
    ceilings((reference for reference, _ in scored.values()), prepared.spec.clock, PROTOCOLS[protocol]),
    condition,
  )


def evaluate_all(
  sources: Sequence[str],
  data: str | None,
  split: str,
  protocol: str,
  condition: str | None = None,
  metrics: str = "attavvad",
) -> list[Evaluation]:
  """Evaluates checkpoints and reads stored evaluations (*.json written by `stored.write`).

  Raises:
    ValueError: as `evaluate_checkpoint` and `stored.read`; there are checkpoints but no data; or stored counts would
      have to be recounted by another counter.
  """
  if data is None and (lacking := [source for source in sources if not source.endswith(".json")]):
    raise ValueError(f"--data is not set, and {lacking[0]} is a checkpoint; name the prepared data to score it on")
  if metrics != "attavvad" and (stored_ones := [source for source in sources if source.endswith(".json")]):
    raise ValueError(
      f"{stored_ones[0]}: contains counts, which --metrics={metrics} cannot recompute; name the checkpoint"
    )
  evaluations = []
  for source in sources:
    if source.endswith(".json"):
      evaluations += [dataclasses.replace(one, condition=condition) for one in stored.read(source)]
    else:
      assert data is not None
      evaluations.append(evaluate_checkpoint(source, data, split, protocol, condition, metrics))
  return evaluations


def comparison_table(evaluations: Sequence[Evaluation]) -> str:
  """Returns a table of F and ER with intervals, and a comparison of each pair on the same resamples.

  Raises:
    ValueError: the recordings, the protocol or the version of attavvad_jax differ.
  """
  first = evaluations[0]
  for other in evaluations[1:]:
    for what, expected, got in (
      ("data digest", first.subject.data_digest[:12], other.subject.data_digest[:12]),
      ("protocol", first.protocol, other.protocol),
      ("attavvad_jax version", first.subject.version, other.subject.version),
    ):
      if got != expected:
        raise ValueError(
          f"{other.subject.checkpoint}: {what} is {got}, expected {expected} as for {first.subject.checkpoint}; "
          "evaluate both on the same data, with the same protocol and version"
        )
  names = [f"{index}: {one.subject.checkpoint}" for index, one in enumerate(evaluations, 1)]
  recordings = list(next(iter(first.recordings.values())))
  units, groups = independent_units(first.conditions, recordings)
  resamples = bootstrap.draw_by_group(groups)
  rows: list[tuple[str, ...]] = [("checkpoint", "F %", "95 % interval", "ER", "95 % interval")]
  for name, one in zip(names, evaluations, strict=True):
    cells = [name]
    for metric, factor, digits in ((bootstrap.f_score, 100, 1), (bootstrap.error_rate, 1, 2)):
      interval = bootstrap.interval(metric, one.event_based, resamples)
      value, low, high = (format_metric(factor * number, digits) for number in dataclasses.astuple(interval))
      cells += [value, f"{low} to {high}"]
    rows.append(tuple(cells))
  verdicts = [
    comparison.compare((names[a], names[b]), evaluations[a].event_based, evaluations[b].event_based, resamples)
    for a, b in itertools.combinations(range(len(evaluations)), 2)
  ]
  protocol = next(iter(first.scores.values())).protocol.event_name
  subject = f"{len(recordings)} recordings" + ("" if units == "recordings" else f" of {len(set(groups))} {units}")
  head = f"{protocol}; {subject}; {comparison.method(units)}; differences use the same resamples"
  return "\n".join([head, *aligned(rows), *verdicts])


def _subject(detector: TrainedModel, prepared: PreparedData, split: str) -> Subject:
  trained_on = detector.meta.get("data", {}).get("train")
  return Subject(
    checkpoint=detector.name,
    checkpoint_digest=detector.digest,
    model=detector.meta["config"]["model"]["name"],
    step=detector.meta["step"],
    data=str(prepared.path),
    split=split,
    data_digest=prepared.digest(split),
    trained_here=trained_on and ("train" in prepared.splits and trained_on == prepared.digest("train")),
    version=__version__,
  )
