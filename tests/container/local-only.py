"""local-only.py CLIENT-KEY ADDRESS:PORT OPS: an authorized client of another host asks for what only the node's own host may ask for. OPS is
the source with the table of methods: each that is marked LOCALLY there must be among these."""
import base64
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import tempfile

ZERO = base64.b64encode(bytes(32)).decode()
NODE = "org.keyquorum.Node."
CALLS = [  # method, parameters; each must be refused as NotLocal
    ("AuthorizeClient", {"name": "evil", "tlsPins": [ZERO], "permissions": ["list", "sign"]}),
    ("DeauthorizeClient", {"name": "signer"}),
    ("ListClients", {}),
    ("InitToken", {"token": base64.b64encode(bytes(16)).decode(), "index": 1, "n": 5, "k": 3, "verifier": ZERO, "resetPin": True, "pinVersion": 1}),
    ("SetPeers", {"peers": []}),
    ("ListPeers", {}),
    ("LockKey", {"key": ZERO}),
    ("UnlockKey", {"key": ZERO, "seconds": 60, "count": 0, "permanently": False}),
    ("UnlockKey", {"key": ZERO, "seconds": 0, "count": 0, "permanently": True}),
    ("ApproveRun", {"kind": "refresh", "key": ZERO}),
    ("ApproveRun", {"kind": "repair", "key": ZERO, "lost": 2, "identityKey": ZERO}),
    ("WithdrawApproval", {"kind": "refresh", "key": ZERO}),
    ("ListApprovals", {}),
]


def connect(key, address):
    """TLS 1.3 with the client's key; the node's pin is not what this is about."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with tempfile.TemporaryDirectory() as directory:
        certificate = os.path.join(directory, "certificate")
        subprocess.run(["openssl", "req", "-x509", "-key", key, "-subj", "/CN=client", "-out", certificate], check=True)
        context.load_cert_chain(certificate, key)
    host, port = address.rsplit(":", 1)
    return context.wrap_socket(socket.create_connection((host, int(port)), 10))


def call(stream, method, parameters):
    """The reply's error, without the interface's name; None if it was done."""
    stream.sendall(json.dumps({"method": NODE + method, "parameters": {"protocol": 1, **parameters}}).encode() + b"\0")
    reply = b""
    while not reply.endswith(b"\0"):
        piece = stream.recv(65536)
        if not piece:
            return "closed"
        reply += piece
    return json.loads(reply[:-1]).get("error", "done").removeprefix(NODE)


def main():
    wrong, way = 0, sys.argv[1:3]
    local = set(re.findall(r"ROW\((\w+), \w+, LOCALLY,", pathlib.Path(sys.argv[3]).read_text()))
    assert local and not (untried := local - {method for method, _ in CALLS}), f"not tried: {untried}"
    assert (answer := call(connect(*way), "GetStatus", {})) == "done", f"GetStatus: {answer}"
    for method, parameters in CALLS:
        answer = call(connect(*way), method, parameters)
        print(f"    {method}: {answer}")
        wrong += answer != "NotLocal"
    answer = call(connect(*way), "AnnounceClient", {"name": "local"})
    print(f"    AnnounceClient: {answer}")
    sys.exit(wrong > 0 or answer == "done")


main()
