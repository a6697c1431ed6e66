"""README and docs/: commands parse, Python runs, linked files exist, and the site builds."""

import os
from pathlib import Path
import re
import shlex
import subprocess
import sys

import pytest

from attavvad_jax.commands import parser
from attavvad_jax.commands.table import COMMANDS
from attavvad_jax.timeline import Event, Timeline

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Pages whose code another test runs.
TESTED_ELSEWHERE = {"seams.md"}


def _blocks(page, language):
  return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def _commands():
  for page in PAGES:
    shell = "\n".join(_blocks(page, "sh")).replace("\\\n", " ")
    inline = re.findall(r"`(attavvad [a-z]+ [^`]*)`", page.read_text(encoding="utf-8").replace("\n", " "))
    for line in [*shell.splitlines(), *inline]:
      words = shlex.split(line, comments=True)
      if words[:1] == ["attavvad"] and "…" not in words:
        yield pytest.param(words[1:], id=f"{page.name}: {line.split('#')[0].strip()}")


@pytest.mark.parametrize("words", list(_commands()))
def test_command_parses(words):
  if words[1:] in ([], ["VERB", "--help"]):
    assert words[0] in (*COMMANDS, "VERB")
    return
  command, _, _ = parser.parse(parser.build(COMMANDS), COMMANDS, words)
  assert command.name == words[0]


@pytest.mark.parametrize(
  "page", [page for page in PAGES if page.name not in TESTED_ELSEWHERE], ids=lambda page: page.name
)
def test_python_runs(page, tmp_path, monkeypatch):
  """The detector is replaced by one that needs no video; other tests check detection."""
  timeline = Timeline([Event(0.0, 7 / 3, "singing", 0.95), Event(7 / 3, 3.0, "others", 0.85)], 3.0)
  monkeypatch.setattr("attavvad_jax.load_detector", lambda: lambda video: timeline)
  monkeypatch.chdir(tmp_path)
  for code in _blocks(page, "python"):
    exec(compile(code, page.name, "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_linked_files_exist(page):
  links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
  for link in links:
    if link.startswith("https://github.com/attavvad-jax/attavvad_jax/blob/main/"):
      assert (ROOT / link.split("/blob/main/")[1]).exists(), link
    elif "://" not in link:
      assert (page.parent / link).exists(), link


def test_readme_is_short_and_shows_the_output_of_its_python(monkeypatch, capsys):
  assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120
  printed = _blocks(ROOT / "README.md", "text")[0]
  rows = [line.split() for line in printed.splitlines()]
  events = [Event(float(onset), float(offset), label, float(score)) for onset, offset, label, score in rows]
  monkeypatch.setattr("attavvad_jax.load_detector", lambda: lambda video: Timeline(events, 30.0))
  exec(compile(_blocks(ROOT / "README.md", "python")[0], "README.md", "exec"), {})
  assert capsys.readouterr().out == printed


@pytest.mark.slow
def test_site_builds_without_warnings(tmp_path):
  command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
  environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
  done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stderr
  api = (tmp_path / "site" / "api" / "index.html").read_text(encoding="utf-8")
  assert "read_blocks" in api
  assert "StreamingDetector" in api
