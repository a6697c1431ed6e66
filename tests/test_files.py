"""Files and folders that appear only once they are complete."""

import pytest

from attavvad_jax.files import new_folder, replacing, write_text


def test_file_is_replaced_once_the_new_one_is_complete(tmp_path):
  path = tmp_path / "a.txt"
  path.write_text("old")
  with replacing(path) as part:
    part.write_text("new")
    assert path.read_text() == "old"
  assert path.read_text() == "new"
  assert list(tmp_path.iterdir()) == [path]


def test_exception_keeps_the_old_file(tmp_path):
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


def test_text_is_utf8_with_unix_line_endings(tmp_path):
  write_text(tmp_path / "a.txt", "Año\n")
  assert (tmp_path / "a.txt").read_bytes() == "Año\n".encode()


def test_folder_appears_once_it_is_complete(tmp_path):
  with new_folder(tmp_path / "new") as part:
    (part / "a.txt").write_text("new")
    assert not (tmp_path / "new").exists()
  assert [path.name for path in tmp_path.iterdir()] == ["new"]
  assert (tmp_path / "new" / "a.txt").read_text() == "new"


def test_exception_leaves_no_folder(tmp_path):
  def fail():
    with new_folder(tmp_path / "new") as part:
      (part / "a.txt").write_text("half")
      raise KeyError("stop")

  with pytest.raises(KeyError):
    fail()
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["file", "folder"])
def test_existing_file_or_nonempty_folder_is_an_error(tmp_path, name):
  (tmp_path / "folder").mkdir()
  for path in (tmp_path / "file", tmp_path / "folder" / "a.txt"):
    path.write_text("old")
  with pytest.raises(ValueError, match="exists already"), new_folder(tmp_path / name):
    pass
  assert (tmp_path / "folder" / "a.txt").read_text() == (tmp_path / "file").read_text() == "old"
