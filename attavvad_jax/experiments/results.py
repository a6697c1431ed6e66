"""Turns scores into sections of a page: metrics beside the paper's, spread, intervals and significant differences.

Axes: S seeds, N recordings, C the counts of `bootstrap.COUNTS`.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import math

import numpy as np

from attavvad_jax.evaluation import bootstrap, comparison
from attavvad_jax.evaluation.conditions import Condition, group_recordings, independent_units
from attavvad_jax.evaluation.protocols import PAPER
from attavvad_jax.experiments.plan import EXPERIMENTS, Row, Table
from attavvad_jax.experiments.scores import RunScores
from attavvad_jax.reports import page
from attavvad_jax.timeline import EVENTS

# The conditions to report if a data set describes them: acoustic and visual difficulties.
CONDITIONS = ("snr_db", "off_camera_voice_share", "other_words_share", "occluded_share")
_NOTHING = "–"


@dataclasses.dataclass(frozen=True)
class Result:
  """The result of an experiment.

  Attributes:
    runs: scores by seed, all on the same recordings.
    failures: reasons of failed runs, by seed.
  """

  runs: Mapping[int, RunScores]
  failures: Mapping[int, str]

  def event_based(self, label: str = "overall") -> np.ndarray:
    """Returns event-based counts. [S,N,C]."""
    return np.stack([run.event_based(label) for run in self.runs.values()])

  def segment_based(self) -> np.ndarray:
    """Returns segment-based counts. [S,N,C]."""
    return np.stack([run.segment_based() for run in self.runs.values()])

  @property
  def recordings(self) -> list[str]:
    return list(next(iter(self.runs.values())).recordings)

  @property
  def reason(self) -> str:
    """The reasons of failed runs as text."""
    return "; ".join(f"seed {seed}: {reason}" for seed, reason in self.failures.items())


Results = Mapping[str, Result]


def method(conditions: Mapping[str, Mapping[str, Condition]]) -> str:
  """Returns sentences for users that explain the metrics and intervals.

  Args:
    conditions: conditions of the test recordings, by name.
  """
  units, _ = independent_units(conditions, list(conditions))
  return (
    f"Metrics are means over the seeds. {comparison.method(units)}, each averaged over the seeds; it shows the effect "
    f"of the choice of test {units}. Over seeds: the lowest and the highest value. Differences between systems use the "
    "same resamples."
  )


def section(
  table: Table, results: Results, conditions: Mapping[str, Mapping[str, Condition]], data: str
) -> page.Section:
  """Returns a table of the paper with comparisons and scores per event and per condition.

  Args:
    table: the table.
    results: results by experiment.
    conditions: conditions of the test recordings, by name.
    data: the data set's name.
  """
  whole = [results[row.experiment] for row in table.rows if results[row.experiment].runs]
  if not whole:
    return page.Section(table.title, [], [_overall(table, results, None, [])])
  names = whole[0].recordings
  units, groups = independent_units(conditions, names)
  resamples = bootstrap.draw_by_group(groups)
  of = "" if units == "recordings" else f" of {len(set(groups))} {units}, which the intervals resample"
  notes = [_subject(whole[0], data, of, any(row.paper.f is not None for row in table.rows))]
  details = [_per_event(table, results, notes)]
  for condition in CONDITIONS:
    if all(condition in conditions.get(name, {}) for name in names):
      details.append(_per_condition(table, results, {name: conditions[name] for name in names}, condition, notes))
  findings = [_compare(results, *pair, resamples) for pair in table.pairs]
  return page.Section(table.title, findings, [_overall(table, results, resamples, notes), *details])


def _subject(result: Result, data: str, of: str, has_paper: bool) -> str:
  """Returns protocol and data in one line; `of` names the units of the recordings."""
  counts = result.event_based()[0].sum(axis=0)
  scores = next(iter(result.runs.values())).recordings.values()
  minutes = sum(score.duration_s for score in scores) / 60
  return (
    f"Protocol: {PAPER.event_name}; {PAPER.segment_name}. Data: {data}, test split: {len(scores)} recordings{of}, "
    f"{minutes:.1f} min, {counts[bootstrap.COUNTS.index('reference')]} reference events."
    f"{' The metrics of the paper are on its own data.' if has_paper else ''}"
  )


def _overall(table: Table, results: Results, resamples: np.ndarray | None, notes: Sequence[str]) -> page.Table:
  has_paper = any(row.paper.f is not None for row in table.rows)
  has_all = any(row.paper.error_rate is not None for row in table.rows)
  header = ["", "runs", "F %", "95 % interval", "over seeds"]
  header += ["paper F %"] * has_paper
  header += ["ER", "95 % interval", "over seeds"]
  header += ["paper ER"] * has_all
  header += ["P %", "paper P %", "R %", "paper R %"] if has_all else ["P %", "R %"]
  header += ["F % of segments"]
  rows, failures = [], []
  for row in table.rows:
    result = results[row.experiment]
    number = f"{len(result.runs)} of {len(result.runs) + len(result.failures)}"
    if not result.runs or resamples is None:
      rows.append(page.Row([row.title, f"failed; {result.reason}"], is_marked=True))
      continue
    if result.failures:
      failures.append(f"{row.title}: {number} runs; {result.reason}.")
    rows.append(_row(row, result, resamples, number, has_paper, has_all))
  return page.Table("All events together", header, rows, [*failures, *notes])


def _row(row: Row, result: Result, resamples: np.ndarray, number: str, has_paper: bool, has_all: bool) -> page.Row:
  counts, paper = result.event_based(), row.paper
  f = bootstrap.interval(bootstrap.f_score, counts, resamples)
  error_rate = bootstrap.interval(bootstrap.error_rate, counts, resamples)
  precision, recall = (_mean(metric, counts) for metric in (bootstrap.precision, bootstrap.recall))
  cells = [row.title, number, _percent(f.value), _span(f, _percent), _over_seeds(bootstrap.f_score, counts, _percent)]
  cells += [_number(paper.f, 2)] * has_paper
  cells += [_number(error_rate.value, 2), _span(error_rate, _two)]
  cells += [_over_seeds(bootstrap.error_rate, counts, _two)]
  if has_all:
    cells += [_number(paper.error_rate, 2)]
    cells += [_percent(precision), _number(paper.precision, 2), _percent(recall), _number(paper.recall, 2)]
  else:
    cells += [_percent(precision), _percent(recall)]
  cells += [_percent(_mean(bootstrap.f_score, result.segment_based()))]
  bar = None
  if not math.isnan(f.low):
    bar = page.Bar(100 * f.value, 100 * f.low, 100 * f.high, paper.f)
  return page.Row(cells, bar)


def _per_event(table: Table, results: Results, notes: Sequence[str]) -> page.Table:
  whole = next(results[row.experiment] for row in table.rows if results[row.experiment].runs)
  support = {label: whole.event_based(label)[0].sum(axis=0)[1] for label in EVENTS}
  header = ["", *(f"{label} ({support[label]})" for label in EVENTS)]
  rows = []
  for row in table.rows:
    if (result := results[row.experiment]).runs:
      rows.append(
        page.Row([row.title, *(_percent(_mean(bootstrap.f_score, result.event_based(label))) for label in EVENTS)])
      )
  return page.Table("F % by event (number of reference events)", header, rows, notes, is_detail=True)


def _per_condition(
  table: Table,
  results: Results,
  described: Mapping[str, Mapping[str, Condition]],
  condition: str,
  notes: Sequence[str],
) -> page.Table:
  shown = [row for row in table.rows if results[row.experiment].runs]
  names = results[shown[0].experiment].recordings
  rows = []
  for value, members in group_recordings(described, condition).items():
    chosen = np.isin(names, members)
    counts = [results[row.experiment].event_based()[:, chosen] for row in shown]
    support = int(counts[0][0].sum(axis=0)[1])
    f_scores = [_percent(_mean(bootstrap.f_score, some)) for some in counts]
    rows.append(page.Row([value, str(int(chosen.sum())), str(support), *f_scores]))
  header = [condition, "recordings", "reference events", *(row.title for row in shown)]
  return page.Table(f"F % by {condition}", header, rows, notes, is_detail=True)


def _compare(results: Results, first: str, second: str, resamples: np.ndarray) -> str:
  """Says which of two experiments is ahead in F and in ER, or that they do not differ significantly."""
  names = [EXPERIMENTS[name].title for name in (first, second)]
  if failed := [name for name, key in zip(names, (first, second), strict=True) if not results[key].runs]:
    return f"{names[0]} and {names[1]} cannot be compared: {', '.join(failed)} failed."
  ours, theirs = results[first].event_based(), results[second].event_based()
  return comparison.compare((names[0], names[1]), ours, theirs, resamples)


def _by_seed(metric: bootstrap.Metric, counts: np.ndarray) -> np.ndarray:
  """Returns a metric of each seed. [S,N,C] -> [S]."""
  return metric(counts.sum(axis=1))


def _mean(metric: bootstrap.Metric, counts: np.ndarray) -> float:
  return float(_by_seed(metric, counts).mean())


def _over_seeds(metric: bootstrap.Metric, counts: np.ndarray, text: Callable[[float], str]) -> str:
  values = _by_seed(metric, counts)
  return _NOTHING if len(values) < 2 else f"{text(values.min())} to {text(values.max())}"


def _span(interval: bootstrap.Interval, text: Callable[[float], str]) -> str:
  return _NOTHING if math.isnan(interval.low) else f"{text(interval.low)} to {text(interval.high)}"


def _percent(value: float) -> str:
  return _number(100 * value, 1)


def _two(value: float) -> str:
  return _number(value, 2)


def _number(value: float | None, digits: int) -> str:
  return _NOTHING if value is None or math.isnan(value) else f"{value:.{digits}f}"
