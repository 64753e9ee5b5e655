#!/usr/bin/python3
"""A node written from docs/protocol.md alone, in another language, to show that the page is enough.

node.py init --directory DIR --name NAME --listen SOCKET     makes keys, prints the node card
node.py serve --directory DIR                                runs the node

It speaks org.keyquorum.Node over a unix socket and joins the C nodes in a quorum. It is for tests: shares are kept in a file,
arithmetic is Python's and not in constant time.
"""
import argparse
import base64
import hashlib
import hmac
import json
import os
import pathlib
import socketserver
import sys
import threading
import time

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

PROTOCOL = 1
E = 65537
VERSION = "independent 1"
TRIES = 10
MESSAGE_MAX = 1 << 20
LIST_MAX = 500
STANDARD = "org.varlink.service."
NODE = "org.keyquorum.Node."

# DigestInfo prefixes of EMSA-PKCS1-v1_5, RFC 8017 §9.2 note 1
DIGEST_INFO = {
    "sha1": (20, "3021300906052b0e03021a05000414"),
    "sha256": (32, "3031300d060960864801650304020105000420"),
    "sha384": (48, "3041300d060960864801650304020205000430"),
    "sha512": (64, "3051300d060960864801650304020305000440"),
}


class Refusal(Exception):
    """An error reply of org.keyquorum.Node."""

    def __init__(self, name, reason, number=None):
        super().__init__(reason)
        self.name, self.reason, self.number = NODE + name, reason, number


class Invalid(Exception):
    """org.varlink.service.InvalidParameter naming a member."""


# ---- byte strings: docs/protocol.md "Names and values" ------------------------------------------------------------------------


class Reader:
    def __init__(self, data):
        self.data = data

    def take(self, size):
        if size > len(self.data):
            raise Refusal("Rejected", "the sealed share is too short")
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def run(self):
        return self.take(self.number(4))


def emsa_pss(hash_name, digest, salt, bits):
    """RFC 8017 §9.1.1, steps 3 to 13, with MGF1 (B.2.1)."""
    room = bits // 8 - len(digest) - 1
    if room < len(salt) + 1:
        raise Refusal("Rejected", "the salt is too long for the key")
    mark = hashlib.new(hash_name, bytes(8) + digest + salt).digest()
    block = bytes(room - len(salt) - 1) + b"\1" + salt
    mask = b"".join(hashlib.new(hash_name, mark + n.to_bytes(4, "big")).digest() for n in range(room // len(digest) + 1))
    masked = bytearray(a ^ b for a, b in zip(block, mask))
    masked[0] &= 0x7F
    return bytes(masked) + mark + b"\xbc"


class Header:
    def __init__(self, common):
        reader = Reader(common)
        self.common = common
        if reader.take(8) != b"KQheader" or reader.number(1) != 1 or reader.number(1) != 1:
            raise Refusal("Rejected", "not a header this node knows")
        self.bits, self.n, self.k = reader.number(4), reader.number(1), reader.number(1)
        self.custody, self.generation = reader.number(1), reader.number(4)
        self.public, verification = reader.run(), reader.run()
        size = self.bits // 8
        if self.bits not in (2048, 3072, 4096) or len(self.public) != size or len(verification) != size * (self.n + 1) or reader.data:
            raise Refusal("Rejected", "the header's sizes do not fit together")
        self.modulus = int.from_bytes(self.public, "big")
        self.v = [int.from_bytes(verification[i * size : (i + 1) * size], "big") for i in range(self.n + 1)]
        self.id = hashlib.sha256(b"keyquorum key id v1" + common).digest()

    def power(self, base, share):
        return pow(base, share, self.modulus)

    def partial(self, hash_name, digest, encoding, salt, share):
        size, prefix = DIGEST_INFO[hash_name]
        if len(digest) != size:
            raise Invalid("digest")
        if encoding == "emsa-pss":
            encoded = emsa_pss(hash_name, digest, salt or b"", self.bits)
        else:
            info = bytes.fromhex(prefix) + digest
            encoded = b"\0\1" + b"\xff" * (self.bits // 8 - 3 - len(info)) + b"\0" + info
        x = int.from_bytes(encoded, "big")
        return self.power(x * x % self.modulus, share).to_bytes(self.bits // 8, "big")

    def check_activation(self, signature):
        statement = hashlib.sha256(b"keyquorum activate v1" + self.id).digest()
        key = rsa.RSAPublicNumbers(E, self.modulus).public_key()
        try:
            key.verify(signature, statement, padding.PKCS1v15(), utils.Prehashed(SHA256()))
        except InvalidSignature:
            raise Refusal("InvalidActivation", "the activation does not verify under the key") from None


def hkdf_extract(salt, material):
    return hmac.digest(salt or bytes(32), material, "sha256")


def hkdf_expand(key, info, size):
    out, block = b"", b""
    for counter in range(1, 1 + (size + 31) // 32):
        block = hmac.digest(key, block + info + bytes([counter]), "sha256")
        out += block
    return out[:size]


def hpke_open(private, info, associated, sealed):
    """RFC 9180 base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM; sequence number 0."""
    kem, suite = b"KEM" + b"\x00\x20", b"HPKE" + b"\x00\x20\x00\x01\x00\x02"

    def extract(which, salt, label, material):
        return hkdf_extract(salt, b"HPKE-v1" + which + label + material)

    def expand(which, key, label, context, size):
        return hkdf_expand(key, size.to_bytes(2, "big") + b"HPKE-v1" + which + label + context, size)

    enc, ciphertext = sealed[:32], sealed[32:]
    dh = private.exchange(X25519PublicKey.from_public_bytes(enc))
    shared = expand(kem, extract(kem, b"", b"eae_prk", dh), b"shared_secret", enc + raw_public(private), 32)
    context = b"\0" + extract(suite, b"", b"psk_id_hash", b"") + extract(suite, b"", b"info_hash", info)
    secret = extract(suite, shared, b"secret", b"")
    key, nonce = expand(suite, secret, b"key", context, 32), expand(suite, secret, b"base_nonce", context, 12)
    return AESGCM(key).decrypt(nonce, ciphertext, associated)


def raw_public(private):
    return private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def raw_private(private):
    return private.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())


# ---- messages -----------------------------------------------------------------------------------------------------------------


def integer(low, high):
    def check(value):
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return check, lambda value: value


def text(low, high):
    def check(value):
        return isinstance(value, str) and low <= len(value.encode()) <= high

    return check, lambda value: value


def octets(low, high):
    def check(value):
        if not isinstance(value, str):
            return False
        try:
            raw = base64.b64decode(value, validate=True)
        except ValueError:
            return False
        return base64.b64encode(raw).decode() == value and low <= len(raw) <= high

    return check, base64.b64decode


def boolean():
    return lambda value: isinstance(value, bool), lambda value: value


def structure(fields):
    def check(value):
        return isinstance(value, dict)

    return check, lambda value: parse(fields, value)


def parse(fields, parameters):
    """Strictly by table: name (with '?' when it may be absent) → (check, convert)."""
    known = {name.rstrip("?"): rule for name, rule in fields.items()}
    for name in parameters:
        if name not in known:
            raise Invalid(name)
    parsed = {}
    for name, (check, convert) in known.items():
        value = parameters.get(name)
        if value is None:
            if name + "?" not in fields:
                raise Invalid(name)
            parsed[name] = None
            continue
        if not check(value):
            raise Invalid(name)
        try:
            parsed[name] = convert(value)
        except Invalid as inner:
            raise Invalid(f"{name}.{inner}") from None
    return parsed


def once(pairs):
    """A JSON object that repeats a member is no JSON object."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("repeated member")
    return found


COUNT = (1 << 63) - 1
KEY = octets(32, 32)
RECORD = {
    "version": integer(0, COUNT), "privateLabel": text(0, 255), "publicLabel": text(0, 255), "privateId": octets(0, 255),
    "publicId": octets(0, 255), "publicHidden": boolean(), "created": integer(0, COUNT),
    "notAfter?": integer(0, 253402300799),
}  # fmt: skip
INPUT = {
    "GetStatus": {},
    "InitToken": {
        "token": octets(16, 16), "index": integer(1, 16), "n": integer(2, 16), "k": integer(2, 16), "verifier": octets(32, 32),
        "resetPin?": boolean(), "pinVersion": integer(1, COUNT),
    },
    "Hello": {"token": octets(16, 16), "index": integer(1, 16)},
    "AnswerChallenge": {"pinVersion": integer(1, COUNT), "answer": octets(64, 64)},
    "PreparePin": {"version": integer(1, COUNT), "verifier": octets(32, 32)},
    "CommitPin": {"version": integer(1, COUNT)},
    "ListKeys": {"after?": octets(0, 32), "knownRevision?": text(0, 255)},
    "GetKey": {"key": KEY},
    "PrepareKey": {"sealed": octets(1, 20 * 1024), "record": structure(RECORD)},
    "ActivateKey": {"key": KEY, "activation": octets(1, 512)},
    "DiscardKey": {"key": KEY},
    "SetRecord": {"key": KEY, "record": structure(RECORD)},
    "DestroyKey": {"key": KEY},
    "PartialSign": {
        "key": KEY, "hash": text(1, 16), "digest": octets(1, 64), "encoding?": text(1, 64), "salt?": octets(1, 490),
    },
    "AnnounceClient": {"name": text(1, 32), "tlsPin?": octets(32, 32)},
    "LockKey": {"key": KEY},
    "UnlockKey": {"key": KEY, "seconds": integer(0, (1 << 31) - 1), "count": integer(0, COUNT), "permanently?": boolean()},
}  # fmt: skip
BEFORE_HELLO = {"GetStatus", "InitToken", "Hello", "AnnounceClient", "LockKey", "UnlockKey"}
PERMISSIONS = ["list", "sign", "generate", "destroy", "admin"]
AFTER_HELLO = {"ListKeys", "GetKey", "AnswerChallenge"}


def encode(value):
    """Byte strings become base64; absent values stay away."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: encode(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [encode(inner) for inner in value]
    return value


# ---- the node -----------------------------------------------------------------------------------------------------------------


class Node:
    """What the node knows, in one file that is replaced whole."""

    def __init__(self, directory):
        self.path = pathlib.Path(directory) / "state.json"
        self.lock = threading.RLock()
        self.state = json.loads(self.path.read_text())
        self.sealing = X25519PrivateKey.from_private_bytes(bytes.fromhex(self.state["sealing"]))
        self.identity = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(self.state["identity"]))
        self.start = os.urandom(8).hex()
        self.changes = self.signatures = 0
        self.shares = {}
        self.windows = {}  # of locked keys: until when, how many signatures; None: no limit

    def save(self):
        self.changes += 1
        temporary = self.path.with_suffix(".new")
        with open(temporary, "w") as file:
            json.dump(self.state, file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, self.path)

    @property
    def revision(self):
        return f"{self.start}-{self.changes}"

    def key(self, key_id):
        entry = self.state["keys"].get(key_id.hex())
        if entry is None:
            raise Refusal("UnknownKey", "this node does not have that key")
        if entry["state"] == "destroyed":
            raise Refusal("KeyDestroyed", "that key was destroyed")
        return entry

    def share(self, key_id):
        """Header and opened share; opened once."""
        if key_id not in self.shares:
            self.shares[key_id] = self.open_sealed(bytes.fromhex(self.key(key_id)["sealed"]))
        return self.shares[key_id]

    def open_sealed(self, sealed):
        reader = Reader(sealed)
        if reader.take(8) != b"KQsealed" or reader.number(1) != 1:
            raise Refusal("Rejected", "not a sealed share this node knows")
        common = reader.run()
        index = reader.number(1)
        ciphertext = reader.run()
        header, token = Header(common), self.state["token"]
        if reader.data or (header.n, header.k, index) != (token["n"], token["k"], token["index"]):
            raise Refusal("Rejected", "the share is for another node or another threshold")
        try:
            plain = hpke_open(self.sealing, b"keyquorum share v1", common + bytes([index]), ciphertext)
        except (InvalidTag, ValueError):
            raise Refusal("Rejected", "the share is not sealed to this node, or was changed") from None
        share = int.from_bytes(plain, "big")
        if header.power(header.v[0], share) != header.v[index]:
            raise Refusal("Rejected", "the share does not fit its verification value")
        return header, share


NO_RECORD = {"version": 0, "privateLabel": "", "publicLabel": "", "privateId": "", "publicId": "", "publicHidden": False, "created": 0}


def record_out(record):
    """As the file keeps it (ids in hexadecimal) → as messages carry it."""
    return {**record, "privateId": bytes.fromhex(record["privateId"]), "publicId": bytes.fromhex(record["publicId"])}


def record_in(record):
    if record["version"] < 1:
        raise Invalid("record.version")
    return {**record, "privateId": record["privateId"].hex(), "publicId": record["publicId"].hex()}


class Connection(socketserver.StreamRequestHandler):
    """One client's connection: varlink over a unix socket."""

    def handle(self):
        self.node, self.hello, self.logged_in, self.nonce = self.server.node, False, False, None
        while (frame := self.next_frame()) is not None:
            try:
                request = json.loads(frame.decode("utf-8"), object_pairs_hook=once)
                if not isinstance(request, dict) or not isinstance(request.get("method"), str):
                    return
            except ValueError:
                return
            reply = self.reply(request["method"], request.get("parameters") or {})
            if not request.get("oneway"):
                self.wfile.write(json.dumps(reply).encode() + b"\0")

    def next_frame(self):
        frame = b""
        while not frame.endswith(b"\0"):
            byte = self.rfile.read1(1) if not frame else self.rfile.peek(1)
            if not byte:
                return None
            if frame:
                end = byte.find(b"\0")
                byte = self.rfile.read1(len(byte) if end < 0 else end + 1)
            frame += byte
            if len(frame) > MESSAGE_MAX:
                return None
        return frame[:-1]

    def reply(self, method, parameters):
        interface, _, name = method.rpartition(".")
        if interface + "." == STANDARD and name == "GetInfo":
            return {"parameters": {"vendor": "Keyquorum", "product": "independent node", "version": VERSION, "url": "",
                                   "interfaces": ["org.varlink.service", "org.keyquorum.Node"]}}  # fmt: skip
        if interface + "." != NODE:
            return {"error": STANDARD + "InterfaceNotFound", "parameters": {"interface": interface}}
        if name not in INPUT:
            return {"error": STANDARD + "MethodNotFound", "parameters": {"method": method}}
        try:
            with self.node.lock:
                output = self.call(name, parameters)
            return {"parameters": {"protocol": PROTOCOL, **encode(output or {})}}
        except Invalid as invalid:
            return {"error": STANDARD + "InvalidParameter", "parameters": {"parameter": str(invalid)}}
        except Refusal as refusal:
            detail = {"protocol": PROTOCOL, "reason": refusal.reason, "number": refusal.number}
            return {"error": refusal.name, "parameters": encode(detail)}

    def call(self, name, parameters):
        fields = {"protocol": integer(PROTOCOL, PROTOCOL), **INPUT[name]}
        values = parse(fields, parameters)
        if name not in BEFORE_HELLO and not self.hello:
            raise Refusal("HelloRequired", "say Hello first")
        if name not in BEFORE_HELLO | AFTER_HELLO and not self.logged_in:
            raise Refusal("LoginRequired", "log in first")
        return getattr(self, name)(**{key: value for key, value in values.items() if key != "protocol"})

    # ---- token and PIN

    def GetStatus(self):
        state, token = self.node.state, self.node.state["token"]
        states = [entry["state"] for entry in state["keys"].values()]
        status = {
            "version": VERSION, "name": state["name"], "custody": "keyring", "separation": False, "initialized": token is not None,
            "sealingKey": raw_public(self.node.sealing), "identityKey": raw_public(self.node.identity),
            **{kind: states.count(kind) for kind in ("active", "pending", "unusable", "destroyed")}, "signatures": self.node.signatures,
            "keyQuotaUsed": 0, "keyQuotaMax": 0, "time": int(time.time()), "client": "local", "permissions": PERMISSIONS,
        }  # fmt: skip
        if token:
            status |= {"token": bytes.fromhex(token["id"]), "index": token["index"], "n": token["n"], "k": token["k"],
                       "pinVersion": token["pinVersion"]}  # fmt: skip
        return status

    def InitToken(self, token, index, n, k, verifier, resetPin, pinVersion):
        known, fresh = self.node.state["token"], {"id": token.hex(), "index": index, "n": n, "k": k}
        if known and not resetPin:
            raise Refusal("AlreadyInitialized", "this node is part of a token already")
        if known and any(known[name] != value for name, value in fresh.items()):
            raise Refusal("WrongToken", "this node is part of another token")
        if known and pinVersion < known["pinVersion"]:
            raise Refusal("StaleVersion", "a newer PIN is in force", known["pinVersion"])
        if not index <= n or not k <= n:
            raise Invalid("index" if index > n else "k")
        self.node.state["token"] = {**fresh, "pinVersion": pinVersion, "verifier": verifier.hex(), "next": None, "failures": 0}
        self.node.save()

    def Hello(self, token, index):
        known = self.node.state["token"]
        if known is None:
            raise Refusal("NotInitialized", "this node is not part of a token yet")
        if (known["id"], known["index"]) != (token.hex(), index):
            raise Refusal("WrongToken", "this node is part of another token, or has another index")
        self.hello, self.nonce = True, os.urandom(32)
        return {
            "version": VERSION, "name": self.node.state["name"], "custody": "keyring", "revision": self.node.revision,
            "pinVersion": known["pinVersion"], "nextPinVersion": known["next"]["version"] if known["next"] else None,
            "nonce": self.nonce, "pinLocked": known["failures"] >= TRIES,
        }  # fmt: skip

    def AnswerChallenge(self, pinVersion, answer):
        token, nonce = self.node.state["token"], self.nonce
        self.nonce = None
        if token["failures"] >= TRIES:
            raise Refusal("PinLocked", "too many wrong PINs; reset the PIN locally")
        verifiers = {token["pinVersion"]: token["verifier"]}
        if token["next"]:
            verifiers[token["next"]["version"]] = token["next"]["verifier"]
        if pinVersion not in verifiers:
            raise Refusal("StaleVersion", "this node does not hold that PIN version", token["pinVersion"])
        token["failures"] += 1
        self.node.save()
        statement = (b"keyquorum login v1" + bytes.fromhex(token["id"]) + bytes([token["index"]]) + pinVersion.to_bytes(8, "big") + (nonce or b""))
        try:
            if nonce is None:
                raise InvalidSignature
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(verifiers[pinVersion])).verify(answer, statement)
        except InvalidSignature:
            raise Refusal("PinIncorrect", "the PIN is wrong", TRIES - token["failures"]) from None
        token["failures"] = 0
        self.node.save()
        self.logged_in = True

    def PreparePin(self, version, verifier):
        token = self.node.state["token"]
        if version != token["pinVersion"] + 1:
            raise Refusal("StaleVersion", "not the next PIN version", token["pinVersion"])
        token["next"] = {"version": version, "verifier": verifier.hex()}
        self.node.save()

    def CommitPin(self, version):
        token = self.node.state["token"]
        if version == token["pinVersion"]:
            return
        if not token["next"] or token["next"]["version"] != version:
            raise Refusal("StaleVersion", "that PIN version was not prepared", token["pinVersion"])
        token |= {"pinVersion": version, "verifier": token["next"]["verifier"], "next": None}
        self.node.save()

    # ---- keys

    def ListKeys(self, after, knownRevision):
        if knownRevision == self.node.revision:
            return {"revision": self.node.revision, "unchanged": True, "keys": []}
        ids = sorted(key_id for key_id in self.node.state["keys"] if bytes.fromhex(key_id) > (after or b""))
        keys = []
        for key_id in ids[:LIST_MAX]:
            entry = self.node.state["keys"][key_id]
            record = record_out(entry["record"] or NO_RECORD)
            keys.append({"key": bytes.fromhex(key_id), "state": entry["state"], "record": record, "locked": entry.get("locked") or None})
        return {"revision": self.node.revision, "more": len(ids) > LIST_MAX or None, "keys": keys}

    def GetKey(self, key):
        entry = self.node.key(key)
        header, _ = self.node.share(key)
        return {"header": header.common, "activation": bytes.fromhex(entry["activation"]) or None}

    def PrepareKey(self, sealed, record):
        header, _ = opened = self.node.open_sealed(sealed)
        known = self.node.state["keys"].get(header.id.hex())
        if known:
            raise Refusal("KeyDestroyed" if known["state"] == "destroyed" else "KeyExists", "this node knows that key already")
        entry = {"state": "pending", "sealed": sealed.hex(), "activation": "", "record": record_in(record)}
        self.node.state["keys"][header.id.hex()] = entry
        self.node.save()
        self.node.shares[header.id] = opened

    def ActivateKey(self, key, activation):
        entry = self.node.key(key)
        header, _ = self.node.share(key)
        header.check_activation(activation)
        if entry["state"] == "pending":
            entry |= {"state": "active", "activation": activation.hex()}
            self.node.save()

    def DiscardKey(self, key):
        if self.node.key(key)["state"] == "active":
            raise Refusal("KeyActive", "that key is active and does not revert")
        del self.node.state["keys"][key.hex()]
        self.node.shares.pop(key, None)
        self.node.save()

    def SetRecord(self, key, record):
        entry, fresh = self.node.key(key), record_in(record)
        if fresh == entry["record"]:
            return
        if fresh["version"] <= entry["record"]["version"]:
            raise Refusal("StaleVersion", "this node holds that version or a newer one", entry["record"]["version"])
        entry["record"] = fresh
        self.node.save()

    def DestroyKey(self, key):
        self.node.state["keys"][key.hex()] = {"state": "destroyed", "sealed": "", "activation": "", "record": None}
        self.node.shares.pop(key, None)
        self.node.save()

    def PartialSign(self, key, hash, digest, encoding, salt):
        if hash not in DIGEST_INFO:
            raise Invalid("hash")
        if encoding not in (None, "emsa-pkcs1-v1_5", "emsa-pss"):
            raise Invalid("encoding")
        if salt and encoding != "emsa-pss":
            raise Invalid("salt")
        entry = self.node.key(key)
        statement = hashlib.sha256(b"keyquorum activate v1" + key).digest()
        activations = [("sha256", statement, None), ("sha256", statement, "emsa-pkcs1-v1_5")]
        if entry["state"] == "pending" and (hash, digest, encoding) not in activations:
            raise Refusal("KeyPending", "that key is not active yet")
        if entry["state"] == "active" and entry.get("locked") and not self.take(key):
            raise Refusal("KeyLocked", "that key is locked on this node")
        header, share = self.node.share(key)
        self.node.signatures += 1
        return {"partial": header.partial(hash, digest, encoding, salt, share)}


    # ---- who may do what: there is no gate, so every caller is the client "local"

    def AnnounceClient(self, name, tlsPin):
        raise Refusal("PermissionDenied", "there is no gate here that could say who a caller is")

    def LockKey(self, key):
        self.node.windows.pop(key, None)
        entry = self.node.key(key)
        if not entry.get("locked"):
            entry["locked"] = True
            self.node.save()

    def UnlockKey(self, key, seconds, count, permanently):
        if bool(seconds or count) == bool(permanently):
            raise Invalid("permanently" if permanently else "seconds")
        entry = self.node.key(key)
        if permanently and entry.pop("locked", None):
            self.node.save()
        elif not permanently and not entry.get("locked"):
            raise Refusal("Rejected", "that key is not locked")
        elif not permanently:
            self.node.windows[key] = (time.clock_gettime(time.CLOCK_BOOTTIME) + seconds if seconds else None, count or None)

    def take(self, key):
        """One signature more with a locked key, if an operator has opened it."""
        until, left = self.node.windows.get(key, (None, 0))
        if left == 0 or (until is not None and time.clock_gettime(time.CLOCK_BOOTTIME) >= until):
            return False
        self.node.windows[key] = (until, left - 1 if left else None)
        return True


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


def init(options):
    directory = pathlib.Path(options.directory)
    directory.mkdir(mode=0o700)
    sealing, identity = X25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    state = {"name": options.name, "listen": options.listen, "sealing": raw_private(sealing).hex(), "identity": raw_private(identity).hex(),
             "token": None, "keys": {}}  # fmt: skip
    (directory / "state.json").write_text(json.dumps(state))
    keys = [base64.b64encode(key).decode() for key in (os.urandom(32), raw_public(sealing), raw_public(identity))]
    card = f"keyquorum-node-1 {options.name} unix:{options.listen} {' '.join(keys)}"
    print(card, hashlib.sha256(card.encode()).hexdigest()[:8])


def serve(options):
    node = Node(options.directory)
    if os.path.exists(node.state["listen"]):
        os.unlink(node.state["listen"])
    with Server(node.state["listen"], Connection) as server:
        server.node = node
        server.serve_forever()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, names in (("init", ("directory", "name", "listen")), ("serve", ("directory",))):
        arguments = verbs.add_parser(verb)
        for name in names:
            arguments.add_argument("--" + name, required=True)
    options = parser.parse_args()
    {"init": init, "serve": serve}[options.verb](options)


if __name__ == "__main__":
    sys.exit(main())
