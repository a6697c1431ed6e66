"""Event- and segment-based metrics of timelines, computed by a named protocol, and tables of these metrics."""

from attavvad_jax.evaluation.metrics import Counts, Scores, close_gaps, count, evaluate, fill_gaps
from attavvad_jax.evaluation.protocols import CLOSED, PAPER, PROTOCOLS, SED_EVAL_DEFAULT, Protocol
from attavvad_jax.evaluation.table import condition_table, markdown_table, text_table

__all__ = [
  "CLOSED",
  "PAPER",
  "PROTOCOLS",
  "SED_EVAL_DEFAULT",
  "Counts",
  "Protocol",
  "Scores",
  "close_gaps",
  "condition_table",
  "count",
  "evaluate",
  "fill_gaps",
  "markdown_table",
  "text_table",
]
