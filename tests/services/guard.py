"""Start a service that ends with the test run: `python guard.py [--user NAME] --signal NUMBER -- COMMAND…`.

Drops to `--user` when root, asks the kernel to send `--signal` when the parent dies (also after `kill -9` of pytest), then becomes the command.
A launcher, because `preexec_fn` is unsafe in a process with threads, and because a change of user clears the parent-death signal.
Linux only; elsewhere the command simply starts.
"""
from __future__ import annotations

import argparse
import ctypes
import os
import pwd
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Become the command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--user")
    parser.add_argument("--signal", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True, help="pid of the test run: if it is gone already, do not start")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    if options.user and os.geteuid() == 0:
        account = pwd.getpwnam(options.user)
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, options.signal)
    if os.getppid() != options.parent:
        raise SystemExit("the test run ended before its service started")
    os.execvp(options.command[0], options.command)


if __name__ == "__main__":
    main()
