"""Tests of the mutation check; `python -m tools.mutants` runs the mutants."""

import dataclasses

import pytest

from tools import mutants


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_fits_the_source_and_names_tests(mutant):
  mutants._check(mutant)
  for test in mutant.tests:
    assert (mutants.ROOT / "tests" / test.partition("::")[0]).is_file()


@pytest.mark.parametrize("old", ["not there", "="])
def test_text_that_does_not_occur_exactly_once_is_refused(old):
  mutant = dataclasses.replace(mutants.MUTANTS[1], old=old)
  with pytest.raises(ValueError, match=r"cuts\.py.* times, expected once"):
    mutants._check(mutant)


def test_mutant_is_reverted_after_its_tests(tmp_path):
  mutant = mutants.MUTANTS[0]
  path = tmp_path / "attavvad_jax" / mutant.path
  path.parent.mkdir(parents=True)
  path.write_text(f"a\n{mutant.old}\n")
  with mutants._applied(mutant, tmp_path):
    assert path.read_text() == f"a\n{mutant.new}\n"
  assert path.read_text() == f"a\n{mutant.old}\n"
