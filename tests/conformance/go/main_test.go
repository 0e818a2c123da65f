//go:build !wasip1

package main

import (
	"testing"

	"fusebox.dev/fusebox"
)

func TestTheTable(t *testing.T) {
	for _, c := range []struct{ payload, output string }{
		{`{"do":"echo","text":"grün 🎈"}`, `{"do":"echo","text":"grün 🎈"}`},
		{`{"do":"params"}`, `{"p":1}`},
		{`{"do":"log"}`, `{"logged":5}`},
		{`{"do":"kv","op":"count","key":"k"}`, `{"count":8}`},
		{`{"do":"kv","op":"get","key":"k"}`, `{"value":"7"}`},
		{`{"do":"kv","op":"get","key":"none"}`, `{"value":null}`},
		{`{"do":"kv","op":"set","key":"k","value":"v","expect":"stale"}`, `{"conflict":true}`},
		{`{"do":"kv","op":"list","prefix":"","limit":5}`, `{"keys":["k"]}`},
		{`{"do":"emit","event_type":"e","payload":1}`, `{"emitted":true}`},
		{`{"do":"http","url":"https://a.example/"}`, `{"denied":"the sample has no answer for https://a.example/"}`},
		{`{"do":"big","bytes":3}`, `"xxx"`},
	} {
		sample := fusebox.Sample{Payload: raw(c.payload), Params: raw(`{"p":1}`), Values: map[string]string{"k": "7"}}
		if got := string(fusebox.Try(conform, sample).Output); got != c.output {
			t.Errorf("%s is %s, not %s", c.payload, got, c.output)
		}
	}
	report := fusebox.Try(conform, fusebox.Sample{Payload: raw(`{"do":"nothing"}`)})
	if report.Reject == nil || *report.Reject != (fusebox.RejectError{Code: 64, Message: "unknown: nothing"}) {
		t.Error(report)
	}
}

type raw string

func (r raw) MarshalJSON() ([]byte, error) { return []byte(r), nil }
