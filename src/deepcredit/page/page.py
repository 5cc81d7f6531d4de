"""The page of a scale: `results/<scale>/index.html`, one file that shows every figure, its claims and where it is from.

Text from configs is escaped by the template; scripts, styles, pictures and the data of the explorers are inside it.
"""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from deepcredit.config.studies import studies
from deepcredit.core import paths
from deepcredit.core.files import write_text
from deepcredit.plan.plan import Plan
from deepcredit.store.fingerprint import code_of_functions, digest, fingerprint

TEMPLATES = Path(__file__).with_name("templates")


def page_path(scale: str) -> Path:
    """Where the page of a scale is."""
    return paths.results(scale) / "index.html"


def write_page(plan: Plan) -> Path:
    """Write the page of a scale; returns its path. Figures that are not drawn yet are shown as such."""
    path = page_path(plan.scale)
    write_text(path, render(plan))
    return path


def render(plan: Plan) -> str:
    """The page as HTML."""
    # not on top: Snakemake asks this module for `made_of` each time, and reading arrays starts slowly
    from deepcredit.page import cards
    from deepcredit.page.exploring import explorer

    environment = Environment(
        loader=PackageLoader("deepcredit.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["inlined"] = _inlined
    environment.filters["data"] = _data
    environment.filters["shown"] = cards.shown
    page = cards.page(plan, {figure.name: explorer(plan, figure) for figure in plan.figures.values()})
    return environment.get_template("page.html.j2").render(page=page)


def _inlined(name: str) -> Markup:
    """A script or style sheet of the templates' folder, which is ours and holds no text from configs."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))


def _data(value: Any) -> Markup:
    """JSON that may stand inside a script element: nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def made_of() -> str:
    """One string that changes whenever what the page is made of, beside the figures, does: code, templates, studies."""
    code = fingerprint(code_of_functions([("deepcredit.page.page", "render")]))
    shown = repr([(study.title, study.source) for study in studies().values()])
    return digest("\0".join([code, shown, *(path.read_text(encoding="utf-8") for path in sorted(TEMPLATES.iterdir()))]))
