"""The default recipe for all training samples and for 80 % of them, side by side."""

import argparse

from common import WHOLE, describe_machine, find_data, print_table, read_parts

DATA = ("app_reviews", "sst5", "review_data")


def choose(X, y):
    """Return the recipe of the default pipeline, without training it."""
    from skreviews import make_review_pipeline
    from skreviews.neural_network._recipe import make_recipe, measure
    from skreviews.preprocessing._token_rows import TokenRows

    pipe = make_review_pipeline()
    *_, classifier = pipe.named_steps.values()
    ids = pipe[:-1].fit(X, y).transform(X)
    n_tokens = len(ids.words) + 2
    size = measure(TokenRows.from_padded(ids, n_tokens), ids.words)
    return make_recipe(classifier.get_params(deep=False), *size, n_tokens)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=DATA, help=f"also {WHOLE}")
    args = parser.parse_args()
    find_data()
    from sklearn.model_selection import train_test_split

    print(f"{describe_machine('scikit-learn')}\n")
    recipes = {}
    for name in args.data:
        X, y = read_parts(name)[0]
        part, _, y_part, _ = train_test_split(
            X, y, train_size=0.8, stratify=y, random_state=0
        )
        recipes[name, "n"] = choose(X, y)
        recipes[name, "0.8 n"] = choose(part, y_part)
    header = ["choice", *(f"{name}, {size}" for name, size in recipes)]
    frames = [recipe.to_frame() for recipe in recipes.values()]
    rows = [
        [name, *(_show(frame["value"][i]) for frame in frames)]
        for i, name in enumerate(frames[0]["name"])
    ]
    print_table(header, rows)


def _show(value):
    return f"{value:,}" if type(value) is int else str(value)


if __name__ == "__main__":
    main()
