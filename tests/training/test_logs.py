import json

from attavvad_jax.training.logs import RunLog


def _lines(workdir):
  return [json.loads(line) for line in (workdir / "log.jsonl").read_text().splitlines()]


def test_each_line_is_one_object_and_nan_is_null(tmp_path):
  log = RunLog(tmp_path, 0)
  log.write(10, "train", {"total": 1.5, "visual_vocalising": float("nan")})
  log.close()
  assert _lines(tmp_path) == [{"step": 10, "split": "train", "total": 1.5, "visual_vocalising": None}]


def test_a_run_that_goes_on_writes_no_step_twice(tmp_path):
  log = RunLog(tmp_path, 0)
  for step in (10, 20, 30):
    log.write(step, "train", {"total": float(step)})
  log.close()
  with (tmp_path / "log.jsonl").open("a") as file:
    file.write('{"step": 40, "spl')  # killed in mid-line
  log = RunLog(tmp_path, 20)
  log.write(30, "train", {"total": -1.0})
  log.close()
  assert [(line["step"], line["total"]) for line in _lines(tmp_path)] == [(10, 10.0), (20, 20.0), (30, -1.0)]


def test_tensorboard_files_are_written(tmp_path):
  log = RunLog(tmp_path, 0)
  log.write(1, "train", {"total": 1.0})
  log.close()
  assert list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))
