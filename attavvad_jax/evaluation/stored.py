"""Scores and evaluations as JSON and CSV, for other programs and for later comparison without a checkpoint."""

from collections.abc import Iterable, Mapping, Sequence
import csv
import dataclasses
import io
import json
import math
from pathlib import Path
from typing import Any

from attavvad_jax.evaluation.metrics import Counts, Scores
from attavvad_jax.evaluation.protocols import Protocol
from attavvad_jax.evaluation.result import Evaluation, Subject
from attavvad_jax.files import write_text

# The values of `--to`.
FORMATS = ("json", "csv")
_KIND, _SCHEMA_VERSION = "attavvad evaluation", 1
_BASES = ("event_based", "segment_based")
_METRICS = ("error_rate", "precision", "recall", "f_score")


def counts_to_json(scores: Scores) -> dict[str, Any]:
  """Returns duration and counts of scores; each list of counts has the fields of `Counts`."""
  tables = {basis: getattr(scores, basis) for basis in _BASES}
  return {
    "duration_s": scores.duration_s,
    **{basis: {label: list(row) for label, row in table.items()} for basis, table in tables.items()},
  }


def counts_from_json(values: Mapping[str, Any], protocol: Protocol) -> Scores:
  """Returns the scores of one recording from the result of `counts_to_json`."""
  tables = [{label: Counts(*row) for label, row in values[basis].items()} for basis in _BASES]
  return Scores(protocol, 1, values["duration_s"], *tables)


def check_writable(stem: str | Path, formats: Iterable[str]) -> list[Path]:
  """Returns STEM.json and STEM.csv, as far as their formats are requested.

  Raises:
    ValueError: a format is unknown, or one of the files exists and is not an evaluation.
  """
  formats = list(formats)
  if unknown := [name for name in formats if name not in FORMATS]:
    raise ValueError(f"--to: unknown format {', '.join(map(repr, unknown))}; expected some of {','.join(FORMATS)}")
  paths = [Path(f"{stem}.{name}") for name in formats]
  for path in paths:
    if path.exists() and not _is_ours(path):
      raise ValueError(f"{path}: exists and is not an evaluation; choose another --output")
  return paths


def write(evaluations: Sequence[Evaluation], stem: str | Path, formats: Iterable[str]) -> list[Path]:
  """Writes evaluations to the files that `check_writable` returns, and returns these.

  Raises:
    ValueError: as in `check_writable`.
  """
  paths = check_writable(stem, formats)
  for path in paths:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, to_csv(evaluations) if path.suffix == ".csv" else to_json(evaluations))
  return paths


def to_json(evaluations: Sequence[Evaluation]) -> str:
  """Returns evaluations as JSON: subject, protocol, support, metrics, and the counts of every recording."""
  return (
    json.dumps(
      {"kind": _KIND, "schema_version": _SCHEMA_VERSION, "evaluations": [_to_json(one) for one in evaluations]},
      indent=1,
      ensure_ascii=False,
      allow_nan=False,
    )
    + "\n"
  )


def read(path: str | Path) -> list[Evaluation]:
  """Reads the evaluations that `write` wrote as JSON.

  Raises:
    ValueError: the file is not an evaluation.
    OSError: the file cannot be read.
  """
  try:
    values = json.loads(Path(path).read_text(encoding="utf-8"))
    if values["kind"] != _KIND:
      raise ValueError(f"its kind is {values['kind']!r}")
    evaluations = []
    for one in values["evaluations"]:
      protocol = Protocol(**one["protocol"]["settings"])
      recordings = {
        output: {name: counts_from_json(row, protocol) for name, row in table["recordings"].items()}
        for output, table in one["outputs"].items()
      }
      evaluations.append(Evaluation(Subject(**one["subject"]), one["protocol"]["name"], recordings, one["conditions"]))
    return evaluations
  except (UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError) as error:
    raise ValueError(
      f"{path}: not an evaluation ({type(error).__name__}: {error}); expected a file of attavvad evaluate --to=json"
    ) from error


def to_csv(evaluations: Sequence[Evaluation]) -> str:
  """Returns a CSV row for each checkpoint, output, basis and event; a metric with nothing to count is empty."""
  text = io.StringIO()
  rows = [row for one in evaluations for row in _rows(one)]
  writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
  writer.writeheader()
  writer.writerows(rows)
  return text.getvalue()


_COUNTS = Counts._fields
_COLUMNS = (
  *("checkpoint", "checkpoint_digest", "model", "step", "data", "data_digest", "split", "protocol", "recordings"),
  *("duration_s", "output", "basis", "event", *_METRICS, *_COUNTS),
)


def _rows(one: Evaluation) -> Iterable[dict[str, Any]]:
  subject = dataclasses.asdict(one.subject)
  for output, scores in one.scores.items():
    for basis in _BASES:
      name = scores.protocol.event_name if basis == "event_based" else scores.protocol.segment_name
      for label, counts in getattr(scores, basis).items():
        yield {
          **{key: value for key, value in subject.items() if key in _COLUMNS},
          **{"protocol": name, "recordings": scores.recordings, "duration_s": scores.duration_s},
          **{"output": output, "basis": basis, "event": label},
          **_metrics(counts),
          **counts._asdict(),
        }


def _to_json(one: Evaluation) -> dict[str, Any]:
  outputs = {}
  for output, scores in one.scores.items():
    tables = {basis: getattr(scores, basis) for basis in _BASES}
    outputs[output] = {
      **{
        basis: {label: {**_metrics(row), **row._asdict()} for label, row in table.items()}
        for basis, table in tables.items()
      },
      "recordings": {name: counts_to_json(own) for name, own in one.recordings[output].items()},
    }
  first = next(iter(one.scores.values()))
  return {
    "subject": dataclasses.asdict(one.subject),
    "protocol": {
      "name": one.protocol,
      "event_based": first.protocol.event_name,
      "segment_based": first.protocol.segment_name,
      "settings": dataclasses.asdict(first.protocol),
    },
    "support": {"recordings": first.recordings, "duration_s": first.duration_s},
    "best_reachable": [
      {"protocol": best.protocol.event_name, **_metrics(best.event_based["overall"])}
      for best in ([] if one.ceilings is None else [one.ceilings.open, one.ceilings.closed])
    ],
    "fields_of_counts": _COUNTS,
    "outputs": outputs,
    "conditions": one.conditions,
  }


def _metrics(counts: Counts) -> dict[str, float | None]:
  """Returns the ratios of counts; None if there is nothing to count."""
  values = {name: getattr(counts, name) for name in _METRICS}
  return {name: None if math.isnan(value) else value for name, value in values.items()}


def _is_ours(path: Path) -> bool:
  with path.open(encoding="utf-8", errors="replace") as file:
    start = file.read(len(",".join(_COLUMNS)) + 100)
  return start.startswith(",".join(_COLUMNS)) if path.suffix == ".csv" else f'"kind": "{_KIND}"' in start
