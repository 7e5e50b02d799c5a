"""The program: it heeds Ctrl-C from its first moment, while its command line is imported, to its last."""

import atexit
import os
import signal
from types import FrameType


def main() -> None:
    """Run the command line."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
        # The last of all: what is interrupted from then on has done its work.
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
    from orchestrator.cli import main as command_line

    command_line()


def _leave(number: int, frame: FrameType | None) -> None:
    """There is nothing to unwind, before a command and after it."""
    del number, frame
    os.write(2, b"interrupted\n")
    os._exit(130)


if __name__ == "__main__":
    main()
