"""A checkpoint's scores on a split of a prepared data set, altogether and by condition; and several, compared."""

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
from attavvad_jax.evaluation.table import aligned, figure
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
  """P, R, F and ER of each output of the checkpoint's model, with protocol, data and support named.

  Args:
    checkpoint: what training wrote.
    data: a prepared data set with the checkpoint's clock and crop.
    split: one of its splits.
    protocol: a name of `PROTOCOLS`.
    condition: a name from the recordings' descriptions, such as snr_db: the scores are given for each of its values.
    metrics: who counts, a name of `COUNTERS`.

  Raises:
    ValueError: an unknown protocol, split, condition or counter, or data that the checkpoint does not fit.
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
    group_recordings(conditions, condition)  # asked for before anything is scored, so that a wrong name costs no time
  found = score_recordings(detector.predict, prepared, split, BATCH_SIZE)
  return Evaluation(
    _subject(detector, prepared, split),
    protocol,
    count_outputs(found, prepared, detector.smoothing, PROTOCOLS[protocol], counter),
    conditions,
    ceilings((reference for reference, _ in found.values()), prepared.spec.clock, PROTOCOLS[protocol]),
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
  """The evaluations of checkpoints, and those that files hold which `stored.write` wrote (*.json).

  Raises:
    ValueError: as `evaluate_checkpoint` and `stored.read`, there are checkpoints and no data, or stored counts are to
      be counted by another.
  """
  if data is None and (lacking := [source for source in sources if not source.endswith(".json")]):
    raise ValueError(f"--data is not set, and {lacking[0]} is a checkpoint; name the prepared data to score it on")
  if metrics != "attavvad" and (stored_ones := [source for source in sources if source.endswith(".json")]):
    raise ValueError(
      f"{stored_ones[0]}: holds counts, which --metrics={metrics} cannot count anew; name the checkpoint"
    )
  found = []
  for source in sources:
    if source.endswith(".json"):
      found += [dataclasses.replace(one, condition=condition) for one in stored.read(source)]
    else:
      assert data is not None
      found.append(evaluate_checkpoint(source, data, split, protocol, condition, metrics))
  return found


def comparison_table(evaluations: Sequence[Evaluation]) -> str:
  """F and ER of each with intervals, and of each two which is ahead, on the same resamples.

  Raises:
    ValueError: they are not of the same recordings, or not by the same protocol.
  """
  first = evaluations[0]
  for other in evaluations[1:]:
    for what, expected, got in (
      ("recordings", first.subject.data_digest[:12], other.subject.data_digest[:12]),
      ("a protocol", first.protocol, other.protocol),
      ("a version of attavvad_jax", first.subject.version, other.subject.version),
    ):
      if got != expected:
        raise ValueError(
          f"{other.subject.checkpoint}: scored on {what} {got}, expected {expected} as {first.subject.checkpoint}; "
          "evaluate both on the same data, by the same protocol"
        )
  names = [f"{index}: {one.subject.checkpoint}" for index, one in enumerate(evaluations, 1)]
  recordings = list(next(iter(first.recordings.values())))
  units, groups = independent_units(first.conditions, recordings)
  resamples = bootstrap.draw_by_group(groups)
  rows: list[tuple[str, ...]] = [("checkpoint", "F %", "95 % interval", "ER", "95 % interval")]
  for name, one in zip(names, evaluations, strict=True):
    cells = [name]
    for of, factor, digits in ((bootstrap.f_score, 100, 1), (bootstrap.error_rate, 1, 2)):
      found = bootstrap.interval(of, one.event_based, resamples)
      value, low, high = (figure(factor * number, digits) for number in dataclasses.astuple(found))
      cells += [value, f"{low} to {high}"]
    rows.append(tuple(cells))
  verdicts = [
    comparison.compare((names[a], names[b]), evaluations[a].event_based, evaluations[b].event_based, resamples)
    for a, b in itertools.combinations(range(len(evaluations)), 2)
  ]
  protocol = next(iter(first.scores.values())).protocol.event_name
  subject = f"{len(recordings)} recordings" + ("" if units == "recordings" else f" of {len(set(groups))} {units}")
  head = f"{protocol}; {subject}; {comparison.method(units)}, differences on the same ones"
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
