"""The complete pipeline, with real videos and faces, and a network small enough for a test."""

import json

import pytest
from tiny import tiny_config

from attavvad_jax.annotations import read as read_annotation
from attavvad_jax.experiments.demo import run_demo
from attavvad_jax.faces import model_files

pytestmark = [
  pytest.mark.slow,
  pytest.mark.skipif(
    not model_files.cache_path(model_files.DETECTOR).is_file(),
    reason="no face model in the cache: make install fetches it",
  ),
]


def test_demo_runs_the_complete_pipeline_and_resumes(tmp_path, capsys):
  config = tiny_config(None, num_epochs=1, checkpoint_every_steps=8, log_every_steps=4)
  run_demo(config, tmp_path, 1.0)
  printed = capsys.readouterr().out
  assert "event-based, onset only, collar 0.5 s" in printed
  assert "points)." in printed
  assert sorted(p.name for p in (tmp_path / "detection").iterdir() if p.suffix != ".attavvad") == [
    "test_0000.annotated.mp4",
    "test_0000.json",
    "test_0000.png",
    "test_0000.tsv",
  ]
  timeline = read_annotation(tmp_path / "detection" / "test_0000.json")
  assert timeline.duration_s == pytest.approx(30.0, abs=0.1)
  steps = [json.loads(line)["step"] for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]

  run_demo(config, tmp_path, 1.0)
  again = [json.loads(line)["step"] for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
  assert again == steps


def test_faces_are_found_in_nearly_all_frames_of_a_simulated_video(tmp_path):
  from attavvad_jax.blocks import Crop
  from attavvad_jax.recordings import Report, read_blocks
  from attavvad_jax.simulation import write_folder
  from attavvad_jax.timeline import Clock

  write_folder(tmp_path, minutes={"test": 0.1}, clip_s=6.0, seed=5)
  report = Report()
  blocks = list(read_blocks(next((tmp_path / "videos").glob("*.mp4")), Clock(), Crop(), report=report))
  assert len(blocks) == 18
  assert report.images_without_face <= 0.05 * report.num_images
