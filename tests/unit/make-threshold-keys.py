#!/usr/bin/env python3
"""Writes threshold-keys.h: threshold RSA keys for the tests, dealt without any of the code under test.

Usage: tests/unit/make-threshold-keys.py > tests/unit/threshold-keys.h   (some minutes: openssl looks for the primes)
"""
import hashlib
import math
import secrets
import subprocess

E = 65537
MESSAGE = b"keyquorum"
DIGEST_INFO_SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")
LINE = 120


def safe_prime(bits):
    command = ["openssl", "prime", "-generate", "-safe", "-hex", "-bits", str(bits)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout, 16)


def factors(bits):
    while True:
        p, q = safe_prime(bits // 2), safe_prime(bits // 2)
        if p != q and (p * q).bit_length() == bits:
            return p, q


def encode(message, size):
    info = DIGEST_INFO_SHA256 + hashlib.sha256(message).digest()
    return int.from_bytes(b"\0\1" + b"\xff" * (size - 3 - len(info)) + b"\0" + info, "big")


def deal(p, q, n, k):
    """Shoup, section 3.1, with the factor n! in the shares. Returns modulus, verification values, shares, a signature."""
    modulus, order = p * q, (p // 2) * (q // 2)
    d = pow(E, -1, order)
    coefficients = [d] + [secrets.randbelow(order) for _ in range(k - 1)]
    shares = [math.factorial(n) * sum(c * i**j for j, c in enumerate(coefficients)) % order for i in range(1, n + 1)]
    v = pow(secrets.randbelow(modulus - 4) + 2, 2, modulus)
    x = encode(MESSAGE, modulus.bit_length() // 8)
    full = pow(E, -1, math.lcm(p - 1, q - 1))
    return modulus, [v] + [pow(v, s, modulus) for s in shares], shares, pow(x, full, modulus)


def literal(number, bits, indent):
    digits = f"{number:0{bits // 4}x}"
    lines = [digits[i : i + LINE] for i in range(0, len(digits), LINE)]
    return ("\n" + " " * indent).join(f'"{line}"' for line in lines)


def print_key(name, p, q, bits, n, k):
    modulus, verification, shares, signature = deal(p, q, n, k)
    print(f"static const TestKey {name} = {{\n    .bits = {bits},\n    .n = {n},\n    .k = {k},")
    print(f"    .modulus = {literal(modulus, bits, 15)},")
    for field, numbers in (("verification", verification), ("shares", shares)):
        print(f"    .{field} = {{")
        for number in numbers:
            print(f"        {literal(number, bits, 8)},")
        print("    },")
    print(f"    .signature = {literal(signature, bits, 17)},\n}};\n")


def main():
    print("/* Made by make-threshold-keys.py: fixed keys for the tests. They protect nothing. */\n#pragma once\n")
    print("// clang-format off\n")
    print("/* Numbers in hexadecimal, bits / 4 digits. The signature is RSASSA-PKCS1-v1_5 with SHA-256 of \"keyquorum\". */")
    print("typedef struct TestKey {\n    unsigned bits, n, k;\n    const char *modulus;")
    print("    const char *verification[17]; /* v, v_1, ... */\n    const char *shares[16];\n    const char *signature;\n} TestKey;\n")
    p, q = factors(2048)
    for n, k in (5, 3), (2, 2), (16, 16):
        print_key(f"rsa2048_{k}_of_{n}", p, q, 2048, n, k)
    for bits in 3072, 4096:
        print_key(f"rsa{bits}_2_of_3", *factors(bits), bits, 3, 2)


main()
