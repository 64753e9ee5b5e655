"""fill-journal.py SOCKET: ask a node for changes that fail, each an event in its journal; more than its queue (JOURNAL_QUEUE_MAX) and
the journal's socket hold together. All must be answered."""
import base64
import json
import socket
import sys

CALLS, AT_ONCE = 8000, 50
METHOD = "org.keyquorum.Node.LockKey"
REQUEST = json.dumps({"method": METHOD, "parameters": {"protocol": 1, "key": base64.b64encode(bytes(32)).decode()}}).encode() + b"\0"


def main():
    with socket.socket(socket.AF_UNIX) as node:
        node.connect(sys.argv[1])
        with node.makefile("rb") as replies:
            for _ in range(CALLS // AT_ONCE):
                node.sendall(REQUEST * AT_ONCE)
                for _ in range(AT_ONCE):
                    reply = b""
                    while not reply.endswith(b"\0"):
                        piece = replies.read(1)
                        assert piece, "the node has closed the connection"
                        reply += piece
                    assert json.loads(reply[:-1]).get("error") == "org.keyquorum.Node.UnknownKey", reply


main()
