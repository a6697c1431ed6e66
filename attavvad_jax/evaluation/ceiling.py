"""The best that block decisions can reach: the reference itself, cut to blocks and scored as an estimate.

Decisions fall on whole blocks, references on milliseconds: what is shorter than a block may be met by none. A
system's F wants to be read beside that of a system that knows the reference.
"""

from collections.abc import Iterable
import dataclasses

from attavvad_jax.evaluation.metrics import Scores, evaluate
from attavvad_jax.evaluation.protocols import HALF_BLOCK_S, Protocol
from attavvad_jax.timeline import Clock, Timeline, block_labels, labels_to_timeline


@dataclasses.dataclass(frozen=True)
class Ceilings:
  """Scores of the reference cut to blocks. As text: a line for each.

  Attributes:
    block_s: length of a block.
    open: where every gap of the labels is an event of others.
    closed: where gaps under half a block of the paper's clock are closed.
  """

  block_s: float
  open: Scores
  closed: Scores

  def __str__(self) -> str:
    lines = [f"best reachable at {1000 * self.block_s:.0f} ms a block (the reference itself, cut to blocks):"]
    for scores in (self.open, self.closed):
      overall = scores.event_based["overall"]
      figures = f"F {100 * overall.f_score:.1f} %, {overall.reference} reference events"
      lines.append(f"  {scores.protocol.event_name}: {figures}")
    return "\n".join(lines)


def ceilings(references: Iterable[Timeline], clock: Clock, protocol: Protocol) -> Ceilings:
  """Scores of references cut to blocks, by a protocol with short gaps left open and closed.

  Raises:
    ValueError: there are no references.
  """
  pairs = [(reference, cut_to_blocks(reference, clock)) for reference in references]
  left, closed = (evaluate(pairs, dataclasses.replace(protocol, shortest_gap_s=gap_s)) for gap_s in (0.0, HALF_BLOCK_S))
  return Ceilings(clock.block_s, left, closed)


def cut_to_blocks(timeline: Timeline, clock: Clock) -> Timeline:
  """The timeline as a detector with perfect blocks would give it: the event that fills most of each block."""
  return labels_to_timeline(block_labels(timeline, clock), clock, timeline.duration_s)
