"""The page of a report: HTML without script, network or unescaped text."""

import base64
import hashlib
import io
import warnings
from html import escape

from skreviews.inspection._shown_labels import show_label

# Longer reviews are cut on the page.
_MAX_TEXT = 600

_STYLE = """
.skreviews { max-width: 60rem; margin: 0 auto; padding: 1rem; color: #1b1b1b;
  background: #fff; font: 16px/1.5 system-ui, sans-serif; }
.skreviews h1 { font-size: 1.6rem; line-height: 1.2; margin: 0.5rem 0; }
.skreviews h2 { font-size: 1.2rem; margin: 2.2rem 0 0.6rem;
  border-bottom: 2px solid #08306b; }
.skreviews .summary { font-size: 1.15rem; }
.skreviews .notes { background: #fff4d6; border-left: 4px solid #b8860b;
  padding: 0.6rem 1rem 0.6rem 2rem; margin: 1rem 0; overflow-wrap: anywhere; }
.skreviews .wide { overflow-x: auto; }
.skreviews table { border-collapse: collapse; font-size: 0.9rem; background: #fff; }
.skreviews th, .skreviews td { padding: 0.3rem 0.8rem; text-align: right;
  border-bottom: 1px solid #ddd; font-variant-numeric: tabular-nums;
  vertical-align: top; }
.skreviews th { font-weight: 600; }
.skreviews thead th { border-bottom: 2px solid #777; }
.skreviews tbody th { text-align: left; min-width: 7rem; max-width: 16rem;
  overflow-wrap: break-word; }
.skreviews td { white-space: nowrap; }
.skreviews .range { color: #595959; font-size: 0.85em; }
.skreviews .errors p { margin: 0; overflow-wrap: anywhere; }
.skreviews .errors .text { white-space: pre-wrap; margin-top: 0.8rem; }
.skreviews .errors p + p { color: #595959; font-size: 0.9rem; }
.skreviews img { max-width: 100%; height: auto; }
.skreviews dt { font-weight: 600; }
.skreviews dd { margin: 0 0 0.4rem 1.2rem; }
.skreviews footer { margin-top: 3rem; color: #595959; font-size: 0.85rem; }
@media (max-width: 40rem) {
  .skreviews th, .skreviews td { padding: 0.3rem 0.3rem; }
  .skreviews tbody th { min-width: 5.5rem; }
  .skreviews .range { display: block; font-size: 0.75em; }
}
"""

# What a reader who is no statistician needs to know.
_MEANINGS = {
    "accuracy": "share of the reviews that get their own label",
    "macro precision": "of the reviews that get a label, the share that has it; the "
    "mean over the labels, a rare one counting as much as a frequent one",
    "macro recall": "of the reviews that have a label, the share that gets it; the "
    "mean over the labels",
    "macro F1": "the balance of precision and recall; the mean over the labels",
    "mean absolute error": "how many stars a prediction is off, in the mean; less is "
    "better",
    "macro mean absolute error": "the same as the mean over the labels",
    "quadratic weighted kappa": "agreement beyond chance, where far misses cost most: "
    "1 is perfect, 0 no better than chance",
    "within one accuracy": "share of the reviews that are off by one star at most",
    "log loss": "the price of wrong certainty; less is better",
    "expected calibration error": "how far the model's certainty is from its accuracy, "
    "in the mean; less is better",
}


def make_page(report):
    """Return the whole page of a report."""
    # The policy allows this style and pictures within the page, and nothing else: even
    # if some text were not escaped, it could neither run nor load anything.
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Report on {report.n_samples:,} reviews</title>
</head>
<body>
{make_body(report)}
</body>
</html>
"""


def make_body(report):
    """Return the report as a piece of HTML, for a page or a notebook."""
    scores, *others = report.tables().items()
    pictures = {
        "Which label is taken for which": report.confusion,
        "How often each label is true, and predicted": report.distribution,
        "Whether the model knows how sure it may be": report.calibration,
        "The training": report.training,
    }
    return "\n".join(
        [
            f"<style>{_STYLE}</style>",
            '<main class="skreviews">',
            f"<h1>Report on {report.n_samples:,} reviews</h1>",
            f'<p class="summary">{escape(report.summarise())}</p>',
            _make_notes(report.notes),
            _make_table(*scores),
            _make_meanings(scores[1]),
            *(_make_table(title, rows) for title, rows in others),
            *(
                _make_picture(title, display)
                for title, display in pictures.items()
                if display is not None
            ),
            _make_errors(report.errors),
            "<footer>In brackets: 95% intervals, from "
            f"{report.n_bootstrap:,} bootstrap samples of the reviews. Made with "
            "skreviews.</footer>",
            "</main>",
        ]
    )


def _make_notes(notes):
    if not notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<ul class="notes">{items}</ul>'


def _make_table(title, rows):
    head, *body = rows
    columns = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    lines = []
    for first, *cells in body:
        line = "".join(f"<td>{_make_cell(cell)}</td>" for cell in cells)
        lines.append(f'<tr><th scope="row">{escape(first)}</th>{line}</tr>')
    return (
        f'<h2>{escape(title)}</h2><div class="wide"><table>'
        f"<thead><tr>{columns}</tr></thead><tbody>{''.join(lines)}</tbody>"
        "</table></div>"
    )


def _make_cell(text):
    value, bracket, bounds = escape(text).partition("[")
    return f'{value}<span class="range">{bracket}{bounds}</span>' if bounds else value


def _make_meanings(rows):
    items = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(_MEANINGS[name])}</dd>"
        for name, *_ in rows[1:]
    )
    return f"<details><summary>What the scores mean</summary><dl>{items}</dl></details>"


def _make_picture(title, display):
    """Draw a display as SVG inside an image, where nothing in it could ever run."""
    import matplotlib
    from matplotlib.figure import Figure

    # The browser's own fonts, which have letters and emoji of all scripts; and names
    # that depend on the picture alone, so that the same report is the same page.
    params = {"svg.fonttype": "none", "svg.hashsalt": "skreviews"}
    file = io.BytesIO()
    with matplotlib.rc_context(params), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        # Not of pyplot, which would show or keep it.
        figure = Figure(figsize=display._figsize(), layout="constrained")
        display.plot(ax=figure.subplots(display._n_axes))
        figure.savefig(file, format="svg", metadata={"Date": None})
    data = base64.b64encode(file.getvalue()).decode()
    return (
        f"<h2>{escape(title)}</h2>"
        f'<img alt="{escape(title)}" src="data:image/svg+xml;base64,{data}">'
    )


def _make_errors(errors):
    if errors is None or len(errors) == 0:
        return ""
    items = "".join(
        f'<li><p class="text" dir="auto">{escape(_cut(row.text))}</p>'
        f"<p>label <b>{escape(show_label(row.true))}</b>, predicted "
        f"<b>{escape(show_label(row.predicted))}</b> with {row.confidence:.1%}</p></li>"
        for row in errors.itertuples()
    )
    return f'<h2>The errors it was surest of</h2><ol class="errors">{items}</ol>'


def _cut(text):
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}..."
