"""Work shared by processes: order, failures, and processes that are killed."""

import logging.handlers
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from wfc3_cte_monitor.errors import KilledWorkError, UnusableExposureError
from wfc3_cte_monitor.pipeline import parallel
from wfc3_cte_monitor.pipeline.parallel import in_order
from wfc3_cte_monitor.pipeline.request import unexpected


def outcomes(function, tasks, jobs=2):
    return list(in_order(function, tasks, jobs))


def slower_first(number):
    time.sleep(0.2 if number == 0 else 0)
    return number, os.getpid()


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_are_in_the_order_of_the_tasks(jobs):
    done = outcomes(slower_first, range(20), jobs)
    assert [(task, result[0], error) for task, result, error in done] == [(n, n, None) for n in range(20)]
    assert (os.getpid() in {result[1] for _, result, _ in done}) is (jobs == 1)


def test_nothing_to_do_is_no_trouble():
    assert outcomes(slower_first, []) == []


def odd_fails(number):
    logging.getLogger("wfc3_cte_monitor.test").info("at %d", number)
    if number % 2:
        raise UnusableExposureError(f"{number}.fits", "odd")
    return number


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failure_is_its_own_tasks_and_what_is_logged_is_logged_here(jobs, monkeypatch):
    logged = logging.handlers.BufferingHandler(100)
    monkeypatch.setattr(logging.getLogger("wfc3_cte_monitor"), "handlers", [logged])
    done = outcomes(odd_fails, range(6), jobs)
    assert [result for _, result, _ in done] == [0, None, 2, None, 4, None]
    assert [str(error) for _, _, error in done if error] == [f"{n}.fits: odd" for n in (1, 3, 5)]
    assert [record.getMessage() for record in logged.buffer] == [f"at {n}" for n in range(6)]


def test_a_result_that_cannot_travel_is_its_own_tasks_failure():
    done = outcomes(lambda number: threading.Lock() if number == 1 else number, range(4))
    assert [error is not None for _, _, error in done] == [False, True, False, False]


def recurs(number):
    return number and recurs(number)


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_endless_recursion_is_its_own_tasks_failure(jobs):
    done = outcomes(recurs, range(3), jobs)
    assert [type(error) for _, _, error in done] == [type(None), RecursionError, RecursionError]


def killed_once(task):
    number, marker = task
    if number == 3 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.slow
def test_a_killed_process_loses_nothing(tmp_path, caplog):
    tasks = [(number, tmp_path / "killed") for number in range(12)]
    done = outcomes(killed_once, tasks)
    assert [(result, error) for _, result, error in done] == [(number, None) for number in range(12)]
    assert "a worker process was killed" in caplog.text


def kills(number):
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.slow
def test_a_task_that_always_kills_its_process_is_one_failure_and_the_rest_goes_on():
    done = outcomes(kills, range(12))
    assert [task for task, _, error in done if error] == [5]
    assert [result for _, result, _ in done] == [n if n != 5 else None for n in range(12)]
    (error,) = (error for _, _, error in done if error)
    assert isinstance(error, KilledWorkError)
    assert str(unexpected("a_flt.fits", error)).startswith("a_flt.fits: the process that worked on it was killed")


def leaves_a_trace(task):
    number, folder = task
    (folder / str(number)).touch()
    return number


def test_results_do_not_pile_up_while_the_taker_is_slow(tmp_path):
    taken = in_order(leaves_a_trace, [(number, tmp_path) for number in range(200)], 2)
    next(taken)
    time.sleep(1)
    assert len(list(tmp_path.iterdir())) < 20
    assert len(list(taken)) == 199


def sleeps(number):
    time.sleep(60 if number else 0)


def test_processes_end_at_once_when_nobody_asks_any_more():
    taken = in_order(sleeps, range(4), 2)
    next(taken)
    start = time.monotonic()
    taken.close()
    assert time.monotonic() - start < 10


def tidies_up(folder):
    """Sleeps in C at most a moment at a time."""
    (folder / "begun").touch()
    try:
        for _ in range(600):
            time.sleep(0.1)
    finally:
        (folder / "tidied").touch()


def test_an_interrupt_ends_the_work_of_one_job_and_lets_it_tidy_up(tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, "_CLEARING", 60)  # a machine may be busy

    def interrupt():
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        outcomes(tidies_up, [tmp_path], jobs=1)
    assert (tmp_path / "tidied").exists()


@pytest.mark.no_cover
def test_an_interrupt_does_not_wait_for_work_of_one_job_that_is_in_c():
    """Not traced: in Python 3.11 a main thread that is waits for other threads to take what they are interrupted by."""
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        outcomes(time.sleep, [25], jobs=1)
    assert time.monotonic() - start < 15


LEAVES_WORKERS = """
import os, time
from wfc3_cte_monitor.pipeline.parallel import in_order
for _ in in_order(time.sleep, [0, 0, 100, 100], 2):
    print(os.getpid(), flush=True)
"""


@pytest.mark.slow
def test_workers_end_when_the_main_process_was_killed():
    with subprocess.Popen([sys.executable, "-c", LEAVES_WORKERS], stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        workers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert len(workers) >= 2
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert alive == []


def threads(_):
    return os.environ["OMP_NUM_THREADS"], os.environ["OPENBLAS_NUM_THREADS"]


def test_a_process_works_in_one_thread(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    assert {result for _, result, _ in outcomes(threads, range(4))} == {("1", "1")}
