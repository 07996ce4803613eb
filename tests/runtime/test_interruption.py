"""The first signal asks, the second ends the process at once."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from sparse_rl.runtime.interruption import ONE_REQUEST, Interrupted, watch

# Blocks the main thread in C, as a compiled program or a compilation does.
BUSY = """
import signal, sys, threading
from sparse_rl.runtime.interruption import ending_the_process, watch
with ending_the_process(), watch(lambda: print("noticed", flush=True)):
    print("ready", flush=True)
    lock = threading.Lock()
    lock.acquire()
    while True:
        lock.acquire(timeout=100)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_a_busy_process(number: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.stdout.readline() == "noticed\n"
    if number == signal.SIGTERM:  # of make and of what ends make
        process.send_signal(number)
    time.sleep(2 * ONE_REQUEST)
    assert process.poll() is None
    process.send_signal(number)
    assert process.wait(timeout=60) == 128 + number


def test_a_terminal_that_closes_asks_once_however_often_it_says_so() -> None:
    # The tests themselves may run under nohup, which children inherit.
    heard = f"import signal\nsignal.signal(signal.SIGHUP, signal.SIG_DFL)\n{BUSY}"
    process = subprocess.Popen([sys.executable, "-c", heard], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    assert process.stdout.readline() == "noticed\n"
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 143


def test_what_nohup_has_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with watch(lambda: None) as interruption:
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert interruption.signal == 0
    finally:
        signal.signal(signal.SIGHUP, before)


# As in a notebook's cell: what was there before must be there after.
NOTEBOOK = """
import time
from sparse_rl.runtime.interruption import Interrupted, watch
variable = 7
for _ in range(2):
    try:
        with watch(lambda: print("noticed", flush=True)):
            print("ready", flush=True)
            for _ in range(6000):
                time.sleep(0.01)
    except KeyboardInterrupt as stop:
        assert isinstance(stop, Interrupted)
        print(f"caught {stop.exit_status}", flush=True)
print("alive", variable, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_raises_in_a_program_that_lives_on(number: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", NOTEBOOK], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(2):
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.readline() == "noticed\n"
        time.sleep(2 * ONE_REQUEST)
        process.send_signal(number)
        assert process.stdout.readline() == f"caught {128 + number}\n"
    assert process.stdout.readline() == "alive 7\n"
    assert process.wait(timeout=60) == 0


def test_a_signal_is_noted_and_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    noticed = threading.Event()
    with watch(noticed.set) as interruption:
        assert interruption.signal == 0
        os.kill(os.getpid(), signal.SIGTERM)
        assert noticed.wait(60)
        assert interruption.signal == signal.SIGTERM
    assert signal.getsignal(signal.SIGINT) is before
    with watch(noticed.set) as again:
        assert again.signal == 0


def test_outside_the_main_thread_nothing_is_changed() -> None:
    found = []

    def work() -> None:
        with watch(lambda: None) as interruption:
            found.append((interruption.signal, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(0, signal.getsignal(signal.SIGINT))]


def test_exit_status_is_the_shells() -> None:
    assert Interrupted(signal.SIGINT, "").exit_status == 130
    assert Interrupted(signal.SIGTERM, "").exit_status == 143
    assert isinstance(Interrupted(2, ""), KeyboardInterrupt)
