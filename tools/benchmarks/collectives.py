"""Collective calls of a compiled program, read from its text, and an estimate of their time on other machines.

The estimate of a step is its time on one device plus the time of its collectives on a ring, without overlap with
arithmetic.
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
    num_bytes: size of the reduced array, or of one device's part of a gathered or scattered array.
    in_loop: whether the call is within a loop and may therefore run many times.
  """

  kind: str
  num_bytes: int
  in_loop: bool


@dataclasses.dataclass(frozen=True)
class Machine:
  """Devices and the connection between them.

  Attributes:
    name: name of the machine.
    num_devices: number of devices that train together.
    bytes_per_s: maximum rate at which one device sends.
    latency_s: time of one small call between all devices.
  """

  name: str
  num_devices: int
  bytes_per_s: float
  latency_s: float


def collectives(program: str, num_devices: int) -> list[Collective]:
  """Lists the collectives of a program for `num_devices` devices in order. `program` is jax's `Compiled.as_text()`."""
  computations = _computations(program)
  in_loops = _reached(
    computations, {name for lines in computations.values() for name in _called(lines, "body|condition")}
  )
  pattern = re.compile(rf"= (\S.*?) ({'|'.join(_KINDS)})(?:-start)?\(")
  return [
    Collective(call[2], _num_bytes(call[1]) // (num_devices if call[2] == "all-gather" else 1), name in in_loops)
    for name, lines in computations.items()
    for line in lines
    if (call := pattern.search(line))
  ]


def step_s(alone_s: float, calls: list[Collective], machine: Machine) -> float:
  """Estimates the time of a step: the time on one device alone, plus its calls in sequence on a ring."""
  others = machine.num_devices - 1
  seconds = alone_s
  for call in calls:
    passed_on = 2 * others / machine.num_devices if call.kind == "all-reduce" else others
    seconds += machine.latency_s + passed_on * call.num_bytes / machine.bytes_per_s
  return seconds


def describe(calls: list[Collective]) -> str:
  """Returns a line for each kind of call, and one for the largest call."""
  lines = []
  for kind in _KINDS:
    some = [call for call in calls if call.kind == kind]
    if some:
      inside = sum(call.in_loop for call in some)
      lines.append(f"{kind}: {len(some)}, {sum(c.num_bytes for c in some):,} bytes, {inside} in loops")
  largest = max(calls, key=lambda call: call.num_bytes)
  return "\n".join([*lines, f"largest: {largest.kind}, {largest.num_bytes:,} bytes"])


def _computations(program: str) -> dict[str, list[str]]:
  """Returns the lines of each computation by its name."""
  computations: dict[str, list[str]] = {}
  lines: list[str] = []
  for line in program.splitlines():
    if start := re.match(r"(?:ENTRY )?%?([\w.\-]+) \(.*\{$", line):
      lines = computations[start[1]] = []
    else:
      lines.append(line)
  return computations


def _called(lines: list[str], how: str) -> list[str]:
  return [name for line in lines for name in re.findall(rf"\b(?:{how})=\{{?%?([\w.\-]+)", line)]


def _reached(computations: dict[str, list[str]], names: set[str]) -> set[str]:
  """Returns the computations with these names and all computations that they call."""
  reached, pending = set(names), list(names)
  while pending:
    called = _called(computations.get(pending.pop(), []), "body|condition|calls|to_apply|true_computation")
    pending += [name for name in called if name not in reached]
    reached.update(called)
  return reached


def _num_bytes(shape: str) -> int:
  """Returns the size of an array or a tuple of arrays, such as "(f32[4,8]{1,0}, f32[8]{0})"."""
  arrays = re.findall(r"\b([a-z]+[0-9]*)\[([0-9,]*)\]", shape)
  return sum(_BYTES[kind] * math.prod(int(size) for size in sizes.split(",") if size) for kind, sizes in arrays)
