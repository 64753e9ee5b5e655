"""BIND's dnssec-signzone with one signature in flight, through pkcs11-provider and any PKCS#11 module, timed from within by sign-timer.so."""
import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NAMES = 200  # each with an address and an NSEC record: two signatures
ZONE = "bench.example"


def missing():
    """What is not installed, or None."""
    modules = subprocess.run(["openssl", "version", "-m"], capture_output=True, text=True).stdout.split('"')
    if shutil.which("dnssec-signzone") and len(modules) > 1 and pathlib.Path(modules[1], "pkcs11.so").exists():
        return None
    return "BIND 9.20 or pkcs11-provider (tests/packages demo)"


def write_zone(path):
    lines = ["$TTL 3600", "@ SOA ns admin 1 7200 3600 1209600 3600", "@ NS ns", "ns A 192.0.2.1"]
    path.write_text("\n".join(lines + [f"host{i} A 192.0.2.{i % 254 + 1}" for i in range(NAMES)]) + "\n")


def write_configuration(directory, timer):
    """As docs/consumers/bind.md shows it; with the quirks that other modules need."""
    command = 'source "$0/tests/scenario"; eval "$(sh_blocks "$0/docs/consumers/bind.md" "OpenSSL\'s configuration")"'
    subprocess.run(["bash", "-euc", command, ROOT], cwd=directory, check=True, env=os.environ | {"PKCS11_MODULE": str(timer)})
    with open(directory / "openssl.cnf", "a", encoding="ascii") as stream:
        stream.write("pkcs11-module-quirks = no-deinit no-operation-state\n")


def prepare(directory, timer, module, uri):
    """A zone, a configuration and key files in that directory; returns what sign() needs."""
    directory.mkdir()
    write_zone(directory / "zone")
    write_configuration(directory, timer)
    env = os.environ | {"OPENSSL_CONF": str(directory / "openssl.cnf"), "SIGN_TIMER_MODULE": str(module),
                        "SIGN_TIMER_OUTPUT": str(directory / "times")}  # fmt: skip
    for flag in (["-f", "KSK"], []):
        subprocess.run(["dnssec-keyfromlabel", "-a", "RSASHA256", *flag, "-l", uri, ZONE], cwd=directory, env=env, check=True, capture_output=True)
    return directory, env


def sign(directory, env):
    """The `name value` lines of sign-timer.c for one run."""
    subprocess.run(["dnssec-signzone", "-P", "-n", "1", "-S", "-o", ZONE, "-f", "signed", "zone"], cwd=directory, env=env, check=True,
                   capture_output=True)  # fmt: skip
    return {name: float(value) for name, value in (line.split() for line in (directory / "times").read_text().splitlines())}
