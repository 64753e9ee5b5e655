#!/usr/bin/env python3
"""Turn a text file into a C constant: embed.py INPUT OUTPUT SYMBOL HEADER."""

import sys


def literal(line):
    return '    "' + line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"\n'


def main():
    source, target, symbol, header = sys.argv[1:]
    with open(source, encoding="ascii") as file:
        lines = [literal(line) for line in file]
    with open(target, "w", encoding="ascii") as file:
        file.write(f'#include "{header}"\n\nconst char {symbol}[] =\n' + "".join(lines) + "    ;\n")


main()
