"""info: show the contents of a model file."""

import json
from pathlib import Path

from skreviews.cli._options import add_shared_options


def add_parser(commands):
    """Add the command."""
    parser = commands.add_parser(
        "info",
        help="show the contents of a model file",
        description="Show the contents of a .skr file: sizes, versions, training data, "
        "labels, recipe, and the parameters that differ from the defaults. No code of "
        "the file is run. joblib files are refused, because opening one can run code.",
        epilog="example: python -m skreviews info model.skr --json",
    )
    parser.add_argument("model", metavar="MODEL", type=Path, help="a .skr file")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--card", action="store_true", help="print the model card only")
    add_shared_options(parser, [])
    parser.set_defaults(run=run)


def run(args):
    """Print the contents."""
    from skreviews.inspection._pages import strip_controls
    from skreviews.persistence import describe

    if args.model.suffix != ".skr":
        raise ValueError(
            f"{args.model} is not a .skr file: info does not open pickles, which can "
            "run code. Save the model with skreviews.save."
        )
    about = describe(args.model)
    if args.json:
        print(json.dumps(about, indent=1))
    else:
        text = about["card"].rstrip() if args.card else _to_text(args.model, about)
        print(strip_controls(text))


def _to_text(path, about):
    training = about["training"]
    rows = {
        "format version": about["format_version"],
        "versions": _join(f"{k} {v}" for k, v in about["versions"].items()),
        "saved on": training["date"],
        "trained on": f"{training['samples']:,} distinct samples of "
        f"{training['words']:,} words",
        "labels": _join(map(repr, about["labels"])),
        "vocabulary": f"{about['n_words']:,} words; {about['max_len']:,} tokens a text",
        "weights": f"{about['n_weights']:,}; word vectors as {about['embeddings']}",
        "size": f"{about['bytes']:,} bytes",
        "sha256": about["sha256"],
    }
    lines = [f"{path}", *(f"  {name:<16}{value}" for name, value in rows.items())]
    lines += ["", "Steps, with the parameters that differ from the defaults"]
    for name, step in about["steps"].items():
        params = _join(f"{k}={v!r}" for k, v in step["params"].items())
        kind = "passthrough" if step["class"] is None else step["class"]
        lines.append(f"  {name:<16}{kind}({params})")
    lines += ["", "Recipe"]
    for setting in about["recipe"]:
        value = str(setting["value"])
        lines.append(f"  {setting['name']:<22}{value:<16}{setting['why']}")
    lines += ["", "Tensors, in bytes"]
    for name, tensor in about["tensors"].items():
        form = f"{tensor['dtype']} {tuple(tensor['shape'])}"
        lines.append(f"  {name:<34}{form:<24}{tensor['bytes']:>12,}")
    return "\n".join(lines)


def _join(items):
    return ", ".join(items)
