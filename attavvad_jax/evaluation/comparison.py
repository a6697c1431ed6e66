"""Which of two systems is ahead on the same recordings, in words: by F and by ER, on the same resamples.

Axes: S seeds, N recordings, R resamples, C the counts of `bootstrap.COUNTS`.
"""

import numpy as np

from attavvad_jax.evaluation import bootstrap


def method(units: str) -> str:
  """What the intervals are, for people, in a sentence; `units` are what `conditions.independent_units` says."""
  whole = "" if units == "recordings" else ", each with all that is of it"
  return f"95 % interval: percentile bootstrap over {units}{whole}, {bootstrap.NUM_RESAMPLES} resamples"


def compare(names: tuple[str, str], ours: np.ndarray, theirs: np.ndarray, resamples: np.ndarray) -> str:
  """Which of two systems is ahead, in F and in ER; or that they are not told apart.

  Args:
    names: of the two.
    ours: counts of the first, [S,N,C].
    theirs: counts of the second on the same recordings; the numbers of seeds may differ.
    resamples: as `bootstrap.draw_by_group` gives them, [R,N].
  """
  sentences = []
  for name, figure, scale, unit, digits in (
    ("F", bootstrap.f_score, 100, " points", 1),
    ("ER", bootstrap.error_rate, -1, "", 2),
  ):
    found = bootstrap.paired_difference(figure, ours, theirs, resamples)
    # By how much the first is better: a higher F, a lower error rate.
    value, low, high = 0.0 + scale * found.value, *sorted((0.0 + scale * found.low, 0.0 + scale * found.high))
    alone = [bootstrap.interval(figure, counts, resamples) for counts in (ours, theirs)]
    apart = max(interval.low for interval in alone) > min(interval.high for interval in alone)
    touch = f"their own intervals {'do not touch' if apart else 'overlap'}"
    if low > 0 or high < 0:
      ahead, behind = names if low > 0 else names[::-1]
      low, high = sorted((abs(low), abs(high)))
      sentences.append(
        f"{ahead} is ahead of {behind} in {name} by {abs(value):.{digits}f}{unit} (95 % interval {low:.{digits}f} to "
        f"{high:.{digits}f}; {touch})."
      )
    else:
      sentences.append(
        f"{names[0]} and {names[1]} are not told apart in {name}: {value:+.{digits}f}{unit} (95 % interval "
        f"{low:+.{digits}f} to {high:+.{digits}f})."
      )
  return " ".join(sentences)
