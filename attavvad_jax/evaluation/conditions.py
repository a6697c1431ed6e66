"""Groups of recordings: by the condition they were made under, and by what makes them dependent samples."""

from collections.abc import Mapping, Sequence

import numpy as np

Condition = str | float | bool

# Conditions with more distinct numbers than this are split into this many groups.
_NUM_PARTS = 3


def independent_units(described: Mapping[str, Mapping[str, Condition]], names: Sequence[str]) -> tuple[str, list[str]]:
  """Finds the units that are independent samples: performers if known, else the recordings that clips were cut from.

  Args:
    described: each recording's conditions, as the data set stores them.
    names: names of the recordings.

  Returns:
    The kind of unit in the plural, and the unit of each recording. Each recording is its own unit if none of them are
    known to belong together.
  """
  for condition, plural in (("performer", "performers"), ("recording", "source recordings")):
    units = [str(described.get(name, {}).get(condition, "")) for name in names]
    if all(units) and len(set(units)) < len(units):
      return plural, units
  return "recordings", list(names)


def group_recordings(described: Mapping[str, Mapping[str, Condition]], condition: str) -> dict[str, list[str]]:
  """Returns the names of the recordings with each value of a condition, in the order of the values.

  Each string and each truth value has its own group. Numbers with more than three values are split into three groups
  of about equally many recordings.

  Args:
    described: each recording's conditions, as the data set stores them.
    condition: name of a condition.

  Raises:
    ValueError: a recording's description lacks the condition; the message lists the known conditions.
  """
  without = [name for name, conditions in described.items() if condition not in conditions]
  if without or not described:
    known = sorted({name for conditions in described.values() for name in conditions})
    raise ValueError(
      f"condition {condition!r} is not described for {len(without)} of {len(described)} recordings; "
      f"{'expected one of ' + ', '.join(known) if known else 'the data set describes none'}"
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
