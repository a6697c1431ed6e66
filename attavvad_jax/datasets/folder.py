"""A folder of videos with labels, the user's own or simulated, as a data set."""

from collections.abc import Sequence
import dataclasses
from pathlib import Path
from typing import Any

from attavvad_jax.annotations import DEFAULT_READING, Reading
from attavvad_jax.blocks import AUDIO, AUDIO_VISUAL, DataSpec
from attavvad_jax.datasets.builder import RecordingsBuilder
from attavvad_jax.datasets.manifest import LeftOut, read_folder
from attavvad_jax.datasets.videos import Video, to_recordings
from attavvad_jax.media import DEFAULT_TRACKS, Tracks, recorded_s


class Folder(RecordingsBuilder):
  """Videos with label files, from a folder of pairs or a manifest."""

  def __init__(
    self,
    source: str | Path,
    spec: DataSpec,
    *,
    seed: int = 0,
    tracks: Tracks = DEFAULT_TRACKS,
    reading: Reading = DEFAULT_READING,
    label_files: str | None = None,
    estimates: bool = False,
    **kwargs: Any,
  ):
    """Finds the videos and label files; the arguments are those of `manifest.read_folder`."""
    self._reading = reading
    self._left_out: list[LeftOut] = []
    notes: list[str] = []
    self._items = read_folder(
      source,
      seed,
      self._left_out,
      tracks,
      notes=notes,
      reading=reading,
      label_files=label_files,
      estimates=estimates,
      probe_s=lambda video: recorded_s(video, tracks),
    )
    sets = (AUDIO_VISUAL, AUDIO) if self._items[0].audio_labels is not None else (AUDIO_VISUAL,)
    super().__init__(dataclasses.replace(spec, label_sets=sets), notes=notes, **kwargs)

  def _recordings(self, dl_manager: Any, scratch: Path) -> tuple[Sequence[Video], Sequence[LeftOut]]:
    del dl_manager, scratch
    return to_recordings(self._items, self._reading), self._left_out
