"""Runs two programs one after the other with the same process id.

reuse.py GATE FIRST SECOND

FIRST and SECOND are commands, as JSON lists. Waits for the file GATE. The second process is given the first one's id
by clone3(2) with set_tid, which takes root. Prints the id.
"""
import ctypes
import json
import os
import sys
import time

GATE, FIRST, SECOND = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
CLONE3 = 435
SIGCHLD = 17


class CloneArguments(ctypes.Structure):
    """struct clone_args of linux/sched.h."""
    _fields_ = [(name, ctypes.c_uint64) for name in (
        "flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size", "tls", "set_tid",
        "set_tid_size", "cgroup")]


def end(pid):
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        sys.exit(f"reuse.py: {pid} ended with {status}")


while not os.path.exists(GATE):
    time.sleep(0.005)
first = os.fork()
if first == 0:
    os.execv(FIRST[0], FIRST)
end(first)
wanted = (ctypes.c_int * 1)(first)
arguments = CloneArguments(exit_signal=SIGCHLD, set_tid=ctypes.addressof(wanted), set_tid_size=1)
library = ctypes.CDLL(None, use_errno=True)
second = library.syscall(CLONE3, ctypes.byref(arguments), ctypes.sizeof(arguments))
if second == 0:
    os.execv(SECOND[0], SECOND)
if second < 0:
    sys.exit(f"reuse.py: clone3: {os.strerror(ctypes.get_errno())}")
end(second)
print(second)
