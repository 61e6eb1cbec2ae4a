"""The mainframe at the end of the chain: the standard library alone, no tracing, and it ignores trace headers."""
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Mainframe(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b'{"price": 1999}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Mainframe)
print(f"listening {server.server_port}", flush=True)
server.serve_forever()
