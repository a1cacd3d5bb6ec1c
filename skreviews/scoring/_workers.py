"""Batches scored in order, here or in several processes."""

import warnings
from collections import deque
from concurrent.futures.process import BrokenProcessPool

import joblib
from joblib.externals.loky import ProcessPoolExecutor

from skreviews.scoring._scorer import Scorer

# So often workers may die over one batch.
_TRIALS = 3


def map_scores(scorer, pipe, tables, n_jobs):
    """Yield each table with what `Scorer.score` says of its first column.

    Parameters
    ----------
    scorer : Scorer
    pipe : Pipeline
        Its pipeline, which other processes get.
    tables : iterable of pyarrow.Table
        Read no further ahead than the processes need.
    n_jobs : int
        Number of processes, each with one thread; 1 is this process with all of its.
    """
    n_jobs = joblib.effective_n_jobs(n_jobs)
    if n_jobs == 1:
        for table in tables:
            yield table, scorer.score(_get_texts(table))
        return
    pool, waiting, trials = _start(pipe, n_jobs), deque(), 0
    try:
        tables = iter(tables)
        while True:
            while len(waiting) < 2 * n_jobs:
                table = next(tables, None)
                if table is None:
                    break
                waiting.append((table, _submit(pool, table)))
            if not waiting:
                return
            table, future = waiting[0]
            try:
                found = future.result()
            except BrokenProcessPool as error:
                trials += 1
                if trials == _TRIALS:
                    raise RuntimeError(
                        f"the workers died {_TRIALS} times over the same rows, perhaps "
                        "for want of memory: lower n_jobs or batch_rows."
                    ) from error
                warnings.warn(
                    "a worker died; its rows are scored again by another.",
                    RuntimeWarning,
                    stacklevel=4,
                )
                pool.shutdown(kill_workers=True)
                pool = _start(pipe, n_jobs)
                waiting = deque((table, _submit(pool, table)) for table, _ in waiting)
                continue
            trials = 0
            waiting.popleft()
            yield table, found
    finally:
        pool.shutdown(kill_workers=True)


def _get_texts(table):
    return table[0].combine_chunks()


def _start(pipe, n_jobs):
    return ProcessPoolExecutor(
        n_jobs,
        initializer=_begin,
        initargs=(pipe,),
        env={"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    )


def _submit(pool, table):
    try:
        return pool.submit(_score, _get_texts(table))
    except BrokenProcessPool as error:  # its death is seen when the result is asked for
        return _Failed(error)


class _Failed:
    def __init__(self, error):
        self.error = error

    def result(self):
        raise self.error


_scorer = None  # of this worker


def _begin(pipe):
    import torch

    global _scorer
    torch.set_num_threads(1)
    _scorer = Scorer(pipe)


def _score(texts):
    return _scorer.score(texts)
