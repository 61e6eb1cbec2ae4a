"""First hop: a Flask shop that asks the inventory. Knows nothing of tracing but the trace id that it answers with."""
import os

import requests
from flask import Flask, jsonify
from opentelemetry import trace

from serving import serve

app = Flask(__name__)


@app.get("/checkout/<sku>")
def checkout(sku):
    answer = requests.get(f"{os.environ['INVENTORY']}/reserve", params={"sku": sku}, timeout=20)
    context = trace.get_current_span().get_span_context()
    return jsonify(reserved=answer.json(), trace=f"{context.trace_id:032x}")


serve(app)
