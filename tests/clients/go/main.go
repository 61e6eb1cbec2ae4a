// Sends the sample trace of ../README.md over grpc or http/protobuf, as OTEL_EXPORTER_OTLP_PROTOCOL says,
// and prints its ids as JSON. Everything else is the exporters' own reading of the environment.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

func main() {
	ctx := context.Background()
	exporter, err := exporter(ctx)
	if err != nil {
		log.Fatal(err)
	}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter))
	ids := sample(ctx, provider.Tracer("sample.tracer", trace.WithInstrumentationVersion("3.2.1")))
	if err := errors.Join(provider.ForceFlush(ctx), provider.Shutdown(ctx)); err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(ids); err != nil {
		log.Fatal(err)
	}
}

func exporter(ctx context.Context) (*otlptrace.Exporter, error) {
	switch protocol := os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL"); protocol {
	case "grpc":
		return otlptracegrpc.New(ctx)
	case "http/protobuf":
		return otlptracehttp.New(ctx)
	default:
		return nil, fmt.Errorf("unknown protocol %q", protocol)
	}
}

func sample(ctx context.Context, tracer trace.Tracer) map[string]any {
	ctx, root := tracer.Start(ctx, "checkout", trace.WithSpanKind(trace.SpanKindServer))
	client := charge(ctx, tracer)
	_, producer := tracer.Start(ctx, "order placed", trace.WithSpanKind(trace.SpanKindProducer))
	producer.SetStatus(codes.Ok, "")
	producer.End()
	root.End()
	id := func(span trace.Span) string { return span.SpanContext().SpanID().String() }
	spans := map[string]string{"checkout": id(root), "charge card": id(client), "order placed": id(producer)}
	return map[string]any{"trace": root.SpanContext().TraceID().String(), "spans": spans}
}

func charge(ctx context.Context, tracer trace.Tracer) trace.Span {
	_, span := tracer.Start(ctx, "charge card", trace.WithSpanKind(trace.SpanKindClient), trace.WithLinks(link()),
		trace.WithAttributes(
			attribute.String("sample.text", "Grüße, 世界"),
			attribute.String("sample.empty", ""),
			attribute.Bool("sample.yes", true),
			attribute.Bool("sample.no", false),
			attribute.Int64("sample.int", 9007199254740991),
			attribute.Int("sample.negative", -42),
			attribute.Float64("sample.double", 0.1),
			attribute.StringSlice("sample.texts", []string{"a", "", "c"}),
			attribute.BoolSlice("sample.bools", []bool{true, false}),
			attribute.IntSlice("sample.ints", []int{1, -2, 3}),
			attribute.Float64Slice("sample.doubles", []float64{1.5, -2.25}),
			attribute.ByteSlice("sample.bytes", []byte{0, 1, 255}),
			attribute.Slice("sample.mixed", attribute.StringValue("a"), attribute.Int64Value(1), attribute.BoolValue(true)),
			attribute.Map("sample.map", attribute.Int("a", 1), attribute.Map("b", attribute.String("c", "d"))),
		))
	span.AddEvent("retry", trace.WithAttributes(attribute.Int("sample.attempt", 2)))
	span.RecordError(errors.New("card declined"))
	span.SetStatus(codes.Error, "card declined")
	span.End()
	return span
}

func link() trace.Link {
	traceID, _ := trace.TraceIDFromHex("0af7651916cd43dd8448eb211c80319c")
	spanID, _ := trace.SpanIDFromHex("b7ad6b7169203331")
	state, _ := trace.ParseTraceState("vendor=x1")
	linked := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: traceID, SpanID: spanID, TraceFlags: trace.FlagsSampled, TraceState: state, Remote: true,
	})
	return trace.Link{SpanContext: linked, Attributes: []attribute.KeyValue{attribute.String("sample.reason", "batch")}}
}
