"""Compiles with the optimizations of the commands, which `conftest.py` turns off for other tests."""

import functools

import jax

from attavvad_jax.machine import is_known_jaxlib

_OPTIONS = {"xla_backend_optimization_level": 3, "xla_llvm_disable_expensive_passes": False}
if is_known_jaxlib():
  _OPTIONS["xla_cpu_use_fusion_emitters"] = True
optimized_jit = functools.partial(jax.jit, compiler_options=_OPTIONS)
