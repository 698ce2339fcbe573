"""How a command ends that a signal interrupts, wherever it is."""

import os
import signal
import subprocess
import sys

import pytest

SENTENCE = b"digitflow: interrupted; the same command continues from what was finished\n"
# Waits for what can be interrupted, or for what can't: as compiled code, or a library that
# catches whatever comes.
AT_REST = "time.sleep(60)"
STUBBORN = """
while True:
    try:
        time.sleep(60)
    except BaseException:
        pass
"""


def start(work):
    """Start a command that does some work, and wait until it is at it."""
    code = f"""
import time, typer
from digitflow.cli import main

def command():
    print("at work", flush=True)
{os.linesep.join("    " + line for line in work.splitlines())}

main.app = typer.Typer()
main.app.command()(command)
main.sys.argv = ["digitflow"]
main.main()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=stop_ignoring,
    )
    assert process.stdout.readline() == b"at work\n"
    return process


def stop_ignoring():
    """Let a command have its own way with signals, whatever the tests were started by."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)


@pytest.mark.parametrize("work", [AT_REST, STUBBORN], ids=["at rest", "stubborn"])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_a_command_with_its_sentence_and_its_code(name, work):
    number = getattr(signal, name)
    process = start(work)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert errors == SENTENCE


def test_what_it_was_told_to_ignore_it_ignores():
    ignoring = ["nohup", sys.executable, "-c", "from digitflow.cli.signals import watch;"]
    ignoring[-1] += "import signal; watch.start(); print(signal.getsignal(signal.SIGHUP))"
    said = subprocess.run(ignoring, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert said.stdout.strip() in ("1", "Handlers.SIG_IGN")
