"""many_libraries.py FOLDER: maps every library of FOLDER, makes the file FOLDER/opened, and waits to be ended."""
import ctypes
import os
import signal
import sys

folder = sys.argv[1]
kept = [ctypes.CDLL(os.path.join(folder, name)) for name in sorted(os.listdir(folder)) if ".so" in name]
with open(os.path.join(folder, "opened"), "w"):
    pass
signal.pause()
