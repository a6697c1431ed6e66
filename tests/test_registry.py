import sys
import types

import pytest

from attavvad_jax.registry import call, resolve

TABLE = {"one": lambda: 1, "two": lambda: 2}


@pytest.fixture(autouse=True)
def module(monkeypatch):
  module = types.ModuleType("own_things")
  module.three = lambda: 3
  module.double = lambda value: 2 * value
  monkeypatch.setitem(sys.modules, "own_things", module)


def test_a_name_of_the_table_or_of_ones_own():
  assert call("two", TABLE, "number", int) == 2
  assert call("own_things:three", TABLE, "number", int) == 3
  assert call("own_things:double", {}, "number", int, 4) == 8


@pytest.mark.parametrize(
  ("reference", "parts"),
  [
    ("four", ["unknown number 'four'", "one, two", "package.module:Name"]),
    (4, ["unknown number 4", "one, two"]),
    ("nowhere_at_all:four", ["number is 'nowhere_at_all:four'", "No module named", "python -m"]),
    ("own_things:four", ["no attribute 'four'", "package.module:Name"]),
    (":four", ["number is ':four'", "package.module:Name"]),
  ],
)
def test_what_cannot_be_found_is_an_error_of_one_line(reference, parts):
  with pytest.raises(ValueError, match="expected") as error:
    resolve(reference, TABLE, "number")
  assert all(part in str(error.value) for part in parts)
  assert "\n" not in str(error.value)


def test_what_cannot_be_called_or_gives_something_else():
  with pytest.raises(ValueError, match=r"missing a required argument: 'value'\); expected a function without arg"):
    call("own_things:double", {}, "number", int)
  with pytest.raises(ValueError, match="gives a int; expected a str"):
    call("own_things:three", {}, "number", str)


def test_a_module_that_fails_as_it_is_imported_says_why(tmp_path, monkeypatch):
  (tmp_path / "broken_things.py").write_text("1 / 0")
  monkeypatch.syspath_prepend(tmp_path)
  with pytest.raises(ValueError, match=r"cannot be loaded \(division by zero\)"):
    resolve("broken_things:three", {}, "number")
