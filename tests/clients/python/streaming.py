"""Asks `tempopb.StreamingQuerier` over gRPC: streaming.py ADDRESS, then a question a line on stdin as JSON.

A question: {"method", "request", and optionally "tenant", "timeout" in seconds, "cancel_after" messages}.
An answer: {"messages": [...], "bytes": [...], "code", "details", "retry"}. At the end there is a list of all answers.

A question {"path", "as"} is asked over HTTP. Its answer {"status", "message"} is decoded strictly: a key too many fails.

The messages are made here from their fields, by the numbers that Tempo gives them.
"""

import json
import sys
import urllib.request

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from opentelemetry.proto.trace.v1 import trace_pb2  # noqa: F401  (registers what the messages consist of)

RESOURCE_SPANS = "opentelemetry.proto.trace.v1.ResourceSpans"
KEY_VALUE = "opentelemetry.proto.common.v1.KeyValue"
MESSAGES = {
    "SearchRequest": "Tags:map<string,string>=1 MinDurationMs:uint32=2 MaxDurationMs:uint32=3 Limit:uint32=4 start:uint32=5"
    " end:uint32=6 Query:string=8 SpansPerSpanSet:uint32=9",
    "SearchResponse": "traces:TraceSearchMetadata*=1 metrics:SearchMetrics=2",
    "TraceSearchMetadata": "traceID:string=1 rootServiceName:string=2 rootTraceName:string=3 startTimeUnixNano:uint64=4"
    " durationMs:uint32=5 spanSet:SpanSet=6 spanSets:SpanSet*=7 serviceStats:map<string,ServiceStats>=8",
    "ServiceStats": "spanCount:uint32=1 errorCount:uint32=2",
    "SpanSet": f"spans:Span*=1 matched:uint32=2 attributes:{KEY_VALUE}*=3",
    "Span": f"spanID:string=1 name:string=2 startTimeUnixNano:uint64=3 durationNanos:uint64=4 attributes:{KEY_VALUE}*=5",
    "SearchMetrics": "inspectedTraces:uint32=1 inspectedBytes:uint64=2 totalBlocks:uint32=3 completedJobs:uint32=4"
    " totalJobs:uint32=5 totalBlockBytes:uint64=6 inspectedSpans:uint64=7",
    "SearchTagsRequest": "scope:string=1 query:string=2 start:uint32=3 end:uint32=4 maxTagsPerScope:uint32=5",
    "SearchTagsResponse": "tagNames:string*=1 metrics:MetadataMetrics=2",
    "SearchTagsV2Response": "scopes:SearchTagsV2Scope*=1 metrics:MetadataMetrics=2",
    "SearchTagsV2Scope": "name:string=1 tags:string*=2",
    "SearchTagValuesRequest": "tagName:string=1 query:string=2 start:uint32=4 end:uint32=5 maxTagValues:uint32=6",
    "SearchTagValuesResponse": "tagValues:string*=1 metrics:MetadataMetrics=2",
    "SearchTagValuesV2Response": "tagValues:TagValue*=1 metrics:MetadataMetrics=2",
    "TagValue": "type:string=1 value:string=2",
    "MetadataMetrics": "inspectedBytes:uint64=1 totalJobs:uint32=2 completedJobs:uint32=3 totalBlocks:uint32=4"
    " totalBlockBytes:uint64=5",
    "QueryRangeRequest": "query:string=1 start:uint64=2 end:uint64=3 step:uint64=4 exemplars:uint32=16 maxSeries:uint32=17",
    "QueryRangeResponse": "series:TimeSeries*=1 metrics:SearchMetrics=2 status:int32=3 message:string=4",
    "TimeSeries": f"labels:{KEY_VALUE}*=1 samples:Sample*=2 exemplars:Exemplar*=4",
    "Sample": "value:double=1 timestampMs:int64=2",
    "Exemplar": f"labels:{KEY_VALUE}*=1 value:double=2 timestampMs:int64=3",
    "QueryInstantRequest": "query:string=1 start:uint64=2 end:uint64=3",
    "QueryInstantResponse": "series:InstantSeries*=1 metrics:SearchMetrics=2 status:int32=3 message:string=4",
    "TraceByIDResponse": "trace:Trace=1 metrics:TraceByIDMetrics=2 status:int32=3 message:string=4",
    "TraceByIDMetrics": "inspectedBytes:uint64=1",
    "Trace": f"resourceSpans:{RESOURCE_SPANS}*=1",
    "Batches": f"batches:{RESOURCE_SPANS}*=1",
    "InstantSeries": f"labels:{KEY_VALUE}*=1 value:double=2",
}
METHODS = {
    "Search": ("SearchRequest", "SearchResponse"),
    "SearchTags": ("SearchTagsRequest", "SearchTagsResponse"),
    "SearchTagsV2": ("SearchTagsRequest", "SearchTagsV2Response"),
    "SearchTagValues": ("SearchTagValuesRequest", "SearchTagValuesResponse"),
    "SearchTagValuesV2": ("SearchTagValuesRequest", "SearchTagValuesV2Response"),
    "MetricsQueryRange": ("QueryRangeRequest", "QueryRangeResponse"),
    "MetricsQueryInstant": ("QueryInstantRequest", "QueryInstantResponse"),
}


def set_type(field, kind):
    field.label = field.LABEL_OPTIONAL
    if kind.endswith("*"):
        field.label, kind = field.LABEL_REPEATED, kind[:-1]
    scalar = getattr(field, f"TYPE_{kind.upper()}", None)
    if scalar is not None:
        field.type = scalar
    else:
        field.type, field.type_name = field.TYPE_MESSAGE, "." + (kind if "." in kind else f"tempopb.{kind}")


def add_message(file, name, fields):
    message = file.message_type.add(name=name)
    for text in fields.split():
        field_name, rest = text.split(":")
        kind, number = rest.rsplit("=", 1)
        field = message.field.add(name=field_name, number=int(number), json_name=field_name)
        if not kind.startswith("map<"):
            set_type(field, kind)
            continue
        entry = message.nested_type.add(name=f"{field_name[0].upper()}{field_name[1:]}Entry")
        entry.options.map_entry = True
        for place, (part, part_kind) in enumerate(zip(("key", "value"), kind[4:-1].split(",")), 1):
            set_type(entry.field.add(name=part, number=place), part_kind)
        field.label, field.type = field.LABEL_REPEATED, field.TYPE_MESSAGE
        field.type_name = f".tempopb.{name}.{entry.name}"


def messages():
    file = descriptor_pb2.FileDescriptorProto(name="tempo.proto", package="tempopb", syntax="proto3")
    file.dependency.append("opentelemetry/proto/common/v1/common.proto")
    file.dependency.append("opentelemetry/proto/trace/v1/trace.proto")
    for name, fields in MESSAGES.items():
        add_message(file, name, fields)
    pool = descriptor_pool.Default()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tempopb.{name}")) for name in MESSAGES}


def ask(channel, classes, question):
    asked, answered = (classes[name] for name in METHODS[question["method"]])
    sizes = []

    def read(data):
        sizes.append(len(data))
        return answered.FromString(data)

    method = channel.unary_stream(f"/tempopb.StreamingQuerier/{question['method']}", asked.SerializeToString, read)
    metadata = [("x-scope-orgid", question["tenant"])] if "tenant" in question else []
    request = json_format.ParseDict(question["request"], asked())
    call = method(request, timeout=question.get("timeout"), metadata=metadata)
    got = []
    try:
        for message in call:
            got.append(json_format.MessageToDict(message))
            if len(got) == question.get("cancel_after"):
                call.cancel()
    except grpc.RpcError:
        pass
    trailers = dict(call.trailing_metadata() or ())
    details = trailers.get("grpc-status-details-bin", b"")
    return {
        "messages": got,
        "bytes": sizes,
        "code": call.code().name,
        "details": call.details(),
        "retry": b"google.rpc.RetryInfo" in details,
    }


def get(address, classes, question):
    request = urllib.request.Request(f"http://{address}{question['path']}", headers={"Accept": "application/json"})
    try:
        with urllib.request.urlopen(request) as answer:
            status, text = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return {"status": error.code, "message": error.read().decode()}
    message = json_format.Parse(text, classes[question["as"]]()) if "as" in question else None
    return {"status": status, "message": json_format.MessageToDict(message) if message is not None else text}


def main():
    classes, address = messages(), sys.argv[1]
    with grpc.insecure_channel(address) as channel:
        questions = map(json.loads, sys.stdin)
        answers = [get(address, classes, one) if "path" in one else ask(channel, classes, one) for one in questions]
    print(json.dumps(answers))


main()
