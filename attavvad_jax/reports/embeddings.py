"""Blocks in the space of the core vectors: Figures 3 and 4 of the paper, each with metrics.

t-SNE (van der Maaten and Hinton 2008) draws neighbors near each other, but its axes have no unit, and the distance
between two groups means little. The metrics are therefore computed in the network's own space, by Euclidean distance.

Axes: B blocks, E events, D embedding.
"""

from collections.abc import Mapping
import dataclasses
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from attavvad_jax.reports.samples import draw_blocks
from attavvad_jax.timeline import EVENTS, VOCAL_EVENTS
from attavvad_jax.timeline.palette import hex_color

_DPI = 150
_PERPLEXITY = 30.0
_MARKERS = dict(zip(EVENTS, "osD^", strict=True))


@dataclasses.dataclass(frozen=True)
class Separation:
  """Separation of the true events before and after fusion: mean silhouettes of the blocks (Rousseeuw 1987), -1 to 1.

  A silhouette of 0 means that clusters overlap.

  Attributes:
    before: silhouette of the audio branch's vectors.
    after: silhouette of the audio-visual vectors.
    blocks: number of blocks of each event.
    blocks_asked: number of blocks requested for each event.
  """

  before: float
  after: float
  blocks: Mapping[str, int]
  blocks_asked: int

  def __str__(self) -> str:
    """Returns the caption below the figure."""
    return (
      f"Silhouette of the true events in the original space: {self.before:.2f} before fusion, {self.after:.2f} after. "
      + _describe(self.blocks, self.blocks_asked)
    )


@dataclasses.dataclass(frozen=True)
class Alignment:
  """Alignment of the visual vectors with the acoustic ones.

  Attributes:
    vocalizing: fraction of the blocks with a performer who speaks or sings whose visual vector is nearest to an
      acoustic vector of speech or singing; NaN if there is no such block.
    not_vocalizing: the same fraction of the other blocks.
    blocks: number of blocks of each event.
    blocks_asked: number of blocks requested for each event.
  """

  vocalizing: float
  not_vocalizing: float
  blocks: Mapping[str, int]
  blocks_asked: int

  def __str__(self) -> str:
    """Returns the caption below the figure."""
    return (
      "Visual vectors whose nearest acoustic vector, in the original space, is of speech or singing: "
      f"{self.vocalizing:.0%} where the performer vocalizes, {self.not_vocalizing:.0%} elsewhere. "
      + _describe(self.blocks, self.blocks_asked)
    )


def check_installed() -> None:
  """Raises an ImportError that explains the installation if scikit-learn is missing."""
  if importlib.util.find_spec("sklearn") is None:
    raise ImportError("Figures 3 and 4 need scikit-learn; install it with: pip install 'attavvad_jax[reproduce]'")


def figure_3(
  checkpoint: str | Path, data: str | Path, split: str = "test", blocks_per_event: int = 100, seed: int = 0
) -> tuple[Any, Separation]:
  """Draws the four core vectors before and after fusion by t-SNE (Figure 3).

  Each point is a block: its four vectors concatenated, [E x D], in the color of the performer's true event.

  Differences: the paper draws single vectors of the blocks of one test sample, and does not say which of a block's
  four. Drawing the vector of the true event would use the label: each event's vector comes from its own layers, so such
  points form clusters by event even in an untrained network (silhouettes of 0.55 before and 0.44 after training, on
  simulated data). All four vectors together do not depend on the label (0.03 before training). Eq. 1 changes their
  lengths relative to each other.

  Args:
    checkpoint: a checkpoint or workdir that training wrote.
    data: a prepared data set with the checkpoint's clock and crop.
    split: a split of the data set. Blocks without any image, in which fusion has no effect, are left out.
    blocks_per_event: number of blocks drawn at random for each event; an event with fewer contributes all.
    seed: seed of the draw.

  Returns:
    A matplotlib figure, and the silhouettes.

  Raises:
    ValueError: the checkpoint's model does not scale core vectors or does not fit the data, or blocks are too few.
  """
  check_installed()
  network, blocks = draw_blocks(checkpoint, data, split, [[event] for event in EVENTS], blocks_per_event, seed)
  outputs = network.outputs(blocks)
  before_fusion, after_fusion = outputs.audio_embeddings, outputs.fused_embeddings
  if before_fusion is None or after_fusion is None:
    raise ValueError(f"{network.name}: has no core vectors before and after fusion; Figure 3 needs att_avvad")
  labels = np.array([EVENTS[block["label"]] for block in blocks])
  spaces = [np.asarray(vectors).reshape(len(blocks), -1) for vectors in (before_fusion, after_fusion)]
  before, after = (silhouette(space, labels) for space in spaces)
  separation = Separation(before, after, _count(labels), blocks_per_event)

  figure = _figure(9.0, 4.8)
  names = (f"(a) before fusion: silhouette {before:.2f}", f"(b) after fusion: silhouette {after:.2f}")
  for axis, space, name in zip(figure.subplots(1, 2), spaces, names, strict=True):
    _scatter_events(axis, _tsne(space), labels)
    axis.set_title(name, fontsize="medium")
  _finish(figure, f"Each block's four core vectors by t-SNE, {network.name}, {split} split")
  return figure, separation


def figure_4(
  checkpoint: str | Path, data: str | Path, split: str = "test", blocks_per_event: int = 100, seed: int = 0
) -> tuple[Any, Alignment]:
  """Draws acoustic core vectors and visual vectors in their common space by t-SNE (Figure 4).

  Each block has two points, each [D]: the audio branch's vector of its true event in the event's color, and the visual
  vector in black, filled if the performer vocalizes.

  Differences: the paper draws blocks of one test sample and does not say which of their vectors. Its black points are
  the visual vector of "the vocalizing". Here those of the other blocks are drawn too, because nearness to the acoustic
  vectors of voices is meaningful only if the others lack it. Arguments, returns and errors are those of `figure_3`.
  """
  check_installed()
  network, blocks = draw_blocks(checkpoint, data, split, [[event] for event in EVENTS], blocks_per_event, seed)
  outputs = network.outputs(blocks)
  if outputs.audio_embeddings is None or outputs.visual_embedding is None:
    raise ValueError(f"{network.name}: has no acoustic and visual vectors of one space; Figure 4 needs att_avvad")
  labels = np.array([EVENTS[block["label"]] for block in blocks])
  acoustic = np.asarray(outputs.audio_embeddings)[np.arange(len(blocks)), [EVENTS.index(label) for label in labels]]
  visual = np.asarray(outputs.visual_embedding)
  vocalizing, not_vocalizing = sides(acoustic, visual, labels)
  alignment = Alignment(vocalizing, not_vocalizing, _count(labels), blocks_per_event)

  points = _tsne(np.concatenate([acoustic, visual]))
  figure = _figure(7.0, 5.6)
  axis = figure.subplots()
  _scatter_events(axis, points[: len(blocks)], labels)
  vocal = np.isin(labels, VOCAL_EVENTS)
  for chosen, face, name in ((vocal, "black", "visual, vocalizing"), (~vocal, "none", "visual, not vocalizing")):
    x, y = points[len(blocks) :][chosen].T
    axis.scatter(
      x, y, s=16, marker="o", facecolor=face, edgecolor="black", linewidth=0.8, label=f"{name} ({chosen.sum()})"
    )
  axis.set_title(
    f"visual vectors nearest to a voice: {vocalizing:.0%} where vocalizing, {not_vocalizing:.0%} elsewhere",
    fontsize="medium",
  )
  _finish(figure, f"Acoustic and visual vectors by t-SNE, {network.name}, {split} split")
  return figure, alignment


def silhouette(vectors: np.ndarray, labels: np.ndarray) -> float:
  """Returns the mean silhouette of labeled points, by Euclidean distance. vectors [B,D], labels [B].

  Raises:
    ValueError: there are fewer than two labels, or no label has two points.
  """
  from sklearn.metrics import silhouette_score

  if not 2 <= len(set(labels)) < len(labels):
    raise ValueError(
      f"{len(labels)} blocks of {len(set(labels))} events; expected several blocks of two or more events"
    )
  return float(silhouette_score(vectors, labels))


def sides(acoustic: np.ndarray, visual: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
  """Returns the two fractions of `Alignment`. acoustic and visual [B,D], labels [B]: events."""
  distances = np.linalg.norm(visual[:, None] - acoustic[None], axis=-1)
  vocal = np.isin(labels, VOCAL_EVENTS)
  near_voice = vocal[distances.argmin(axis=1)]
  vocalizing, not_vocalizing = (
    float(near_voice[some].mean()) if some.any() else float("nan") for some in (vocal, ~vocal)
  )
  return vocalizing, not_vocalizing


def _tsne(vectors: np.ndarray) -> np.ndarray:
  """Projects vectors by t-SNE, deterministically. [B,D] -> [B,2]."""
  from sklearn.manifold import TSNE

  # The perplexity is a number of neighbors, which must be smaller for few points.
  perplexity = min(_PERPLEXITY, (len(vectors) - 1) / 3)
  return TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(vectors)


def _count(labels: np.ndarray) -> dict[str, int]:
  return {event: int((labels == event).sum()) for event in EVENTS}


def _describe(blocks: Mapping[str, int], asked: int) -> str:
  """Returns a sentence with the number of blocks of each event, and the events that had too few."""
  text = "Blocks: " + ", ".join(f"{count} {event}" for event, count in blocks.items())
  short = [event for event, count in blocks.items() if count < asked]
  return text + (f"; the split has fewer than {asked} of {', '.join(short)}." if short else ".")


def _scatter_events(axis: Any, points: np.ndarray, labels: np.ndarray) -> None:
  for event in EVENTS:
    x, y = points[labels == event].T
    axis.scatter(
      x,
      y,
      s=22,
      marker=_MARKERS[event],
      color=hex_color(event),
      edgecolor="0.25",
      linewidth=0.4,
      label=f"{event} ({len(x)})",
    )
  axis.set_xticks([])
  axis.set_yticks([])


def _figure(width_in: float, height_in: float) -> Any:
  # pyplot would open windows and keep every figure in memory.
  from matplotlib.figure import Figure

  return Figure(figsize=(width_in, height_in), dpi=_DPI, layout="constrained")


def _finish(figure: Any, title: str) -> None:
  """Adds a title, and one legend below all panels."""
  figure.suptitle(title, fontsize="large")
  handles, names = figure.axes[0].get_legend_handles_labels()
  figure.legend(handles, names, loc="outside lower center", ncols=len(names) if len(names) < 5 else 3, frameon=False)
