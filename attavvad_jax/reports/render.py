"""Rendering of the templates of this package's pages."""

from collections.abc import Iterator
import functools
from typing import Any

from attavvad_jax.timeline.text import format_time


def render(template: str, **values: Any) -> str:
  """Renders a template of `templates/` with values; templates ending in .html escape them."""
  return _environment().get_template(template).render(**values)


def render_parts(template: str, **values: Any) -> Iterator[str]:
  """Renders a template as `render` does, but yields it piece by piece, for pages too large for memory."""
  yield from _environment().get_template(template).generate(**values)


@functools.cache
def _environment() -> Any:
  import jinja2

  environment = jinja2.Environment(
    loader=jinja2.PackageLoader("attavvad_jax.reports"),
    autoescape=lambda name: name is not None and name.endswith(".html"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
  )
  environment.filters["cell"] = lambda text: str(text).replace("|", "\\|").replace("\n", " ")
  environment.filters["clock_time"] = format_time
  return environment
