"""info: tell what is in a model file."""

import json
from pathlib import Path

from skreviews.cli._options import add_shared_options


def add_parser(commands):
    """Add the command to the others."""
    parser = commands.add_parser(
        "info",
        help="tell what is in a model file",
        description="Tell what is in a .skr file: sizes, versions, training data, "
        "labels, and the parameters that differ from the defaults. Nothing in the file "
        "is run. Files of joblib are refused: to look into one is to run it.",
        epilog="example: python -m skreviews info model.skr --json",
    )
    parser.add_argument("model", metavar="MODEL", type=Path, help="a .skr file")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, for machines")
    form.add_argument("--card", action="store_true", help="print the card alone")
    add_shared_options(parser, [])
    parser.set_defaults(run=run)


def run(args):
    """Print what the file holds."""
    from skreviews.persistence import describe

    if args.model.suffix != ".skr":
        raise ValueError(
            f"{args.model} is no .skr file, and info opens no other: a pickle can run "
            "code when it is opened. Save the model with skreviews.save."
        )
    about = describe(args.model)
    if args.json:
        print(json.dumps(about, indent=1))
    else:
        text = about["card"].rstrip() if args.card else _to_text(args.model, about)
        print(_without_control(text))


def _to_text(path, about):
    training = about["training"]
    rows = {
        "format version": about["format_version"],
        "made with": _join(f"{k} {v}" for k, v in about["versions"].items()),
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


def _without_control(text):
    """Write control characters in numbers: a hostile file must not move a cursor."""
    return "".join(
        letter if letter.isprintable() or letter == "\n" else ascii(letter)[1:-1]
        for letter in text
    )
