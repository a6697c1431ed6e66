"""Sentences that compare two systems by F and ER, on the same recordings and resamples.

Axes: S seeds, N recordings, R resamples, C the counts of `bootstrap.COUNTS`.
"""

import numpy as np

from attavvad_jax.evaluation import bootstrap


def method(units: str) -> str:
  """Returns a phrase for users that explains the intervals; `units` is as `conditions.independent_units` returns it."""
  whole = "" if units == "recordings" else ", each drawn as a whole"
  return f"95 % interval: percentile bootstrap over {units}{whole}, {bootstrap.NUM_RESAMPLES} resamples"


def compare(names: tuple[str, str], ours: np.ndarray, theirs: np.ndarray, resamples: np.ndarray) -> str:
  """Says which of two systems is ahead in F and in ER, or that they do not differ significantly.

  Args:
    names: names of the two systems.
    ours: counts of the first system, [S,N,C].
    theirs: counts of the second system on the same recordings; its number of seeds may differ.
    resamples: result of `bootstrap.draw_by_group`, [R,N].
  """
  sentences = []
  for name, metric, scale, unit, digits in (
    ("F", bootstrap.f_score, 100, " points", 1),
    ("ER", bootstrap.error_rate, -1, "", 2),
  ):
    gain = bootstrap.paired_difference(metric, ours, theirs, resamples)
    # Positive if the first system is better: a higher F, a lower error rate.
    value, low, high = (
      0.0 + scale * gain.value,
      *sorted((0.0 + scale * gain.low, 0.0 + scale * gain.high)),
    )
    alone = [bootstrap.interval(metric, counts, resamples) for counts in (ours, theirs)]
    apart = max(interval.low for interval in alone) > min(interval.high for interval in alone)
    overlap = f"their own intervals {'do not overlap' if apart else 'overlap'}"
    if low > 0 or high < 0:
      ahead, behind = names if low > 0 else names[::-1]
      low, high = sorted((abs(low), abs(high)))
      sentences.append(
        f"{ahead} is ahead of {behind} in {name} by {abs(value):.{digits}f}{unit} (95 % interval {low:.{digits}f} to "
        f"{high:.{digits}f}; {overlap})."
      )
    else:
      sentences.append(
        f"{names[0]} and {names[1]} do not differ significantly in {name}: {value:+.{digits}f}{unit} (95 % interval "
        f"{low:+.{digits}f} to {high:+.{digits}f})."
      )
  return " ".join(sentences)
