"""A demo resumes only in its own workdir."""

import pytest
from tiny import tiny_config

from attavvad_jax.experiments import demo


def test_workdir_of_another_demo_is_refused_before_anything_is_written(tmp_path, monkeypatch):
  def stop(*args, **options):
    raise InterruptedError("far enough")

  monkeypatch.setattr(demo, "write_folder", stop)
  for _ in range(2):
    with pytest.raises(InterruptedError):
      demo.run_demo(tiny_config(None), tmp_path, 2.0)
  before = list(tmp_path.rglob("*"))
  with pytest.raises(
    ValueError, match=r'holds a demo of .*"minutes": 2\.0.*, not of .*"minutes": 1\.0.* another --workd'
  ):
    demo.run_demo(tiny_config(None), tmp_path, 1.0)
  assert list(tmp_path.rglob("*")) == before
