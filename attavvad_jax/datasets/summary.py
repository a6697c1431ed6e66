"""The summary of a preparation: durations by split, label set and event, and what was left out for which reason."""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import json
from pathlib import Path
from typing import Any

from attavvad_jax.blocks import AUDIO_VISUAL
from attavvad_jax.datasets.finished import Note
from attavvad_jax.datasets.manifest import SPLITS, LeftOut
from attavvad_jax.files import write_text
from attavvad_jax.timeline import EVENTS

# File name in each data set's folder.
FILE = "preparation.json"
_SHOWN = 20
# Half a block of the paper's clock: an event with less than this in a whole split labels no block.
_LEAST_S = 1 / 6
_TITLES = {"audio_visual": "performer", "audio": "any voice"}


def write(
  folder: Path, notes: Sequence[tuple[str, Note]], left_out: Sequence[LeftOut], lines: Sequence[str] = ()
) -> None:
  """Writes the summary into a data set's folder: (split, note) of each recording, left-out files, and further lines."""
  by_split = {
    split: [note for at, note in notes if at == split and note.reason is None]
    for split in SPLITS
    if any(at == split for at, _ in notes)
  }
  values = {
    "recordings": {split: len(found) for split, found in by_split.items()},
    "blocks": {split: sum(note.num_blocks for note in found) for split, found in by_split.items()},
    "seconds": {split: _add([note.seconds for note in found]) for split, found in by_split.items()},
    "num_events": {split: _add([note.num_events for note in found]) for split, found in by_split.items()},
    "warnings": [warning for _, note in notes for warning in note.warnings],
    "left_out": [dataclasses.asdict(entry) for entry in left_out],
    "notes": list(lines),
  }
  write_text(folder / FILE, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


@dataclasses.dataclass(frozen=True)
class Summary:
  """The summary of a preparation.

  Attributes:
    path: the data set's folder.
    recordings: number of recordings by split.
    blocks: number of blocks by split.
    seconds: durations by split, label set and event; unmarked time counts as others.
    num_events: number of events by split, label set and event.
    warnings: one line each.
    left_out: files that are not in the data set, with the reason.
    notes: lines about the whole data set, such as how clips were grouped into recordings.
  """

  path: Path
  recordings: Mapping[str, int]
  blocks: Mapping[str, int]
  seconds: Mapping[str, Mapping[str, Mapping[str, float]]]
  num_events: Mapping[str, Mapping[str, Mapping[str, int]]]
  warnings: Sequence[str]
  left_out: Sequence[LeftOut]
  notes: Sequence[str] = ()

  @classmethod
  def read(cls, folder: Path) -> "Summary":
    """Reads the summary in a data set's folder."""
    values = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return cls(folder, **{**values, "left_out": [LeftOut(**entry) for entry in values["left_out"]]})

  def __str__(self) -> str:
    lines = [f"prepared {self.path}"]
    for split, sets in self.seconds.items():
      number = self.recordings[split]
      lines.append(f"  {split}: {number} recording{'' if number == 1 else 's'}, {self.blocks[split]} blocks")
      for name, seconds in sets.items():
        events = (f"{label} {s:.0f} s ({self.num_events[split][name][label]})" for label, s in seconds.items())
        lines.append(f"    {_TITLES[name]}: {', '.join(events)}")
    lines += [f"  note: {note}" for note in (*self.notes, *self._gaps())]
    for title, entries in (("warning", self.warnings), ("left out", self.left_out)):
      lines += [f"  {title}: {entry}" for entry in entries[:_SHOWN]]
      if len(entries) > _SHOWN:
        lines.append(f"  {title}: {len(entries) - _SHOWN} more, see {FILE}")
    return "\n".join(lines)

  def _gaps(self) -> Iterator[str]:
    """Yields a line for each gap: what a network cannot learn or be tested on."""
    if missing := [split for split in SPLITS if split not in self.recordings]:
      yield f"no {' and no '.join(missing)} split; add recordings (at least three), or assign splits in a manifest.tsv"
    for split, sets in self.seconds.items():
      held = [label for label, seconds in sets[AUDIO_VISUAL].items() if seconds >= _LEAST_S]
      absent = [label for label in EVENTS if label not in held]
      if len(held) == 1:
        yield f"{split} holds only {held[0]}, and no other event to discriminate it from"
      elif absent:
        what = "cannot be learned" if split == "train" else "cannot be scored"
        yield f"{split} holds no {' and no '.join(absent)}: missing events {what}"


def _add(parts: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
  """Returns the sums by label set and event."""
  totals: dict[str, dict[str, Any]] = {}
  for part in parts:
    for name, values in part.items():
      total = totals.setdefault(name, dict.fromkeys(values, 0))
      for label, value in values.items():
        total[label] += value
  return totals
