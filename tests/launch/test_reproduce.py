"""The paper's experiments by one command, at the smallest budget; CI runs this."""

import json
from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).parents[2]


def reproduce(*flags):
  command = [sys.executable, "-m", "launch.reproduce", *flags]
  return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_bad_input_gives_one_line_and_no_files(tmp_path):
  result = reproduce(f"--output={tmp_path / 'x'}", "--tables=1,7", "--budget=smoke")
  assert result.returncode == 2, result.stderr
  assert result.stderr.strip() == "attavvad: unknown table '7'; expected some of 1, 2, 3, fusion"
  assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_smoke_writes_the_whole_page_and_reuses_runs_when_repeated(tmp_path):
  pytest.importorskip("espeakng_loader", reason="the simulation's synthesizer is not installed")
  flags = [f"--output={tmp_path}", "--budget=smoke", "--data=simulated:live"]
  first = reproduce(*flags)
  assert first.returncode == 0, first.stderr[-2000:]
  assert "failed" not in first.stdout
  page, tables = (tmp_path / "report.html").read_text(), (tmp_path / "tables.md").read_text()
  for title in ("Table 1", "Table 2", "Table 3", "Ways of fusion", "Figure 3", "Figure 4", "Saliency"):
    assert f"<h2>{title}" in page
    assert f"## {title}" in tables
  assert page.count("data:image/png;base64,") == 3
  assert "Not drawn" not in page
  assert '<tr class="wrong">' not in page
  # The second stage of Table 2 starts from the parameters of the first.
  transfer = (tmp_path / "runs" / "base_a-seed1024" / "transfer.txt").read_text()
  assert "base_a_source-seed1024" in transfer
  steps = {path: path.read_text() for path in tmp_path.glob("runs/*/log.jsonl")}
  assert len(steps) == 14
  # Half a minute is 90 blocks, which take three batches of 32.
  assert all(json.loads(line)["step"] <= 3 for text in steps.values() for line in text.splitlines())

  second = reproduce(*flags)
  assert second.returncode == 0, second.stderr[-2000:]
  assert second.stdout.count(": already finished") == 14
  assert {path: path.read_text() for path in steps} == steps
  without_date = [line for line in tables.splitlines() if not line.startswith("| Date")]
  again = (tmp_path / "tables.md").read_text().splitlines()
  assert [line for line in again if not line.startswith("| Date")] == without_date
