"""The best scores that block decisions can reach: those of the reference itself, cut to blocks.

Decisions cover whole blocks, while references are precise to the millisecond, so no decision may match an event that is
shorter than a block. A system's F should be read beside the F of this perfect system.
"""

from collections.abc import Iterable
import dataclasses

from attavvad_jax.evaluation.metrics import Scores, evaluate
from attavvad_jax.evaluation.protocols import HALF_BLOCK_S, Protocol
from attavvad_jax.timeline import Clock, Timeline, block_labels, labels_to_timeline


@dataclasses.dataclass(frozen=True)
class Ceilings:
  """Scores of the reference cut to blocks. `str` gives one line for each.

  Attributes:
    block_s: length of a block in seconds.
    open: scores if every gap between labels is an event of others.
    closed: scores if gaps under half a block of the paper's clock are closed.
  """

  block_s: float
  open: Scores
  closed: Scores

  def __str__(self) -> str:
    lines = [f"best reachable at {1000 * self.block_s:.0f} ms a block (the reference itself, cut to blocks):"]
    for scores in (self.open, self.closed):
      overall = scores.event_based["overall"]
      values = f"F {100 * overall.f_score:.1f} %, {overall.reference} reference events"
      lines.append(f"  {scores.protocol.event_name}: {values}")
    return "\n".join(lines)


def ceilings(references: Iterable[Timeline], clock: Clock, protocol: Protocol) -> Ceilings:
  """Scores references cut to blocks by a protocol, once with short gaps left open and once with them closed.

  Raises:
    ValueError: `references` is empty.
  """
  pairs = [(reference, cut_to_blocks(reference, clock)) for reference in references]
  left, closed = (evaluate(pairs, dataclasses.replace(protocol, shortest_gap_s=gap_s)) for gap_s in (0.0, HALF_BLOCK_S))
  return Ceilings(clock.block_s, left, closed)


def cut_to_blocks(timeline: Timeline, clock: Clock) -> Timeline:
  """Returns the timeline of a perfect block detector: each block has the event that fills most of it."""
  return labels_to_timeline(block_labels(timeline, clock), clock, timeline.duration_s)
