"""search: try parameters by cross-validation and save the best model."""

from pathlib import Path

import skreviews
from skreviews._atomic import check_folder, write_whole
from skreviews.cli._model_files import save_model
from skreviews.cli._options import add_column_options, add_shared_options


def add_parser(commands):
    """Add the command."""
    parser = commands.add_parser(
        "search",
        help="try parameters by cross-validation and save the best model",
        description="Try the parameters of a TOML or JSON file by cross-validation, "
        "print their scores, and save the best model, fitted to all reviews. Its score "
        "is the best of many and therefore optimistic: use evaluate on another file.",
        epilog="example: python -m skreviews search search.toml reviews.csv -o "
        "best.skr --results results.csv",
    )
    parser.add_argument(
        "config",
        metavar="CONFIG",
        type=Path,
        help="a .toml or .json with scoring, cv, [pipeline], and [grid] or [random]",
    )
    parser.add_argument("file", metavar="FILE", help="CSV, TSV, JSONL or Parquet")
    add_column_options(parser)
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        type=Path,
        metavar="MODEL",
        help="path of the best model: .skr, which holds no code, or else joblib",
    )
    parser.add_argument(
        "--results", type=Path, metavar="CSV", help="save the table as well"
    )
    add_shared_options(parser, seed_of="the folds, the candidates and the training")
    parser.set_defaults(run=run)


def run(args):
    """Search, save, print."""
    from skreviews.search import read_config, run_search, tabulate_results

    check_folder(args.output)
    if args.results is not None:
        check_folder(args.results)
    config = read_config(args.config)
    X, y = skreviews.read_reviews(args.file, text=args.text, target=args.target)
    search = run_search(
        config,
        X,
        y,
        device=args.device,
        random_state=args.seed,
        progress=not args.quiet,
    )
    save_model(search.best_estimator_, args.output)
    table = tabulate_results(search)
    if args.results is not None:
        write_whole(args.results, lambda name: table.to_csv(name, index=False))
    print(f"{config.get('scoring', 'accuracy')} over {search.n_splits_} folds")
    print(table.to_string(index=False, float_format="{:.4g}".format))
    if not args.quiet:
        others = "" if args.results is None else f" and the table as {args.results}"
        print(f"\nSaved the best model as {args.output}{others}.")
