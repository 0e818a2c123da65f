//go:build !wasip1

package fusebox

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const isCommand = false

// Main runs the action on the context that stands on standard input, as a command does.
func Main() { os.Exit(command(registered, os.Stdin, os.Stdout, os.Stderr)) }

// Sample is what the host would send, and how it answers. What is left out has a sensible value.
type Sample struct {
	// Payload, Params and Input are written as JSON; a json.RawMessage is taken as it is.
	Payload, Params, Input any
	Attempt                uint32
	Trigger, Tenant        string
	Object, Scope          *ObjectRef
	Chain                  Chain
	Now                    time.Time
	Seed                   [2]uint64
	// Values are in ActionValues already.
	Values map[string]string
	// Full, if it is not empty, is why nothing can be written.
	Full string
	// Refused are event types that may not be fired, and why.
	Refused map[string]string
	// Answer answers HTTP requests; without it they are denied.
	Answer func(Request) (*Response, error)
	// CancelledAfter, if it is not nil, is how often Cancelled still says no.
	CancelledAfter *int
}

// Line is one line the action logged.
type Line struct {
	Level   Level
	Message string
	// Fields are JSON texts by name.
	Fields map[string]string
}

// Emitted is an event the action fired.
type Emitted struct {
	EventType string
	Payload   json.RawMessage
	Object    *ObjectRef
}

// Report is what came out of an action.
type Report struct {
	// State is SUCCESS, WARNING or ERROR, as the run would end.
	State    string
	Output   json.RawMessage
	Warnings []string
	// Event is the payload of the event that is chained on, or nil.
	Event json.RawMessage
	// Retry or Reject says why it failed; both are nil when it did not.
	Retry    *RetryError
	Reject   *RejectError
	Logs     []Line
	Values   map[string]string
	Emitted  []Emitted
	Requests []Request
}

// value is one value of the store, with the version of its last write.
type value struct {
	bytes   string
	version uint64
}

// world stands in for the host while Try runs an action.
type world struct {
	sample   Sample
	values   [2]map[string]value
	writes   uint64
	report   *Report
	now      time.Time
	asked    int
	deadline time.Duration
}

// trying is one at a time, also when tests run side by side.
var (
	trying  sync.Mutex
	current *world
)

// Try runs an action natively, without any host. What a failed attempt wrote or fired is not in the report.
func Try[P, R any](action func(*Context, P) (R, error), sample Sample) *Report {
	trying.Lock()
	defer trying.Unlock()
	report := &Report{State: "SUCCESS"}
	ctx, err := sample.context()
	if err != nil {
		panic(fmt.Sprintf("the sample cannot be written as JSON: %v", err))
	}
	current = &world{sample: sample, report: report, now: ctx.Now, deadline: 30 * time.Second}
	defer func() { current = nil }()
	current.values = [2]map[string]value{{}, {}}
	for key, bytes := range sample.Values {
		current.put(ActionValues, key, bytes)
	}
	output, err := typed(action)(ctx)
	if err != nil {
		report.State, report.Emitted, report.Values = "ERROR", nil, maps.Clone(sample.Values)
		report.Retry, report.Reject = failure(err)
		return report
	}
	report.Output, report.Warnings, report.Event = output, ctx.warnings, ctx.event
	if len(ctx.warnings) > 0 {
		report.State = "WARNING"
	}
	report.Values = map[string]string{}
	for key, value := range current.values[ActionValues] {
		report.Values[key] = value.bytes
	}
	return report
}

func (s Sample) context() (*Context, error) {
	const event = "01900000-0000-7000-8000-000000000001"
	now := s.Now
	if now.IsZero() {
		now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	ctx := &Context{
		RunID: "01900000-0000-7000-8000-000000000002", EventID: event, Attempt: max(s.Attempt, 1), Trigger: s.Trigger,
		Tenant: s.Tenant, Object: s.Object, Scope: s.Scope, Chain: s.Chain, EventTime: now, Now: now, Seed: s.Seed,
		Budget: Budget{Fuel: 1_000_000_000, MemoryBytes: 64 << 20, Deadline: uint64(now.Add(30 * time.Second).UnixMilli())},
	}
	if ctx.Chain.Root == "" {
		ctx.Chain.Root = event
	}
	var err error
	for _, part := range []struct {
		given any
		into  *json.RawMessage
	}{{s.Payload, &ctx.Payload}, {s.Params, &ctx.Params}, {s.Input, &ctx.Input}} {
		if part.given == nil {
			part.given = struct{}{}
		}
		if *part.into, err = encode(part.given); err != nil {
			return nil, err
		}
	}
	return ctx, nil
}

func host(what string) *world {
	if current == nil {
		panic("there is no host to ask for " + what + ": call the action through fusebox.Try")
	}
	return current
}

func (w *world) put(scope Values, key, bytes string) {
	w.writes++
	w.values[scope][key] = value{bytes, w.writes}
}

func (w *world) check(scope Values, key string, expect Expect) error {
	if w.sample.Full != "" {
		return &LimitError{w.sample.Full}
	}
	there, found := w.values[scope][key]
	holds := map[expectKind]bool{
		expectAnything: true, expectNothing: !found, expectVersion: found && there.version == expect.version,
	}
	if !holds[expect.kind] {
		return ErrConflict
	}
	return nil
}

func hostLog(level Level, message string, fields [][2]string) {
	line := Line{level, message, map[string]string{}}
	for _, field := range fields {
		line.Fields[field[0]] = field[1]
	}
	if current == nil {
		fmt.Fprintln(os.Stderr, level, message, fields)
		return
	}
	current.report.Logs = append(current.report.Logs, line)
}

func hostLeft() Remaining {
	w := host("budget")
	return Remaining{Fuel: 1_000_000_000, MemoryBytes: 64 << 20, Time: w.deadline, HTTPCalls: uint32(max(0, 16-len(w.report.Requests)))}
}

func hostCancelled() bool {
	w := host("budget")
	w.asked++
	return w.sample.CancelledAfter != nil && w.asked > *w.sample.CancelledAfter
}

func hostGet(values Values, key string) ([]byte, uint64, bool, error) {
	there, found := host("kv").values[values][key]
	return []byte(there.bytes), there.version, found, nil
}

func hostSet(values Values, key string, bytes []byte, expect Expect, _ time.Duration) error {
	w := host("kv")
	if err := w.check(values, key, expect); err != nil {
		return err
	}
	w.put(values, key, string(bytes))
	return nil
}

func hostDelete(values Values, key string, expect Expect) error {
	w := host("kv")
	if err := w.check(values, key, expect); err != nil {
		return err
	}
	delete(w.values[values], key)
	return nil
}

func hostList(values Values, prefix, after string, limit uint32) ([]string, error) {
	keys := []string{}
	for _, key := range slices.Sorted(maps.Keys(host("kv").values[values])) {
		if len(keys) < int(min(limit, 1_000)) && key > after && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

func hostEmit(eventType string, payload []byte, object *ObjectRef) error {
	w := host("emit")
	if message, refused := w.sample.Refused[eventType]; refused {
		return &RefusedError{message}
	}
	w.report.Emitted = append(w.report.Emitted, Emitted{eventType, payload, object})
	return nil
}

func hostSend(request *Request) (*Response, error) {
	w := host("http")
	w.report.Requests = append(w.report.Requests, *request)
	if w.sample.Answer == nil {
		return nil, &HTTPError{HTTPDenied, "the sample has no answer for " + request.URL}
	}
	return w.sample.Answer(*request)
}
