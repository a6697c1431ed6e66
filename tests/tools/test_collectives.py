import pytest

from tools.benchmarks.collectives import Collective, Machine, collectives, describe, step_s

# A loop whose body's fusion reduces a tuple of two arrays; after it, a gather on four devices and a scatter.
PROGRAM = """HloModule jit_step, is_scheduled=true

%inner (p.1: f32[2]) -> (f32[2], f32[3,2]) {
  ROOT %psum = (f32[2]{0}, f32[3,2]{1,0}) all-reduce(%p.1, %q), replica_groups={{0,1,2,3}}, to_apply=%add
}

%body.1 (p.2: f32[2]) -> f32[2] {
  ROOT %fused = (f32[2]{0}, f32[3,2]{1,0}) fusion(%p.2), kind=kLoop, calls=%inner
}

ENTRY %main (p: f32[2]) -> bf16[16] {
  %loop = f32[2]{0} while(%p), condition=%cond.1, body=%body.1
  %parts = f32[5]{0} reduce-scatter(%loop), dimensions={0}
  ROOT %all = bf16[16]{0} all-gather(%parts), metadata={op_name="all_gather"}
}
"""


def test_calls_have_their_bytes_and_loops():
  assert collectives(PROGRAM, 4) == [
    Collective("all-reduce", 32, True),
    Collective("reduce-scatter", 20, False),
    Collective("all-gather", 8, False),
  ]


def test_description_counts_kinds_and_loops():
  assert describe(collectives(PROGRAM, 4)).splitlines() == [
    "all-reduce: 1, 32 bytes, 1 in loops",
    "all-gather: 1, 8 bytes, 0 in loops",
    "reduce-scatter: 1, 20 bytes, 0 in loops",
    "largest: all-reduce, 32 bytes",
  ]


def test_time_of_a_step_equals_a_calculation_by_hand():
  """On a ring of 5, each device sends 8/5 of a reduced array, and 4 parts of a gathered one."""
  machine = Machine("five", 5, bytes_per_s=100.0, latency_s=0.5)
  calls = [Collective("all-reduce", 1000, False), Collective("all-gather", 50, False)]
  assert step_s(2.0, calls, machine) == pytest.approx(2.0 + (0.5 + 16.0) + (0.5 + 2.0))
