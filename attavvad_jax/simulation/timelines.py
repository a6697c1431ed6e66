"""A semi-Markov model of when a performer speaks, sings, is silent or is not the source of the audio.

The model was fitted once to the 200 audio-visual label files of MAVC100. Events shorter than a block (1/3 s) were
merged with their neighbors, and unmarked gaps counted as others. Durations are log-normal above `MIN_DURATION_S`,
fitted by maximum likelihood to the events that start inside a clip (244 of speech, 303 of singing, 498 of others);
events cut by the end of the clip counted as censored. Transition probabilities are relative counts. MAVC100 has only
2 s of silence; here a part of the events of others become silence, with the same durations.
"""

from collections.abc import Mapping

import numpy as np

from attavvad_jax.timeline import Event

# Mean and deviation of the natural logarithm of seconds, before truncation at `MIN_DURATION_S`.
LOG_DURATION: Mapping[str, tuple[float, float]] = {
  "speech": (-0.01, 1.31),
  "singing": (1.92, 1.40),
  "others": (0.34, 1.00),
}
# Minimum: a block of the paper, the resolution of labels. Maximum: clips of MAVC100 last 30 s and many contain a single
# song; with songs of up to a minute, singing takes the same fraction of the time as there.
MIN_DURATION_S, MAX_DURATION_S = 1 / 3, 60.0
# Counts: others to singing 297, to speech 233; singing to others 271, to speech 13; speech to others 234, to singing 9.
NEXT: Mapping[str, Mapping[str, float]] = {
  "others": {"singing": 0.56, "speech": 0.44},
  "singing": {"others": 0.954, "speech": 0.046},
  "speech": {"others": 0.963, "singing": 0.037},
}
# Quartiles of the durations of these events (Kaplan-Meier), to check the fit.
MAVC100_QUARTILES_S: Mapping[str, tuple[float, float, float]] = {
  "speech": (0.76, 1.35, 2.45),
  "singing": (2.55, 7.03, 19.08),
  "others": (0.92, 1.57, 2.62),
}
# Fraction of the time of each event in MAVC100.
MAVC100_FRACTIONS: Mapping[str, float] = {"singing": 0.66, "speech": 0.12, "others": 0.22}
SILENCE_FRACTION = 0.35  # fraction of the events of others that become silence

_WARM_UP_S = 180.0


def draw_events(duration_s: float, rng: np.random.Generator) -> tuple[Event, ...]:
  """Draws events that tile a clip out of a longer performance, in whole milliseconds.

  Only the first and the last event may be truncated; no event is shorter than a block unless the clip is.
  """
  start_s, label = -_WARM_UP_S, "others"
  edges: list[float] = []
  labels: list[str] = []
  while start_s < duration_s:
    end_s = start_s + _duration_s(label, rng)
    shown = "silence" if label == "others" and rng.uniform() < SILENCE_FRACTION else label
    if end_s > 0:
      edges.append(max(0.0, round(start_s, 3)))
      labels.append(shown)
    label = str(rng.choice(list(NEXT[label]), p=list(NEXT[label].values())))
    start_s = end_s
  # A truncated event that is too short is merged with its neighbor.
  if len(edges) > 1 and edges[1] < MIN_DURATION_S:
    edges, labels = [0.0, *edges[2:]], labels[1:]
  if len(edges) > 1 and duration_s - edges[-1] < MIN_DURATION_S:
    edges, labels = edges[:-1], labels[:-1]
  ends = [*edges[1:], duration_s]
  return tuple(Event(a, b, shown) for a, b, shown in zip(edges, ends, labels, strict=True))


def _duration_s(label: str, rng: np.random.Generator) -> float:
  mean, deviation = LOG_DURATION[label]
  while True:
    duration_s = float(np.exp(rng.normal(mean, deviation)))
    if MIN_DURATION_S <= duration_s <= MAX_DURATION_S:
      return duration_s
