"""Forks a `manage.py relay` for each line that it reads, and prints its process id: relays at no cost.

They are killed by whoever started this process. It ends, and kills what is left, with its input.
"""

import os
import signal
import sys
from contextlib import suppress

import django
from django.core.management import call_command

django.setup()


def main() -> None:
    # Nobody waits for them: the kernel takes them away when they have ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    relays: list[int] = []
    for _ in sys.stdin:
        relay = os.fork()
        if relay == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            with open(os.devnull) as nothing:  # noqa: PTH123  # No path of a file.
                os.dup2(nothing.fileno(), 0)
            call_command("relay", stdout=sys.stderr)
            os._exit(0)
        relays.append(relay)
        sys.stdout.write(f"{relay}\n")
        sys.stdout.flush()
    for relay in relays:
        with suppress(ProcessLookupError):
            os.kill(relay, signal.SIGKILL)


if __name__ == "__main__":
    main()
