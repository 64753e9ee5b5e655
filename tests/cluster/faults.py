"""What the fault tests (test-faults-*) share: a throw-away quorum of real processes to break, and words for checking what it says.

A script lists its faults as functions and calls run(): each is one line "ok N - what it does" (its first line of documentation). Outside
a quorum, run() starts the script again inside tests/with-quorum.
"""
import contextlib
import hashlib
import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("KEYQUORUM_BUILD", ROOT / "build"))
NODE = BUILD / "service/node/keyquorum-node"
GATE = BUILD / "service/gate/keyquorum-gate"
LOADER = BUILD / "service/load/keyquorum-load"
FORBID_KEYS = BUILD / "tests/cluster/forbid-keys"
SIGNER = BUILD / "tests/cluster/pkcs11-signer"
INTERFACE = "org.keyquorum.Node."
WAIT = 30  # seconds: for what must come; nothing waits that long unless it is broken
SKIPPED = 77

ED25519 = "--algorithm", "ed25519"

CKR_OK, CKR_DEVICE_ERROR, CKR_PIN_INCORRECT, CKR_FUNCTION_REJECTED = 0x0, 0x30, 0xA0, 0x200


# ---- what must be so ------------------------------------------------------------------------------------------------------------


def expect(condition, *words):
    if not condition:
        raise AssertionError(" ".join(str(word) for word in words))


def says(text, pattern):
    """The text has a line that matches."""
    expect(re.search(pattern, text), f"nothing says /{pattern}/ in:\n{text}")


def silent(text, pattern):
    expect(not re.search(pattern, text), f"something says /{pattern}/ in:\n{text}")


def until(condition, what):
    """Wait for something that comes by itself."""
    end = time.monotonic() + WAIT
    while not (value := condition()):
        expect(time.monotonic() < end, f"waited in vain until {what}")
        time.sleep(0.01)
    return value


# ---- programs -------------------------------------------------------------------------------------------------------------------


def spawn(command, **options):
    """A process that dies with this one."""
    return subprocess.Popen([str(part) for part in ("setpriv", "--pdeathsig", "KILL", *command)], **options)


def kqctl(*arguments, status=0, conf=None):
    """Run kqctl; what it printed, standard output and standard error."""
    env = os.environ | ({"KEYQUORUM_CONF": str(conf)} if conf else {})
    done = subprocess.run([os.environ["KQCTL"], *map(str, arguments)], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=120)  # fmt: skip
    expect(done.returncode == status, f"kqctl {' '.join(map(str, arguments))}: exit status {done.returncode} instead of {status}\n",
           done.stdout, done.stderr)  # fmt: skip
    return done.stdout, done.stderr


def killed_at_message(number, *arguments):
    """Run kqctl, and have it killed when it is about to send so many messages to nodes. Was it over before? Then it succeeded."""
    env = os.environ | {"LD_PRELOAD": str(BUILD / "tests/cluster/libkill-at.so"), "KILL_AT_SEND": str(number)}
    done = subprocess.run([os.environ["KQCTL"], *map(str, arguments)], env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    expect(done.returncode in (0, -signal.SIGKILL), done)
    return done.returncode == 0


def pin():
    return "--pin-file", os.environ["PKCS11_PIN_FILE"]


def keys(conf=None):
    """The keys that exist, by label, and what was logged meanwhile."""
    out, log = kqctl("key", "list", "--json", conf=conf)
    return {key["label"]: key for key in json.loads(out)}, log


def states(conf=None):
    """`kqctl status`: the nodes, and whether all is good."""
    done = subprocess.run([os.environ["KQCTL"], "status", "--json"], capture_output=True, text=True, timeout=120,
                          env=os.environ | ({"KEYQUORUM_CONF": str(conf)} if conf else {}))  # fmt: skip
    document = json.loads(done.stdout)
    expect(done.returncode == (0 if document["good"] else 3), "status: exit status", done.returncode, done.stdout)
    return document["nodes"]


def generate(label, *options, status=0, conf=None):
    """Make a key: its id, or with another status what was said."""
    out, log = kqctl("key", "generate", "--label", label, *options, *pin(), status=status, conf=conf)
    return out.strip() if status == 0 else log


def approve_refresh(quorum, key, indices):
    for index in indices:
        kqctl("node", "approve", "--refresh", key, "--yes", "--config", quorum.node(index).directory / "node.conf")


def public_key(label):
    """As the nodes in the quorum's own roster show it, in PEM."""
    return kqctl("key", "show", label, "--pem")[0]


def modulus(label):
    """Of the key with that label, as the nodes in the quorum's own roster show it."""
    done = subprocess.run(["openssl", "rsa", "-pubin", "-noout", "-modulus"], input=public_key(label), capture_output=True, text=True,
                          check=True)  # fmt: skip
    return int(done.stdout.split("=")[1], 16)


def verify(number, message, signature):
    """RFC 8017, section 8.2.2, with SHA-256 and e = 65537."""
    info = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(message).digest()
    size = (number.bit_length() + 7) // 8
    expected = b"\0\1" + b"\xff" * (size - 3 - len(info)) + b"\0" + info
    expect(pow(int.from_bytes(signature, "big"), 65537, number).to_bytes(size, "big") == expected, "the signature is wrong")


def verify_ed25519(key, message, signature):
    """With openssl, which knows nothing of shares."""
    with tempfile.TemporaryDirectory() as directory:
        files = [pathlib.Path(directory, name) for name in ("key", "message", "signature")]
        for path, content in zip(files, (key.encode(), message, signature)):
            path.write_bytes(content)
        subprocess.run(["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", files[0], "-in", files[1], "-sigfile", files[2]],
                       check=True, stdout=subprocess.DEVNULL)  # fmt: skip


def sign(label, number, conf=None):
    """Sign with kqctl, check the signature, and return what was logged."""
    with tempfile.TemporaryDirectory() as directory:
        message, signature = pathlib.Path(directory, "message"), pathlib.Path(directory, "signature")
        message.write_bytes(os.urandom(1000))
        _, log = kqctl("sign", label, message, "-o", signature, *pin(), conf=conf)
        verify(number, message.read_bytes(), signature.read_bytes())
    return log


class Signer:
    """An application with the PKCS#11 module (pkcs11-signer.c) that stays between its signatures."""

    def __init__(self, conf=None):
        env = os.environ | ({"KEYQUORUM_CONF": str(conf)} if conf else {})
        self.log_file = tempfile.TemporaryFile()
        self.process = spawn([SIGNER, os.environ["PKCS11_MODULE"]], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=self.log_file, text=True)  # fmt: skip
        self.milliseconds = 0.0  # of the last call

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.stdin.close()
        status = self.process.wait(WAIT)
        expect(status == 0, "pkcs11-signer: exit status", status, self.log())

    def log(self):
        return os.pread(self.log_file.fileno(), 1 << 20, 0).decode()

    def call(self, *words):
        """The return value and what came with it."""
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        expect(answer, "pkcs11-signer ended", self.log())
        self.milliseconds = float(answer[1])
        return int(answer[0], 16), answer[2:]

    def login(self, text=None):
        return self.call("login", text or os.environ["PKCS11_PIN"])[0]

    def count(self, label):
        rv, (number,) = self.call("find", label)
        expect(rv == CKR_OK, f"find: {rv:#x}")
        return int(number)

    def sign(self, label, number):
        """A signature that must succeed and be right; the milliseconds it took."""
        message = os.urandom(8).hex()
        rv, answer = self.call("sign", label, message)
        expect(rv == CKR_OK, f"C_Sign: {rv:#x}\n", self.log())
        verify(number, message.encode(), bytes.fromhex(answer[0]))
        return self.milliseconds


class Ed25519Signer(Signer):
    """It has found its Ed25519 key once, and signs with the handle that it has."""

    def __init__(self, label, conf=None):
        super().__init__(conf)
        self.label, self.key = label, public_key(label)

    def open(self):
        expect(self.login() == CKR_OK, "C_Login failed")
        expect(self.call("remember", self.label)[0] == CKR_OK, "the key is not found\n", self.log())
        return self

    def sign_on(self):
        message = os.urandom(8).hex()
        rv, answer = self.call("eddsa", message)
        expect(rv == CKR_OK, f"C_Sign: {rv:#x}\n", self.log())
        verify_ed25519(self.key, message.encode(), bytes.fromhex(answer[0]))


# ---- varlink --------------------------------------------------------------------------------------------------------------------


class Connection:
    """One connection to a socket that speaks varlink, which can also be misused."""

    def __init__(self, where):
        self.socket = where
        if not isinstance(where, socket.socket):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(str(where))
        self.socket.settimeout(WAIT)
        self.waiting = b""

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.socket.close()

    def send(self, data):
        """As much as the other side takes; it may have closed already."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def receive(self):
        """The next frame; None when the other side has closed."""
        while b"\0" not in self.waiting:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self.waiting += data
        frame, self.waiting = self.waiting.split(b"\0", 1)
        return json.loads(frame)

    def raw(self, data):
        self.send(data)
        return self.receive()

    def call(self, method, **parameters):
        """(error name or None, parameters)"""
        answer = self.raw(json.dumps({"method": method, "parameters": {"protocol": 1, **parameters}}).encode() + b"\0")
        expect(answer is not None, method, "was not answered")
        return answer.get("error"), answer.get("parameters") or {}


# ---- the nodes ------------------------------------------------------------------------------------------------------------------


class Node:
    def __init__(self, index, pid):
        self.index, self.name, self.pid = index, f"node{index}", pid
        self.directory = pathlib.Path(os.environ["QUORUM_DIR"], self.name)
        self.socket = self.directory / "node.sock"
        self.state = self.directory / "state"
        self.process = None  # of our own

    def log(self):
        return (self.directory / "log").read_text()

    def file(self, key, suffix):
        return self.state / "keys" / f"{key}.{suffix}"

    def key_files(self):
        return sorted(path.name for path in (self.state / "keys").iterdir())

    def kill(self, number):
        os.kill(self.pid, number)

    def stop(self):
        """Stop it and wait until all of its threads have: any of them may be the one that reads what comes."""
        self.kill(signal.SIGSTOP)
        tasks = pathlib.Path(f"/proc/{self.pid}/task")
        until(lambda: all(re.search(r"\) T ", (task / "stat").read_text()) for task in tasks.iterdir()), f"{self.name} has stopped")

    def go_on(self):
        self.kill(signal.SIGCONT)

    def end(self, number=signal.SIGTERM):
        """End it and wait until it has."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        self.kill(number)
        expect(select.select([descriptor], [], [], WAIT)[0], self.name, "does not end")
        os.close(descriptor)
        if self.process:
            self.process.wait()

    def launch(self, *wrapper, loader=LOADER):
        with open(self.directory / "log", "a") as log:
            self.process = spawn([*wrapper, NODE, "--config", self.directory / "node.conf", "--loader", loader], stdout=log, stderr=log)
        self.pid = self.process.pid

    def answers(self):
        expect(not self.process or self.process.poll() is None, self.name, "ended:\n", self.log())
        with contextlib.suppress(OSError), Connection(self.socket) as connection:
            return connection.call(INTERFACE + "GetStatus")[0] is None
        return False

    def start(self, *wrapper, loader=LOADER):
        self.launch(*wrapper, loader=loader)
        until(self.answers, f"{self.name} answers")

    def restart(self, number=signal.SIGTERM, **options):
        self.end(number)
        self.start(**options)

    def start_in_vain(self, *wrapper):
        """It refuses to start: what it says."""
        size = len(self.log())
        self.launch(*wrapper)
        expect(self.process.wait(WAIT) == 1, self.name, "did not fail:\n", self.log())
        return self.log()[size:]


class Gate(Node):
    """The gate of a node, where the quorum is reached over TLS."""

    def __init__(self, index, pid):
        super().__init__(index, pid)
        self.address = (f"{os.environ['QUORUM_NETWORK']}.{index}", 7853)

    def log(self):
        return (self.directory / "gate.log").read_text()

    def launch(self, *wrapper):
        with open(self.directory / "gate.log", "a") as log:
            self.process = spawn([*wrapper, GATE, "--config", self.directory / "node.conf"], stdout=log, stderr=log)
        self.pid = self.process.pid

    def answers(self):
        expect(not self.process or self.process.poll() is None, "the gate of", self.name, "ended:\n", self.log())
        with contextlib.suppress(OSError), socket.create_connection(self.address):
            return True
        return False

    def start(self, *wrapper):
        self.launch(*wrapper)
        until(self.answers, f"the gate of {self.name} answers")


@contextlib.contextmanager
def liar_process(lie, answer, path, node_socket):
    path.unlink(missing_ok=True)
    with tempfile.TemporaryFile("w+") as log:
        command = sys.executable, ROOT / "tests/liar", "--listen", path, "--to", node_socket, "--lie", lie, "--answer", answer
        process = spawn(command, stderr=log)
        try:
            until(lambda: path.exists() or process.poll() is not None, "tests/liar listens")
            yield
        finally:
            process.kill()
            process.wait()
        log.seek(0)
        silent(log.read(), "Traceback")


class Quorum:
    """What tests/with-quorum has started."""

    def __init__(self):
        self.directory = pathlib.Path(os.environ["QUORUM_DIR"])
        self.conf = pathlib.Path(os.environ["KEYQUORUM_CONF"])
        self.nodes = [Node(i, int(pid)) for i, pid in enumerate(os.environ["QUORUM_PIDS"].split(), 1)]
        self.gates = [Gate(i, int(pid)) for i, pid in enumerate(os.environ.get("GATE_PIDS", "").split(), 1)]
        self.n = len(self.nodes)

    def node(self, index):
        return self.nodes[index - 1]

    def new_conf(self, name, text):
        """A roster beside the quorum's own."""
        path = self.directory / f"new-{name}.conf"
        path.write_text(text)
        return path

    def changed_conf(self, name, change):
        """The same, with `change` made to the text of the quorum's own."""
        return self.new_conf(name, change(self.conf.read_text()))

    @contextlib.contextmanager
    def liars(self, lie, *indices, answer=0):
        """tests/liar in front of some nodes: the roster that leads there. `answer`: of a run, in which they lie about it."""
        text = self.conf.read_text()
        with contextlib.ExitStack() as stack:
            for index in indices:
                node, path = self.node(index), self.directory / f"liar{index}-{lie}.sock"
                stack.enter_context(liar_process(lie, answer, path, node.socket))
                text = text.replace(f"unix:{node.socket}\n", f"unix:{path}\n")
            yield self.new_conf(lie, text)

    def conf_without(self, index, conf=None):
        """A roster (else the quorum's own) in which a node cannot be reached."""
        text = (conf or self.conf).read_text().replace(f"unix:{self.node(index).socket}\n", f"unix:/nowhere/{index}\n")
        return self.new_conf("without", text)

    @contextlib.contextmanager
    def without(self, indices):
        """Some nodes stopped for a while."""
        for index in indices:
            self.node(index).stop()
        try:
            yield
        finally:
            for index in indices:
                self.node(index).go_on()

    def files(self):
        return [node.key_files() for node in self.nodes]


# ---- running --------------------------------------------------------------------------------------------------------------------


def skip(reason):
    print(f"1..0 # SKIP {reason}\nSKIPPED: {reason}", flush=True)
    sys.exit(SKIPPED)


def enter(n, k, settings, wrapper, tls):
    """Start this script again, inside a quorum."""
    options = [word for setting in settings for word in ("-s", setting)]
    script = str(pathlib.Path(sys.argv[0]).resolve())
    command = [*wrapper, ROOT / "tests/with-quorum", *(["-t"] if tls else []), "-n", n, "-k", k, *options, sys.executable, "-B", script]
    os.execvp(str(command[0]), [str(part) for part in command])


def run(faults, n=3, k=2, settings=(), wrapper=(), prepare=None, tls=False):
    """`faults`: functions of the quorum and of what `prepare` made of it, or (function, further arguments…). `wrapper`: a command that
    runs with-quorum. `tls`: through gates."""
    if "QUORUM_DIR" not in os.environ:
        enter(n, k, settings, wrapper, tls)
    quorum, failed = Quorum(), 0
    prepared = prepare(quorum) if prepare else None
    print(f"1..{len(faults)}", flush=True)
    for number, fault in enumerate(faults, 1):
        function, *arguments = fault if isinstance(fault, tuple) else (fault,)
        words = " ".join([function.__doc__.splitlines()[0].rstrip("."), *(f"[{a}]" for a in arguments[:1] if isinstance(a, str))])
        start = time.monotonic()
        try:
            function(quorum, prepared, *arguments)
            print(f"ok {number} - {words} # {time.monotonic() - start:.1f} s", flush=True)
        except Exception:
            failed += 1
            print(f"not ok {number} - {words}\n" + re.sub("(?m)^", "# ", traceback.format_exc()), flush=True)
    for node in [*quorum.nodes, *quorum.gates]:
        silent(node.log(), "Sanitizer|runtime error")
    sys.exit(1 if failed else 0)
