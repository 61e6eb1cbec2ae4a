"""Third hop: a Flask price service that asks the mainframe, which no instrumentation reaches."""
import os

import requests
from flask import Flask, jsonify
from opentelemetry import trace

from serving import serve

app = Flask(__name__)
tracer = trace.get_tracer("shop.pricing", "1.2.0")


@app.get("/price")
def price():
    with tracer.start_as_current_span("apply discount", attributes={"shop.discount.percent": 12.5}) as span:
        span.add_event("rule matched", {"shop.rule": "november"})
    answer = requests.get(f"{os.environ['LEGACY']}/cgi-bin/price", timeout=20)
    return jsonify(answer.json())


serve(app)
