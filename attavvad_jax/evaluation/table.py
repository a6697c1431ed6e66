"""Scores as tables: plain text for the terminal, Markdown for pages. Every table states its protocol."""

from collections.abc import Mapping
import math

from attavvad_jax.evaluation.metrics import Counts, Scores


def text_table(scores: Scores) -> str:
  """Returns two plain-text tables, event- and segment-based, below the number and duration of the recordings."""
  return "\n\n".join([_summary(scores), *("\n".join([title, *aligned(rows)]) for title, rows in _tables(scores))])


def markdown_table(scores: Scores) -> str:
  """Returns the tables of `text_table` in Markdown."""
  parts = [_summary(scores)]
  for title, rows in _tables(scores):
    header, *body = (f"| {' | '.join(row)} |" for row in rows)
    rule = "|".join(["", " --- ", *([" ---: "] * (len(rows[0]) - 1)), ""])
    parts += [f"**{title}**", "\n".join([header, rule, *body])]
  return "\n\n".join(parts)


def condition_table(condition: str, groups: Mapping[str, Mapping[str, Scores]]) -> str:
  """Returns a table of the event-based F of every output for each value of a condition.

  Args:
    condition: name of the condition.
    groups: value of the condition -> output -> `Scores`.
  """
  outputs = list(next(iter(groups.values())))
  rows: list[tuple[str, ...]] = [
    (condition, "recordings", "reference events", *(f"F %, {output.replace('_', '-')}" for output in outputs))
  ]
  for value, scores in groups.items():
    overall = [scores[output].event_based["overall"] for output in outputs]
    f_scores = [format_metric(100 * counts.f_score, 1) for counts in overall]
    rows.append((value, str(scores[outputs[0]].recordings), str(overall[0].reference), *f_scores))
  return "\n".join([groups[rows[1][0]][outputs[0]].protocol.event_name, *aligned(rows)])


def _summary(scores: Scores) -> str:
  minutes, seconds = divmod(round(scores.duration_s), 60)
  recordings = f"{scores.recordings} recording{'' if scores.recordings == 1 else 's'}"
  return f"{recordings}, {minutes} min {seconds} s; unmarked time counts as others; –: nothing to count"


def _tables(scores: Scores) -> list[tuple[str, list[tuple[str, ...]]]]:
  """Returns title and rows, header first, of the two tables."""
  protocol = scores.protocol
  return [
    (protocol.event_name, _rows(scores.event_based, "events")),
    (protocol.segment_name, _rows(scores.segment_based, "segments")),
  ]


def _rows(table: Mapping[str, Counts], unit: str) -> list[tuple[str, ...]]:
  rows: list[tuple[str, ...]] = [("event", "ER", "P %", "R %", "F %", f"reference {unit}", "reference s")]
  for name, counts in table.items():
    rows.append(
      (
        name,
        format_metric(counts.error_rate, 2),
        format_metric(100 * counts.precision, 1),
        format_metric(100 * counts.recall, 1),
        format_metric(100 * counts.f_score, 1),
        str(counts.reference),
        f"{counts.reference_s:.1f}",
      )
    )
  return rows


def format_metric(value: float, digits: int) -> str:
  """Formats a metric; NaN, when there is nothing to count, becomes a dash."""
  return "–" if math.isnan(value) else f"{value:.{digits}f}"


def aligned(rows: list[tuple[str, ...]]) -> list[str]:
  """Formats rows as lines of plain text, with names aligned left and values aligned right."""
  widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
  lines = []
  for name, *values in rows:
    lines.append("  ".join([name.ljust(widths[0]), *(v.rjust(w) for v, w in zip(values, widths[1:], strict=True))]))
  return lines
