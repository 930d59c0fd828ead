#!/usr/bin/env python3
"""Checks an output against its input, by Python's own csv module: each row once, in input order.

Usage: check-output.py INPUT OUTPUT ID_COLUMN

Both are CSV. Each row of the output has to have the cells of the input's row and its place in
row_index. Prints counts; exits 1 at a difference, and tells the first ones.
"""
import collections
import csv
import itertools
import sys

SHOWN = 10


def main(input_path, output_path, id_column):
    csv.field_size_limit(2**31 - 1)
    rows = differences = 0
    statuses = collections.Counter()
    ids = collections.Counter()
    with open(input_path, newline="", encoding="utf-8-sig") as given, open(
        output_path, newline="", encoding="utf-8-sig"
    ) as made:
        pairs = itertools.zip_longest(csv.DictReader(given), csv.DictReader(made))
        for place, (before, after) in enumerate(pairs):
            rows += before is not None
            if after is not None:
                statuses[after.get("status")] += 1
                ids[after.get(id_column)] += 1
            problem = difference(place, before, after)
            if problem is not None:
                differences += 1
                if differences <= SHOWN:
                    print(f"row {place}: {problem}")
    twice = sum(times > 1 for times in ids.values())
    print(f"{rows} rows in, {sum(ids.values())} out, {twice} IDs more than once, {differences} differences")
    print(", ".join(f"{count} {status}" for status, count in sorted(statuses.items(), key=str)))
    return 1 if differences or twice or rows == 0 else 0


def difference(place, before, after):
    if before is None:
        return "not in the input"
    if after is None:
        return "missing in the output"
    for column, cell in before.items():
        if after.get(column) != cell:
            return f"{column} is {after.get(column)!r}, in the input {cell!r}"
    if after.get("row_index") != str(place):
        return f"row_index is {after.get('row_index')!r}"
    return None


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
