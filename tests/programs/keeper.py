"""Starts programs as its children and ends them, as it is told: whoever watches it watches them, however often they begin.

keeper.py

A line of JSON on standard input is an order, and is answered by a line on standard output:

    {"start": NAME, "words": [...], "environment": {...}, "cgroup": FILE or null}   started NAME PID
    {"end": NAME, "signal": N}                              ended NAME

A program has a process group of its own, and all of that gets the signal. The end of the input ends all of them.
"""
import json
import os
import signal
import subprocess
import sys

children = {}


def tell(child, number):
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        pass


def enter(cgroup):
    if cgroup:
        with open(cgroup, "w") as processes:
            processes.write(str(os.getpid()))


def end(child, number):
    tell(child, number)
    try:
        child.wait(timeout=10)
    except subprocess.TimeoutExpired:
        tell(child, signal.SIGKILL)
        child.wait()
    # Workers that have lost their master.
    tell(child, signal.SIGKILL)


def act(order):
    if "start" in order:
        environment = {**os.environ, **order.get("environment", {})}
        child = subprocess.Popen(
            order["words"], env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True,
            preexec_fn=lambda: enter(order.get("cgroup")),
        )
        children[order["start"]] = child
        return f"started {order['start']} {child.pid}"
    end(children.pop(order["end"]), order["signal"])
    return f"ended {order['end']}"


def finish(*_):
    for child in children.values():
        tell(child, signal.SIGKILL)
    os._exit(0)


signal.signal(signal.SIGTERM, finish)
for line in sys.stdin:
    print(act(json.loads(line)), flush=True)
finish()
