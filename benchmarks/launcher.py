"""Runs one command under limits and prints what it cost, as JSON: ``launcher.py SECONDS BYTES LOG COMMAND ...``.

It is a process of its own and imports little, because Linux counts the memory of whoever starts a program as that
program's: started from here, the least that can be measured is some 10 MB.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time


def main() -> None:
    """Run, wait, and print seconds, peak memory and how it ended."""
    limit, memory, log, command = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))  # what is mapped from a file does not count
    late = False

    def stop(*_: object) -> None:
        nonlocal late
        late = True
        os.killpg(child, signal.SIGKILL)

    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    files = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o644)]
    files.append((os.POSIX_SPAWN_DUP2, 1, 2))
    started = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ, file_actions=files, setsid=True)
    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        _, status, usage = os.wait4(child, 0)
    except KeyboardInterrupt:  # the command has a session of its own, so that Ctrl-C does not reach it
        stop()
        sys.exit(130)
    seconds = time.perf_counter() - started
    signal.setitimer(signal.ITIMER_REAL, 0)
    cost = {"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss * 1024}
    print(json.dumps({**cost, "code": os.waitstatus_to_exitcode(status), "late": late}))


if __name__ == "__main__":
    main()
