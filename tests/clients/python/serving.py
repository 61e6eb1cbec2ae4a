"""Serves a WSGI application on a free port and prints it as `listening PORT`."""
import logging

from werkzeug.serving import make_server


def serve(app):
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(f"listening {server.server_port}", flush=True)
    server.serve_forever()
