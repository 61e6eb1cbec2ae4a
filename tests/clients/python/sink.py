"""A receiver that keeps every OTLP trace request as it came (after decompression) in a folder: NNN-NAME.pb or NNN-NAME.json.

usage: sink.py FOLDER; prints `grpc PORT` and `http PORT`. NAME is the request's user agent, shortened.
"""
import gzip
import itertools
import re
import sys
import threading
import zlib
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
DECODERS = {"gzip": gzip.decompress, "deflate": zlib.decompress, "": bytes, "identity": bytes}
folder = Path(sys.argv[1])
numbers = itertools.count()
lock = threading.Lock()


def keep(agent, transport, ending, body):
    known = re.match(r"OTel[- ]OTLP[- ]Exporter[- ](\w+)/", agent)
    language = known[1].lower() if known else "browser"
    with lock:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{next(numbers):03}-{language}-{transport}.{ending}").write_bytes(body)


class Http(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def end_headers(self):
        for name in ("origin", "headers"):
            self.send_header(f"access-control-allow-{name}", "*")
        super().end_headers()

    def do_OPTIONS(self):
        self.send_response(204)
        self.end_headers()

    def do_POST(self):
        raw = DECODERS[self.headers.get("content-encoding", "")](self.body())
        json = "json" in self.headers.get("content-type", "")
        if self.path.endswith("/v1/traces"):
            keep(self.headers.get("user-agent", ""), "http", "json" if json else "pb", raw)
        answer = b"{}" if json else b""
        self.send_response(200)
        self.send_header("content-type", self.headers.get("content-type"))
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def body(self):
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers["content-length"]))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def log_message(self, *_):
        pass


class Grpc(grpc.GenericRpcHandler):
    def service(self, details):
        agent = dict(details.invocation_metadata).get("user-agent", "")

        def export(body, _):
            if details.method == EXPORT:
                keep(agent, "grpc", "pb", body)
            return b""

        return grpc.unary_unary_rpc_method_handler(export)


server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[Grpc()])
print("grpc", server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
http = ThreadingHTTPServer(("127.0.0.1", 0), Http)
print("http", http.server_port, flush=True)
http.serve_forever()
