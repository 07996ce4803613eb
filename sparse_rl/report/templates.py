"""Pages from templates; without figures, whose library takes its time to import."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

_HERE = Path(__file__).parent


def render(template: str, folder: Path = _HERE, **values: Any) -> str:
    """A page's HTML, of a template in `folder` or here. `style.css` is in every one of them."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, _HERE]),
        autoescape=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(template).render(**values)
