"""old-node.py SOCKET: a node of the past, which answers everything with the version of a protocol that nobody speaks any more."""
import json
import socketserver
import sys

OLD = {"protocol": 0, "version": "0.0.1", "custody": "keyring", "separation": True}


class Caller(socketserver.StreamRequestHandler):
    """One connection: frames that end with a zero byte."""

    def handle(self):
        frame = b""
        while byte := self.rfile.read(1):
            if byte != b"\0":
                frame += byte
                continue
            if not json.loads(frame).get("oneway"):
                self.wfile.write(json.dumps({"parameters": OLD}).encode() + b"\0")
            frame = b""


socketserver.ThreadingUnixStreamServer(sys.argv[1], Caller).serve_forever()
