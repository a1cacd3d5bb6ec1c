"""HTML from the templates: pages and notebook fragments without scripts."""

import base64
import hashlib
import io
import warnings

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from skreviews._labels import show_label

# Control characters, which can move the cursor of a terminal, and those that change the
# direction of the following text. Newlines and tabs stay.
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160), *range(8234, 8239)), "�")
_CONTROLS |= dict.fromkeys(range(8294, 8298), "�")
_CONTROLS |= {ord("\n"): "\n", ord("\t"): "\t", ord("\r"): None}


def strip_controls(text):
    """Return the text with a visible sign for each control character."""
    return text.translate(_CONTROLS)


def render(template, **content):
    """Return a fragment of HTML, for a notebook or for `render_page`."""
    return _environment.get_template(template).render(style=_STYLE, **content)


def render_page(template, title, **content):
    """Return a page whose policy forbids scripts and external resources."""
    styles = "'unsafe-inline'"
    if template == "report.html":  # which has no style attributes
        digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
        styles = f"'sha256-{digest}'"
    content |= {"content": template, "title": title, "styles": Markup(styles)}
    return render("page.html", **content)


def draw(display):
    """Return the figure of a display as a data URI of an SVG image.

    An image cannot run scripts.
    """
    import matplotlib
    from matplotlib.figure import Figure

    # Text stays text, so that the browser's fonts show every script and emoji. The salt
    # makes the ids, and thus the page, reproducible.
    params = {"svg.fonttype": "none", "svg.hashsalt": "skreviews"}
    file = io.BytesIO()
    with matplotlib.rc_context(params), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        # pyplot would keep the figure open.
        figure = Figure(figsize=display._figsize(), layout="constrained")
        display.plot(ax=figure.subplots(display._n_axes))
        figure.savefig(file, format="svg", metadata={"Date": None})
    data = base64.b64encode(file.getvalue()).decode()
    return f"data:image/svg+xml;base64,{data}"


def _finalize(value):
    return strip_controls(value) if isinstance(value, str) else value


_environment = Environment(
    loader=PackageLoader("skreviews.inspection"),
    autoescape=True,
    finalize=_finalize,
    lstrip_blocks=True,
    trim_blocks=True,
    undefined=StrictUndefined,
)
_environment.filters["label"] = show_label
_STYLE = Markup(_environment.get_template("style.css").render())
