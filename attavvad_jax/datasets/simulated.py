"""Simulated performances as a data set, rendered directly to blocks."""

from collections.abc import Mapping, Sequence
import dataclasses
import math
from pathlib import Path
from typing import Any

from attavvad_jax.blocks import AUDIO, AUDIO_VISUAL, DataSpec
from attavvad_jax.datasets.builder import RecordingsBuilder
from attavvad_jax.datasets.finished import Content
from attavvad_jax.datasets.manifest import SPLITS, LeftOut

SCENE_S = 30.0


@dataclasses.dataclass(frozen=True)
class SimulatedScene:
  """A scene of the simulation that implements `finished.Recording`."""

  preset: str
  seed: int
  split: str
  index: int
  sounds: str | None = None

  @property
  def name(self) -> str:
    return f"{self.split}_{self.index:05d}"

  @property
  def source(self) -> str:
    return f"scene {self.name}"

  def state(self) -> str:
    from attavvad_jax.simulation import difficulty

    scene = dataclasses.replace(self, sounds=None)
    state = repr((scene, SCENE_S, difficulty.preset(self.preset)))
    if self.sounds is None:
      return state
    from attavvad_jax.simulation.recorded import find_sounds

    return f"{state} {find_sounds(self.sounds).digest}"

  def open(self, spec: DataSpec) -> Content:
    from attavvad_jax.simulation.blocks import render_blocks
    from attavvad_jax.simulation.scenes import draw_scene

    scene = draw_scene(self.seed, self.index, self.split, SCENE_S, self.preset, self.sounds)
    blocks = render_blocks(scene, spec.clock, spec.crop)
    return Content(blocks, scene.timeline, scene.audio_timeline, scene.conditions, [])


class Simulated(RecordingsBuilder):
  """Scenes of a difficulty preset, one recording each; the same seed gives the same data set."""

  def __init__(
    self,
    spec: DataSpec,
    *,
    preset: str,
    minutes: Mapping[str, float],
    seed: int = 0,
    sounds: str | None = None,
    **kwargs: Any,
  ):
    """Plans scenes of a preset of `simulation.difficulty.PRESETS`; minutes of each split are rounded up to scenes.

    `sounds` is the folder of recorded voices and music of presets that use them.
    """
    from attavvad_jax.simulation.scenes import check_sounds

    check_sounds(preset, sounds)
    unknown = sorted(set(minutes) - set(SPLITS))
    if unknown:
      raise ValueError(f"no such split: {', '.join(unknown)}; expected {', '.join(SPLITS)}")
    if not all(math.isfinite(m) and m >= 0 for m in minutes.values()) or not sum(minutes.values()) > 0:
      raise ValueError(f"minutes are {dict(minutes)}; expected 0 or more for each split and more than 0 in total")
    if seed < 0:
      raise ValueError(f"seed is {seed}; expected 0 or more")
    self._scenes = [
      SimulatedScene(preset, seed, split, index, sounds)
      for split in SPLITS
      for index in range(math.ceil(round(minutes.get(split, 0.0) * 60 / SCENE_S, 6)))
    ]
    super().__init__(dataclasses.replace(spec, label_sets=(AUDIO_VISUAL, AUDIO)), **kwargs)

  def _recordings(self, dl_manager: Any, scratch: Path) -> tuple[Sequence[SimulatedScene], Sequence[LeftOut]]:
    del dl_manager, scratch
    return self._scenes, ()
