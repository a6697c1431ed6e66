"""Recordings by the condition they were made under, so that scores can be told apart by it."""

from collections.abc import Mapping, Sequence

import numpy as np

Condition = str | float | bool

# Numbers that take more values than this are cut into as many parts.
_NUM_PARTS = 3


def independent_units(described: Mapping[str, Mapping[str, Condition]], names: Sequence[str]) -> tuple[str, list[str]]:
  """What recordings are independent samples of: performers where these are known, else what clips were cut from.

  Args:
    described: each recording's conditions, as the data set stores them.
    names: of recordings.

  Returns:
    What it is, in the plural; and which one each of the recordings is of. Recordings that are not known to belong
    together, or do not, are each one by itself.
  """
  for condition, plural in (("performer", "performers"), ("recording", "recordings that clips were cut from")):
    units = [str(described.get(name, {}).get(condition, "")) for name in names]
    if all(units) and len(set(units)) < len(units):
      return plural, units
  return "recordings", list(names)


def group_recordings(described: Mapping[str, Mapping[str, Condition]], condition: str) -> dict[str, list[str]]:
  """The recordings of each value of a condition, by name, in the order of the values.

  Words and truth values are groups of their own. Numbers of more than three values are cut into three parts that hold
  about as many recordings each.

  Args:
    described: each recording's conditions, as the data set stores them.
    condition: one of their names.

  Raises:
    ValueError: a recording's description lacks the condition; says which conditions there are.
  """
  without = [name for name, conditions in described.items() if condition not in conditions]
  if without or not described:
    known = sorted({name for conditions in described.values() for name in conditions})
    raise ValueError(
      f"condition {condition!r} is not described for {len(without)} of {len(described)} recordings; "
      f"{'there are ' + ', '.join(known) if known else 'the data set describes none'}"
    )
  values = {name: conditions[condition] for name, conditions in described.items()}
  distinct = sorted(set(values.values()), key=lambda value: (isinstance(value, str), value))
  if len(distinct) <= _NUM_PARTS or any(isinstance(value, str) for value in distinct):
    return {str(value): [name for name, own in values.items() if own == value] for value in distinct}
  edges = np.quantile(list(values.values()), np.linspace(0, 1, _NUM_PARTS + 1)[1:-1])
  groups: list[list[str]] = [[] for _ in range(_NUM_PARTS)]
  for name, value in values.items():
    groups[int(np.searchsorted(edges, value))].append(name)
  spans = [[values[name] for name in names] for names in groups]
  return {f"{min(s):g} to {max(s):g}": names for s, names in zip(spans, groups, strict=True) if names}
