"""Deletion test of `explain`.

The first words by attribution are removed from a review. The decrease of the predicted
class's probability is compared with that of removing as many random words.
"""

import argparse
import os

import numpy as np
import torch
from common import describe_machine, print_table, read_parts, time_call
from sklearn.model_selection import train_test_split

from skreviews import explain, load_app_reviews, make_review_pipeline

SHARES = (0.1, 0.2, 0.3, 0.5)


def read(name, n_rows):
    """Return texts and labels for training, then texts to explain."""
    if name == "bundled":
        X, y = load_app_reviews(return_X_y=True, as_frame=False)
        X, X_test, y, _ = train_test_split(
            X, y, test_size=0.2, stratify=y, random_state=0
        )
        return X, y, X_test
    (X, y), (X_test, _) = read_parts(name, n_rows)
    return X, y, X_test


def take_out(text, words):
    """Return the text without some of its words, rows of `Explanation.to_frame`."""
    kept, place = [], 0
    for start, stop in sorted(zip(words["start"], words["stop"], strict=True)):
        kept.append(text[place:start])
        place = stop
    return "".join([*kept, text[place:]])


def leave_one_out(pipe, text, words, code):
    """Return the decrease of the probability after removing each word alone."""
    texts = [take_out(text, words.iloc[[place]]) for place in range(len(words))]
    return -pipe.predict_proba(texts)[:, code]


def measure(pipe, texts, n_draws):
    """Return the mean decrease of the probability by share of words and order."""
    explanation = explain(pipe, texts)
    frame = explanation.to_frame().dropna(subset="attribution")
    random_state = np.random.default_rng(0)
    falls = {share: [] for share in SHARES}
    for position, words in frame.groupby("text"):
        text = explanation.texts[position]
        target, before = explanation.summary.loc[position, ["target", "probability"]]
        code = pipe.classes_.tolist().index(target)
        orders = {
            "attribution": [np.argsort(-words["attribution"].to_numpy())],
            "leave one out": [np.argsort(-leave_one_out(pipe, text, words, code))],
            "random": [random_state.permutation(len(words)) for _ in range(n_draws)],
        }
        for share in SHARES:
            n_out = max(1, round(share * len(words)))
            left = [
                take_out(text, words.iloc[order[:n_out]])
                for of_kind in orders.values()
                for order in of_kind
            ]
            fall = before - pipe.predict_proba(left)[:, code]
            falls[share].append([*fall[:2], fall[2:].mean()])
    return explanation, {share: np.mean(rows, axis=0) for share, rows in falls.items()}


def main():
    data = ["bundled"] + ["app_reviews"] * bool(os.environ.get("SKREVIEWS_DATA"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", choices=data, default=data)
    parser.add_argument("--texts", type=int, default=200, help="reviews to explain")
    parser.add_argument("--min-words", type=int, default=5, help="in each of them")
    parser.add_argument("--draws", type=int, default=10, help="of random words")
    parser.add_argument("--rows", type=int, help="training rows (default: all)")
    args = parser.parse_args()
    print(describe_machine("torch", "skorch"))
    print(
        f"{args.texts} test reviews of {args.min_words} words and more, {args.draws} "
        f"draws of random words, {torch.get_num_threads()} threads.\n"
    )
    rows = []
    for name in args.data:
        X, y, X_test = read(name, args.rows)
        pipe = make_review_pipeline(
            device="cpu", random_state=0, resample="passthrough"
        )
        pipe.fit(X, y)
        long = [text for text in X_test if len(text.split()) >= args.min_words]
        texts = long[: args.texts]
        seconds = time_call(explain, pipe, texts)
        explanation, falls = measure(pipe, texts, args.draws)
        for share, fall in falls.items():
            cells = [f"{value:.3f}" for value in fall]
            rows.append([name, f"{share:.0%}", *cells, f"{fall[0] / fall[2]:.1f}"])
        difference = explanation.summary["score"] - explanation.summary["baseline"]
        error = (explanation.summary["error"] / difference).abs()
        print(
            f"{name}: {1000 * seconds / len(texts):.0f} ms a review; the sum misses "
            f"the score by {error.median():.1%} in the median, {error.max():.1%} at "
            f"most; {explanation.summary['n_steps'].median():.0f} steps in the median, "
            f"{explanation.summary['n_steps'].max()} at most.\n"
        )
    header = ["data", "words taken out", "by attribution", "by leave-one-out"]
    print_table([*header, "at random", "x random"], rows, n_names=2)


if __name__ == "__main__":
    main()
