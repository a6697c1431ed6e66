import pytest

from attavvad_jax.evaluation.by_sed_eval import find_counter


@pytest.fixture(scope="session", autouse=True)
def sed_eval():
  """Imports sed_eval with its warnings silenced, before any test needs it."""
  find_counter("sed_eval")
