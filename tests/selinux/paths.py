"""Which type each file of an installation gets."""
import pathlib
import re
import subprocess

INSTANCE = "alpha"

# kind of file as in a .fc file, path, type: without the prefix "keyquorum_", or another's with a colon behind
PATHS = [
    ("--", "/usr/local/libexec/keyquorum/keyquorum-node", "node_exec_t"),
    ("--", "/usr/local/libexec/keyquorum/keyquorum-gate", "gate_exec_t"),
    ("--", "/usr/local/libexec/keyquorum/keyquorum-load", "load_exec_t"),
    ("--", "/usr/lib/x86_64-linux-gnu/pkcs11/keyquorum-pkcs11.so", "lib_t:"),
    ("--", "/usr/bin/kqctl", "bin_t:"),
    ("-d", "/etc/keyquorum", "conf_t"),
    ("--", "/etc/keyquorum/token.conf", "conf_t"),
    ("--", "/etc/keyquorum/client-key.pem", "client_key_t"),
    ("--", "/etc/keyquorum/client-key-next.pem", "client_key_t"),
    ("-d", f"/etc/keyquorum/nodes/{INSTANCE}", "node_conf_t"),
    ("--", f"/etc/keyquorum/nodes/{INSTANCE}/sealing-key.pub", "node_conf_t"),
    ("--", f"/etc/keyquorum/nodes/{INSTANCE}/identity-key.pub", "node_conf_t"),
    ("--", f"/etc/keyquorum/nodes/{INSTANCE}/tls-key.pin", "node_conf_t"),
    ("--", f"/etc/keyquorum/nodes/{INSTANCE}/identity-key.cred", "cred_t"),
    ("--", f"/etc/keyquorum/nodes/{INSTANCE}/tls-key-next.cred", "cred_t"),
    ("--", f"/etc/keyquorum/nodes/{INSTANCE}/recovery.sealed", "cred_t"),
    ("--", f"/var/lib/keyquorum/{INSTANCE}/token.json", "var_lib_t"),
    ("--", f"/var/lib/keyquorum/{INSTANCE}/keys/{'0' * 64}.share", "var_lib_t"),
    ("--", f"/run/keyquorum/{INSTANCE}/clients", "pins_runtime_t"),
    ("--", f"/etc/systemd/system/keyquorum-gate@{INSTANCE}.socket.d/listen.conf", "unit_t"),
]

LINES = [  # a line of a unit: what it names, and what that is
    (r"ExecStart=(\S+)/keyquorum-(\w+) ", "--", r"\1/keyquorum-\2", r"\2_exec_t"),
    (r"ExecStart=.* --config (\S+)", "--", r"\1", "node_conf_t"),
    (r"LoadCredentialEncrypted=[^:]+:(\S+)$", "--", r"\1", "cred_t"),
    (r"StateDirectory=(\S+)$", "-d", r"/var/lib/\1", "var_lib_t"),
    (r"RuntimeDirectory=(\S+)$", "-d", r"/run/\1", "pins_runtime_t"),
    (r"ListenStream=(/\S+\.)(gate|load)$", "-s", r"\1\2", r"\2_runtime_t"),
    (r"ListenStream=(/\S+\.sock)$", "-s", r"\1", "local_runtime_t"),
    (r"d (/run\S+) .*", "-d", r"\1", "runtime_t"),
    (r"d (/var/lib\S+) .*", "-d", r"\1", "var_lib_t"),
    (r"d (/etc/keyquorum/nodes) .*", "-d", r"\1", "node_conf_t"),
    (r"d (/etc/keyquorum) .*", "-d", r"\1", "conf_t"),
]
SPEAKS_OF_FILES = re.compile(r"(ExecStart|LoadCredential\w*|StateDirectory|RuntimeDirectory)=|ListenStream=/|d /")
KINDS = {"--": "file", "-d": "dir", "-s": "sock_file"}


def of_units(files, mistakes):
    """What the units and tmpfiles name. A line that nothing above understands is a mistake."""
    for file in files:
        if not file.name.endswith(".tmpfiles"):
            yield "--", f"/lib/systemd/system/{file.name}", "unit_t"
        for line in file.read_text().replace("%i", INSTANCE).splitlines():
            known = [found for found in ((re.match(pattern, line), kind, path, type_) for pattern, kind, path, type_ in LINES) if found[0]]
            if SPEAKS_OF_FILES.match(line) and not known:
                mistakes.append(f"{file.name}: '{line}': the test does not know what type that has")
            for match, kind, path, type_ in known:
                yield kind, match.expand(path), match.expand(type_)


def type_of(file_contexts, kind, path):
    line = subprocess.run(["matchpathcon", "-n", "-f", file_contexts, "-m", KINDS[kind], path], capture_output=True, text=True, check=True)
    return line.stdout.strip().split(":")[2] if ":" in line.stdout else line.stdout.strip()


def expressions(fc):
    """Each line of a .fc file: kind (None: every) and regular expression."""
    for line in fc.read_text().splitlines():
        words = line.split()
        if words and not line.startswith("#"):
            yield words[1] if words[1].startswith("-") else None, words[0]


def as_in_policy(path):
    """file_contexts.subs_dist: these are the same places."""
    return re.sub(r"^(/etc/systemd/system|/lib/systemd/system)/", "/usr/lib/systemd/system/", path)


def check(file_contexts, fc, units, mistakes):
    wanted = [*PATHS, *of_units(units, mistakes)]
    for kind, path, type_ in wanted:
        found = type_of(file_contexts, kind, path)
        due = type_[:-1] if type_.endswith(":") else "keyquorum_" + type_
        if found != due:
            mistakes.append(f"{path} ({kind}) gets {found} instead of {due}")
    for kind, expression in expressions(fc):
        if not any((kind is None or kind == of) and re.fullmatch(expression, as_in_policy(path)) for of, path, _ in wanted):
            mistakes.append(f"{fc.name}: no path of an installation matches {expression}")
    return len(wanted)
