"""What a compiled program says between devices, read from its text.

And what that comes to on machines that are not at hand, on paper: time of a step on one device, plus what its
collectives take on a ring, none of it hidden behind arithmetic.
"""

import dataclasses
import math
import re

_KINDS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
_BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4, "s64": 8, "u64": 8, "f64": 8}


@dataclasses.dataclass(frozen=True)
class Collective:
  """One call between devices.

  Attributes:
    kind: "all-reduce", "all-gather", "reduce-scatter", ...
    num_bytes: of the array that is reduced, or of one device's part of what is gathered or scattered.
    in_loop: whether it is within a loop, and so may be made many times.
  """

  kind: str
  num_bytes: int
  in_loop: bool


@dataclasses.dataclass(frozen=True)
class Machine:
  """Devices and what is between them.

  Attributes:
    name: of the machine.
    num_devices: that train together.
    bytes_per_s: that leave one device, at most.
    latency_s: of one call between all of them that carries little.
  """

  name: str
  num_devices: int
  bytes_per_s: float
  latency_s: float


def collectives(program: str, num_devices: int) -> list[Collective]:
  """Those of a program that was compiled for so many devices, as `jax.stages.Compiled.as_text` gives it; in order."""
  computations = _computations(program)
  in_loops = _reached(
    computations, {name for lines in computations.values() for name in _called(lines, "body|condition")}
  )
  pattern = re.compile(rf"= (\S.*?) ({'|'.join(_KINDS)})(?:-start)?\(")
  return [
    Collective(found[2], _num_bytes(found[1]) // (num_devices if found[2] == "all-gather" else 1), name in in_loops)
    for name, lines in computations.items()
    for line in lines
    if (found := pattern.search(line))
  ]


def step_s(alone_s: float, calls: list[Collective], machine: Machine) -> float:
  """A step's time on a machine: of one device by itself, and of its calls one after another, as rings pass them on."""
  others = machine.num_devices - 1
  seconds = alone_s
  for call in calls:
    passed_on = 2 * others / machine.num_devices if call.kind == "all-reduce" else others
    seconds += machine.latency_s + passed_on * call.num_bytes / machine.bytes_per_s
  return seconds


def describe(calls: list[Collective]) -> str:
  """A line for each kind, and one for the largest call."""
  lines = []
  for kind in _KINDS:
    some = [call for call in calls if call.kind == kind]
    if some:
      inside = sum(call.in_loop for call in some)
      lines.append(f"{kind}: {len(some)}, {sum(c.num_bytes for c in some):,} bytes, {inside} in loops")
  largest = max(calls, key=lambda call: call.num_bytes)
  return "\n".join([*lines, f"largest: {largest.kind}, {largest.num_bytes:,} bytes"])


def _computations(program: str) -> dict[str, list[str]]:
  """The lines of each computation by its name."""
  found: dict[str, list[str]] = {}
  lines: list[str] = []
  for line in program.splitlines():
    if start := re.match(r"(?:ENTRY )?%?([\w.\-]+) \(.*\{$", line):
      lines = found[start[1]] = []
    else:
      lines.append(line)
  return found


def _called(lines: list[str], how: str) -> list[str]:
  return [name for line in lines for name in re.findall(rf"\b(?:{how})=\{{?%?([\w.\-]+)", line)]


def _reached(computations: dict[str, list[str]], names: set[str]) -> set[str]:
  """Computations of these names, and all that they call."""
  reached, pending = set(names), list(names)
  while pending:
    called = _called(computations.get(pending.pop(), []), "body|condition|calls|to_apply|true_computation")
    pending += [name for name in called if name not in reached]
    reached.update(called)
  return reached


def _num_bytes(shape: str) -> int:
  """Of one array or of a tuple, such as "(f32[4,8]{1,0}, f32[8]{0})"."""
  arrays = re.findall(r"\b([a-z]+[0-9]*)\[([0-9,]*)\]", shape)
  return sum(_BYTES[kind] * math.prod(int(size) for size in sizes.split(",") if size) for kind, sizes in arrays)
