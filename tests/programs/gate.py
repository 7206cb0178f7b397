"""Waits for a file, then becomes another program under the same process id: gate.py FILE PROGRAM [ARGUMENT…]"""
import os
import ssl  # noqa: F401  maps the TLS library, which auditor then knows before the program starts
import sys
import time

deadline = time.monotonic() + 100
while not os.path.exists(sys.argv[1]):
    if time.monotonic() > deadline:
        sys.exit("gate.py: the file was not made in time")
    time.sleep(0.005)
os.execvp(sys.argv[2], sys.argv[2:])
