"""Hides the lines with which TensorFlow starts, in processes of which we are the owner.

    python -m keras_gen.quiet script.py

TensorFlow's libraries print some lines before they read TF_CPP_MIN_LOG_LEVEL, on the
file descriptor itself. Another process therefore reads what is written there, leaves
these lines out and passes on all others, even if this process crashes. If a user has
set TF_CPP_MIN_LOG_LEVEL, nothing is hidden. `import keras_gen` hides nothing.
"""

import os
import pathlib
import re
import runpy
import signal
import subprocess
import sys

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# Lines of information, and that there is neither a GPU nor its driver (error 303).
GREETING = re.compile(
    rb"I\d{4} |WARNING: All log messages before absl::InitializeLog|"
    rb"To enable the following instructions: |"
    rb"E\d{4} .* failed call to cuInit: .*(\(303\)|CUDA_ERROR_NO_DEVICE)"
)
_filters = []  # Processes that run until this one ends.


def start() -> None:
    """Hides TensorFlow's first lines in this process and in those that it starts.

    It does nothing if TensorFlow is imported already.
    """
    if "tensorflow" in sys.modules or LEVEL in os.environ:
        return
    os.environ[LEVEL] = "2"  # Errors alone, once TensorFlow reads it.
    try:
        original = os.dup(2)
    except OSError:  # There is no standard error.
        return
    command = [sys.executable, "-I", "-S", __file__]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=original)
    _filters.append(process)
    # Python's own messages, and bars of progress on a terminal, need no filter.
    if sys.stderr is sys.__stderr__:
        sys.stderr.flush()
        encoding, errors = sys.stderr.encoding, sys.stderr.errors
        sys.stderr = open(original, "w", 1, encoding, errors)
    else:
        os.close(original)
    os.dup2(process.stdin.fileno(), 2)
    process.stdin.close()


def filter_lines() -> None:
    """Copies lines from standard input to standard output, except greetings."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the other process.
    for line in sys.stdin.buffer:
        if not GREETING.match(line):
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    if len(sys.argv) == 1:
        filter_lines()
    else:
        start()
        sys.argv = sys.argv[1:]
        sys.path[0] = str(pathlib.Path(sys.argv[0]).parent)
        runpy.run_path(sys.argv[0], run_name="__main__")
