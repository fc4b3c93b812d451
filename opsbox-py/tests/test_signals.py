"""Ctrl-C ends a call that works for long, and the interpreter is free meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import opsbox
import pytest

# A pattern that no plan is made for, on lines that its engine is slow on: this input takes many seconds.
PROGRAM = """
import os, signal, sys, threading, time
import opsbox

parser = opsbox.Parser(r"(?P<word>(?u:\\w)+\\s*)*x", threads=1)
line = ("größe " * 160).encode() + b"\\n"
log = line * (int(sys.argv[2]) * 1_000_000 // len(line))
started = threading.Event()
progress = []
def report(done, total):
    progress.append((done, total))

def interrupt():
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGINT)

path = sys.argv[1]
if path != "-":
    with open(path, "wb") as file:
        file.write(log)
threading.Thread(target=interrupt, daemon=True).start()
try:
    if path == "-":
        parser.parse(log, progress=report)
    else:
        parser.parse_file(path, progress=report)
except KeyboardInterrupt:
    done = progress[-1][0] if progress else 0
    assert done < len(log), "the call was at its end before"
    print("interrupted")
else:
    print("finished")
"""


@pytest.mark.parametrize("way", ["buffer", "file"])
def test_control_c(way: str, tmp_path: Path) -> None:
    where = "-" if way == "buffer" else str(tmp_path / "slow.log")
    # Machines differ: more until it takes longer than the signal does.
    for megabytes in (40, 160, 640):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, where, str(megabytes)],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        if done.stdout.strip() == "interrupted":
            return
    pytest.fail("no input was large enough to be interrupted")


def test_control_c_while_a_pipe_is_silent(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    program = """
import os, signal, sys, threading, time
import opsbox
threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    opsbox.Parser("app").parse_file(sys.argv[1])
except KeyboardInterrupt:
    print("interrupted")
"""
    reader = subprocess.Popen(
        [sys.executable, "-c", program, pipe], stdout=subprocess.PIPE, text=True
    )
    # It is open, and nothing comes.
    with pipe.open("wb") as writer:
        writer.write(b"2026-01-02 03:04:05 [INFO] x\n")
        writer.flush()
        out, _ = reader.communicate(timeout=120)
    assert out.strip() == "interrupted"


def test_the_interpreter_is_free_meanwhile() -> None:
    log = b"2026-01-02 03:04:05 [INFO] message\n" * 1_500_000
    counted = 0
    done = threading.Event()

    def count() -> None:
        nonlocal counted
        while not done.is_set():
            counted += 1

    thread = threading.Thread(target=count)
    # Whoever has the interpreter keeps it for this long: with a call that keeps it there would be no turn.
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        thread.start()
        first = counted
        table = opsbox.Parser("app").parse(log)
        assert counted > first
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(before)
    assert len(table) == 1_500_000


def test_a_handler_s_exception_is_the_call_s(tmp_path: Path) -> None:
    class Alarm(Exception):
        pass

    def ring(number: int, frame: object) -> None:
        raise Alarm

    log = b"2026-01-02 03:04:05 [INFO] message\n" * 100_000
    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Alarm):
            while True:
                opsbox.Parser("app").parse(log)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
