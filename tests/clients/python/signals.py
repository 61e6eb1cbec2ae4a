"""Sends a span, a metric and a log record with the exporters that the environment chooses; prints the trace id and what the SDK complained of."""
import json
import logging

from opentelemetry import _logs, metrics, trace

ERRORS = []


class Complaints(logging.Handler):
    def emit(self, record):
        ERRORS.append(record.getMessage())


def main():
    complaints = Complaints(logging.WARNING)
    logging.getLogger("opentelemetry").addHandler(complaints)
    with trace.get_tracer("signals").start_as_current_span("work") as span:
        metrics.get_meter("signals").create_counter("work.done").add(1)
        _logs.get_logger("signals").emit(_logs.LogRecord(body="working"))
    for provider in (trace.get_tracer_provider(), metrics.get_meter_provider(), _logs.get_logger_provider()):
        provider.force_flush()
    print(json.dumps({"trace": f"{span.get_span_context().trace_id:032x}", "errors": ERRORS}))


main()
