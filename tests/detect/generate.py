#!/usr/bin/env python3
"""Writes a labelled set of files: values of every detector, values that are none, and protected ones."""

from __future__ import annotations

import argparse
from pathlib import Path

from labelled.write import write_set


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same bytes")
    parser.add_argument("--out", type=Path, required=True, help="a folder that does not exist yet")
    arguments = parser.parse_args()
    write_set(arguments.seed, arguments.out)
    print(f"{arguments.out}/files, labelled in {arguments.out}/labels.jsonl")


if __name__ == "__main__":
    main()
