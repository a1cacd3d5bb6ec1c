"""Score batches in order, in this process or in several."""

import warnings
from collections import deque
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

import joblib
from joblib.externals.loky import ProcessPoolExecutor

# Number of times that workers may die while they score the same batch.
_TRIALS = 3


def map_scores(scorer, tables, n_jobs):
    """Yield each table with what `Scorer.score` returns for its first column.

    Parameters
    ----------
    scorer : Scorer
    tables : iterable of pyarrow.Table
        At most two tables for each process are read ahead.
    n_jobs : int
        Number of processes, each with one thread. 1 is this process with all of its
        threads.
    """
    n_jobs = joblib.effective_n_jobs(n_jobs)
    if n_jobs == 1:
        for table in tables:
            yield table, scorer.score(table[0].combine_chunks())
        return
    pool, waiting, n_trials = _start(scorer, n_jobs), deque(), 0
    tables = iter(tables)
    try:
        while True:
            for table in islice(tables, 2 * n_jobs - len(waiting)):
                waiting.append((table, _submit(pool, table)))
            if not waiting:
                return
            table, future = waiting[0]
            try:
                found = future.result()
            except BrokenProcessPool as error:
                n_trials += 1
                if n_trials == _TRIALS:
                    raise RuntimeError(
                        f"worker processes died {_TRIALS} times while scoring the same "
                        "rows, perhaps for lack of memory: lower n_jobs or batch_rows."
                    ) from error
                warnings.warn(
                    "a worker process died; another one scores its rows again.",
                    RuntimeWarning,
                    stacklevel=4,
                )
                pool.shutdown(kill_workers=True)
                pool = _start(scorer, n_jobs)
                waiting = deque((table, _submit(pool, table)) for table, _ in waiting)
                continue
            n_trials = 0
            waiting.popleft()
            yield table, found
    finally:
        pool.shutdown(kill_workers=True)


def _start(scorer, n_jobs):
    return ProcessPoolExecutor(
        n_jobs,
        initializer=_begin,
        initargs=(scorer,),
        env={"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    )


def _submit(pool, table):
    try:
        return pool.submit(_score, table[0].combine_chunks())
    except BrokenProcessPool as error:  # raised again by `result`
        future = Future()
        future.set_exception(error)
        return future


_scorer = None  # of this worker process


def _begin(scorer):
    import torch

    global _scorer
    torch.set_num_threads(1)
    _scorer = scorer


def _score(texts):
    return _scorer.score(texts)
