"""Turns the probabilities of blocks into events, as `attavvad detect` does. Needs only numpy."""

from itertools import groupby

import numpy as np


def to_events(metadata, probabilities):
  """Returns the events of a recording: tuples of onset and offset in seconds, and label.

  Args:
    metadata: the content of metadata.json.
    probabilities: the program's output that metadata["decision"] names, [blocks, labels].

  Raises:
    ValueError: the checkpoint was smoothed by a function of the user's own.
  """
  smoothing, rate_hz = metadata["smoothing"], metadata["clock"]["block_rate_hz"]
  if "function" in smoothing:
    raise ValueError(f"the smoothing is {smoothing['function']}, which is not in this folder; apply it to the scores")
  scores = average(np.asarray(probabilities, np.float64), smoothing["mean_blocks"])
  thresholds = [smoothing.get(f"{label}_threshold", 0.0) for label in metadata["labels"]]
  scores = np.where(scores < thresholds, 0.0, scores)
  if smoothing.get("decoder") == "hmm":
    lag = int(np.ceil(smoothing["lag_s"] * rate_hz - 1e-9))
    labels = decode(scores, smoothing["evidence"], lag, np.log(metadata["transitions"]))
  else:
    labels = scores.argmax(axis=1).tolist()
  labels = merge_short(labels, int(np.ceil(smoothing["min_duration_s"] * rate_hz - 1e-9)))
  return [(first / rate_hz, last / rate_hz, metadata["labels"][label]) for first, last, label in runs(labels)]


def average(scores, width):
  """Returns the centered mean over `width` blocks; at both ends, over the blocks that exist."""
  half = width // 2
  return np.array([scores[max(0, i - half) : i + half + 1].mean(axis=0) for i in range(len(scores))])


def decode(scores, evidence, lag, log_transitions):
  """Returns the label of each block on the most likely path that ends `lag` blocks later (a hidden Markov model)."""
  scores = np.clip(scores, 1e-4, 1 - 1e-4)
  likelihoods = evidence * np.log(scores / (1 - scores))
  totals, origins = [likelihoods[0]], [np.arange(len(log_transitions))]
  for likelihood in likelihoods[1:]:
    paths = totals[-1][:, None] + log_transitions
    origins.append(paths.argmax(axis=0))
    totals.append(paths.max(axis=0) + likelihood)
  labels = []
  for block in range(len(scores)):
    last = min(block + lag, len(scores) - 1)
    label = int(totals[last].argmax())
    for later in range(last, block, -1):
      label = int(origins[later][label])
    labels.append(label)
  return labels


def merge_short(labels, min_blocks):
  """Merges each run of fewer blocks into the longer of its neighbors, the shortest run first."""
  while len(spans := runs(labels)) > 1:
    lengths = [last - first for first, last, _ in spans]
    short = lengths.index(min(lengths))
    if lengths[short] >= min_blocks:
      break
    neighbors = [i for i in (short - 1, short + 1) if 0 <= i < len(spans)]
    chosen = max(neighbors, key=lambda i: min(lengths[i], min_blocks))
    first, last, _ = spans[short]
    labels = [*labels[:first], *[spans[chosen][2]] * (last - first), *labels[last:]]
  return labels


def runs(labels):
  """Returns first block, end (exclusive) and label of each run of equal labels."""
  groups = [list(group) for _, group in groupby(labels)]
  ends = np.cumsum([len(group) for group in groups]).tolist()
  return [(end - len(group), end, group[0]) for group, end in zip(groups, ends, strict=True)]


def print_events(metadata, scores):
  """Prints a line for each event: its onset, its offset and its label."""
  for onset_s, offset_s, label in to_events(metadata, scores[metadata["decision"]]):
    print(f"{onset_s:8.3f} s {offset_s:8.3f} s  {label}")
