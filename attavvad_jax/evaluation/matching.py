"""Maximum matching of references and estimates, visited in the order of sed_eval.

A maximum matching is not unique. The events it leaves unmatched determine how many substitutions are counted, so the
order in which events are visited is part of the metric.
"""

from collections.abc import Mapping, Sequence


def maximum_matching(graph: Mapping[int, Sequence[int]]) -> dict[int, int]:
  """Matches as many references as possible, each with one estimate that hits it.

  Uses Hopcroft and Karp, "An n^5/2 algorithm for maximum matchings in bipartite graphs", 1973, after a greedy start.
  Visits events in the order of `sed_eval.util.bipartite_match` (by D. Eppstein, through mir_eval) and returns the same
  pairs.

  Args:
    graph: for each estimate that hits anything, the references that it hits.

  Returns:
    The index of the estimate for the index of each matched reference.

  Example:
    >>> maximum_matching({0: [0, 1], 1: [0]})
    {0: 1, 1: 0}
  """
  matching: dict[int, int] = {}
  for estimate, references in graph.items():
    free = next((reference for reference in references if reference not in matching), None)
    if free is not None:
      matching[free] = estimate
  while _augment(graph, matching):
    pass
  return matching


def _augment(graph: Mapping[int, Sequence[int]], matching: dict[int, int]) -> bool:
  """Enlarges the matching along disjoint shortest alternating paths; returns False if there are none."""
  if len(matching) == len(graph):
    return False
  matched = set(matching.values())
  layer = [estimate for estimate in graph if estimate not in matched]
  # Maps an estimate to the reference through which it was reached: its match, or None for a free estimate.
  entered: dict[int, int | None] = dict.fromkeys(layer)
  reached: dict[int, list[int]] = {}
  free: list[int] = []
  while layer and not free:
    newly_reached: dict[int, list[int]] = {}
    for estimate in layer:
      for reference in graph[estimate]:
        if reference not in reached:
          newly_reached.setdefault(reference, []).append(estimate)
    reached |= newly_reached
    free = [reference for reference in newly_reached if reference not in matching]
    onward = [reference for reference in newly_reached if reference in matching]
    layer = [matching[reference] for reference in onward]
    entered |= dict(zip(layer, onward, strict=True))

  def flip(reference: int) -> bool:
    """Rematches along the first path back to a free estimate; returns whether there is one."""
    for estimate in reached.pop(reference, ()):
      if estimate in entered:
        before = entered.pop(estimate)
        if before is None or flip(before):
          matching[reference] = estimate
          return True
    return False

  for reference in free:
    flip(reference)
  return bool(free)
