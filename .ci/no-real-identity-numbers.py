#!/usr/bin/env python3
"""Refuses files that hold an identity number somebody could have.

Reads the files named on standard input (NUL-separated, as `git ls-files -z` gives them). A number counts as real when its date
exists without any synthetic offset (month +80, +65 or +40) and its control digits hold by the rule of 1964 or of 2032. Only
numbers of the national test populations belong into this repository; the two of PUBLISHED stand in the Tax
Administration's own documentation of the rule of 2032.

Prints places, never the number. Ends with 1 when there is one.
"""

import datetime
import os
import re
import sys

PUBLISHED = {b"02013299903", b"30108299939"}

# Eleven digits, also as people write them, in two groups; not a part of a longer number, name or hash.
ELEVEN_DIGITS = re.compile(rb"(?<![0-9A-Za-z])([0-9]{6})[ -]?([0-9]{5})(?![0-9A-Za-z])")

K1 = (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)
K2 = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)


def date_exists(day: int, month: int, year: int) -> bool:
    """Whether some century has this day: with two digits of a year only 29 February depends on the century."""
    for century in (1800, 1900, 2000):
        try:
            datetime.date(century + year, month, day)
        except ValueError:
            continue
        return True
    return False


def could_be_somebodys(digits: bytes) -> bool:
    """Whether eleven digits are an identity number or D-number in real format, by either rule of control digits."""
    d = [byte - ord("0") for byte in digits]
    day = (d[0] - 4 if d[0] >= 4 else d[0]) * 10 + d[1]
    month = d[2] * 10 + d[3]
    if not date_exists(day, month, d[4] * 10 + d[5]):
        return False
    r1 = sum(weight * digit for weight, digit in zip(K1, d)) % 11
    r2 = sum(weight * digit for weight, digit in zip(K2, d)) % 11
    # The rule of 1964, r1 = 0, lies within the rule of 2032.
    return r1 in (0, 1, 2, 3) and r2 == 0


def check_itself() -> None:
    """A check that finds nothing may be blind: the published vectors must be seen, synthetic numbers must not."""
    real = [*PUBLISHED]
    not_real = [b"20914695016", b"41814061033", b"41664061188", b"13527248013", b"41934063587", b"02013299987"]
    if not all(map(could_be_somebodys, real)) or any(map(could_be_somebodys, not_real)):
        sys.exit("no-real-identity-numbers: fails its own vectors")


def main() -> int:
    check_itself()
    found = 0
    for name in sys.stdin.buffer.read().split(b"\0"):
        if not os.path.isfile(name):
            continue
        with open(name, "rb") as file:
            lines = [name, *file.read().split(b"\n")]
        for number, line in enumerate(lines):
            for match in ELEVEN_DIGITS.finditer(line):
                digits = match[1] + match[2]
                if digits not in PUBLISHED and could_be_somebodys(digits):
                    place = f"line {number}" if number else "the file's name"
                    print(f"{os.fsdecode(name)}: {place}: an identity number in real format", file=sys.stderr)
                    found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
