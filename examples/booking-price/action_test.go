package main

import (
	"encoding/json"
	"os"
	"testing"

	"fusebox.dev/fusebox"
)

func read(t *testing.T, file string) json.RawMessage {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTheSampleIsPricedByItsRules(t *testing.T) {
	report := fusebox.Try(price, fusebox.Sample{Payload: read(t, "sample.json"), Input: read(t, "input.json")})
	want := `{"cents":9000,"currency":"EUR","parts":{"evening":4500,"plain":4500}}`
	if got := string(report.Output); got != want || string(report.Event) != want {
		t.Fatalf("%s, %+v", got, report.Reject)
	}
}

func TestTheLeastIsAskedFor(t *testing.T) {
	booking := json.RawMessage(`{"starts_at":"2026-03-02T10:00:00Z","ends_at":"2026-03-02T10:10:00Z"}`)
	report := fusebox.Try(price, fusebox.Sample{Payload: booking, Input: read(t, "input.json")})
	if got := string(report.Output); got != `{"cents":1000,"currency":"EUR","parts":{"minimum":500,"plain":500}}` {
		t.Fatal(got)
	}
}

func TestTheFirstFactorThatHoldsCounts(t *testing.T) {
	booking := json.RawMessage(`{"starts_at":"2026-03-07T18:00:00Z","ends_at":"2026-03-07T19:00:00Z"}`)
	report := fusebox.Try(price, fusebox.Sample{Payload: booking, Input: read(t, "input.json")})
	if got := string(report.Output); got != `{"cents":6000,"currency":"EUR","parts":{"weekend":6000}}` {
		t.Fatal(got)
	}
}

func TestWhatCannotBePricedIsRefused(t *testing.T) {
	hour := `{"starts_at":"2026-03-02T10:00:00Z","ends_at":"2026-03-02T11:00:00Z"}`
	rules := string(read(t, "input.json"))
	for _, c := range []struct {
		payload, input string
		code           uint32
	}{
		{`{"starts_at":"soon"}`, rules, 2},
		{`{"starts_at":"2026-03-02T10:00:00Z","ends_at":"2026-03-02T10:00:00Z"}`, rules, 10},
		{`{"starts_at":"2026-03-02T10:00:00Z","ends_at":"2027-03-04T10:00:00Z"}`, rules, 10},
		{hour, `{}`, 11},
		{hour, `{"currency":"EUR","cents_per_hour":1,"factors":[{"name":"a","from":5,"to":5,"by":1}]}`, 11},
		{hour, `[]`, 2},
	} {
		report := fusebox.Try(price, fusebox.Sample{Payload: json.RawMessage(c.payload), Input: json.RawMessage(c.input)})
		if report.Reject == nil || report.Reject.Code != c.code {
			t.Errorf("%s, %s: %+v", c.payload, c.input, report)
		}
	}
}
