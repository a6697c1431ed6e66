import pytest

from attavvad_jax.files import replacing, write_text


def test_file_is_replaced_once_the_new_one_is_whole(tmp_path):
  path = tmp_path / "a.txt"
  path.write_text("old")
  with replacing(path) as part:
    part.write_text("new")
    assert path.read_text() == "old"
  assert path.read_text() == "new"
  assert list(tmp_path.iterdir()) == [path]


def test_exception_leaves_what_was_there(tmp_path):
  path = tmp_path / "a.txt"
  path.write_text("old")

  def fail():
    with replacing(path) as part:
      part.write_text("half")
      raise KeyError("stop")

  with pytest.raises(KeyError):
    fail()
  assert path.read_text() == "old"
  assert list(tmp_path.iterdir()) == [path]


def test_text_is_utf8_with_unix_line_ends(tmp_path):
  write_text(tmp_path / "a.txt", "Año\n")
  assert (tmp_path / "a.txt").read_bytes() == "Año\n".encode()
