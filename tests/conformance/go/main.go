// The conformance guest in Go as a reactor, see ../README.md.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"fusebox.dev/fusebox"
)

const (
	// unknown is the code of a behaviour that there is none of.
	unknown     = 64
	failedAfter = 9
)

type answer map[string]any

func init() { fusebox.Handle(conform) }

func main() { fusebox.Main() }

// sink is written to, so that nothing is left out as being of no use.
var sink [][]byte

// asked is everything that some payload may have.
type asked struct {
	Do        string             `json:"do"`
	Code      uint32             `json:"code"`
	Message   string             `json:"message"`
	AfterMs   *uint64            `json:"after_ms"`
	Op        string             `json:"op"`
	Key       string             `json:"key"`
	Scope     string             `json:"scope"`
	Value     string             `json:"value"`
	TTLMs     uint64             `json:"ttl_ms"`
	Expect    string             `json:"expect"`
	Prefix    string             `json:"prefix"`
	After     string             `json:"after"`
	Limit     uint32             `json:"limit"`
	EventType string             `json:"event_type"`
	Payload   json.RawMessage    `json:"payload"`
	Object    *fusebox.ObjectRef `json:"object"`
	URL       string             `json:"url"`
	Method    string             `json:"method"`
	Body      string             `json:"body"`
	Headers   map[string]string  `json:"headers"`
	TimeoutMs uint64             `json:"timeout_ms"`
	Bytes     int                `json:"bytes"`
}

func conform(ctx *fusebox.Context, payload json.RawMessage) (any, error) {
	var what struct {
		Do string `json:"do"`
	}
	if err := json.Unmarshal(payload, &what); err != nil {
		return nil, err
	}
	switch what.Do {
	case "echo":
		return payload, nil
	case "params":
		return ctx.Params, nil
	case "input":
		return ctx.Input, nil
	}
	var a asked
	if err := json.Unmarshal(payload, &a); err != nil {
		return nil, err
	}
	switch a.Do {
	case "reject":
		return nil, fusebox.Reject(a.Code, "%s", a.Message)
	case "retry":
		if a.AfterMs != nil {
			return nil, fusebox.RetryAfter(*a.AfterMs, "%s", a.Message)
		}
		return nil, fusebox.Retry("%s", a.Message)
	case "trap":
		panic("a trap was asked for")
	case "loop":
		for turns := uint64(0); ; turns++ {
			if turns == math.MaxUint64 {
				return turns, nil
			}
		}
	case "hog":
		for {
			block := make([]byte, 1<<20)
			for i := range block {
				block[i] = 1
			}
			sink = append(sink, block)
		}
	case "log":
		return writeLog()
	case "print":
		fmt.Println("printed")
		fmt.Fprintln(os.Stderr, "complained")
		return answer{"printed": true}, nil
	case "context":
		return told(ctx), nil
	case "kv":
		return values(&a)
	case "emit":
		return emitted(&a), nil
	case "emit_then":
		emitted(&a)
		return nil, fusebox.Reject(failedAfter, "%s", a.Message)
	case "http":
		return fetched(&a)
	case "time":
		return answer{"now": time.Now().UnixMilli(), "random": fmt.Sprintf("%016x", ctx.Random().Uint64())}, nil
	case "left":
		left := fusebox.Left()
		return answer{
			"fuel": left.Fuel, "memory_bytes": left.MemoryBytes, "time_ms": left.Time.Milliseconds(), "http_calls": left.HTTPCalls,
		}, nil
	case "cancel":
		for !fusebox.Cancelled() {
		}
		fusebox.Warn("stopping")
		return answer{"cancelled": true}, nil
	case "big":
		return strings.Repeat("x", a.Bytes), nil
	case "warn":
		ctx.Warn("first warning")
		ctx.Warn("second warning")
		return answer{"warned": true}, nil
	case "event":
		return nil, ctx.ChainEvent(a.Payload)
	}
	return nil, fusebox.Reject(unknown, "unknown: %s", a.Do)
}

func writeLog() (any, error) {
	fusebox.Trace("line 1", "n", 1)
	fusebox.Debug("line 2", "n", 2)
	fusebox.Info("line 3", "n", 3)
	fusebox.Warn("line 4", "n", 4)
	fusebox.Error("line 5", "n", 5, "text", "grün 🎈")
	return answer{"logged": 5}, nil
}

func told(ctx *fusebox.Context) answer {
	return answer{
		"run_id": ctx.RunID, "attempt": ctx.Attempt, "event_id": ctx.EventID, "trigger": ctx.Trigger,
		"event_time": ctx.EventTime.UnixMilli(), "tenant": ctx.Tenant, "object": ctx.Object, "scope": ctx.Scope,
		"chain": ctx.Chain, "budget": ctx.Budget, "now": ctx.Now.UnixMilli(),
	}
}

func values(a *asked) (any, error) {
	store := fusebox.ActionValues
	if a.Scope == "attachment" {
		store = fusebox.AttachmentValues
	}
	expect := fusebox.Whatever
	switch a.Expect {
	case "nothing":
		expect = fusebox.Absent
	case "stale":
		expect = fusebox.Unchanged(math.MaxUint64)
	}
	switch a.Op {
	case "count":
		return count(store, a.Key)
	case "get":
		value, _, found, err := store.Get(a.Key)
		if err != nil || !found {
			return answer{"value": nil}, err
		}
		return answer{"value": string(value)}, nil
	case "set":
		return wrote("set", store.Write(a.Key, []byte(a.Value), expect, time.Duration(a.TTLMs)*time.Millisecond))
	case "delete":
		return wrote("deleted", store.Delete(a.Key, expect))
	case "list":
		keys, err := store.List(a.Prefix, a.After, a.Limit)
		return answer{"keys": keys}, err
	case "set_then":
		if err := store.Set(a.Key, []byte(a.Value)); err != nil {
			return nil, err
		}
		return nil, fusebox.Reject(failedAfter, "%s", a.Message)
	}
	return nil, fusebox.Reject(unknown, "unknown: %s", a.Op)
}

func wrote(name string, err error) (any, error) {
	var limit *fusebox.LimitError
	switch {
	case err == nil:
		return answer{name: true}, nil
	case errors.Is(err, fusebox.ErrConflict):
		return answer{"conflict": true}, nil
	case errors.As(err, &limit):
		return answer{"limit": limit.Message}, nil
	}
	return nil, err
}

func count(store fusebox.Values, key string) (any, error) {
	value, version, found, err := store.Get(key)
	if err != nil {
		return nil, err
	}
	number, expect := 0, fusebox.Absent
	if found {
		expect = fusebox.Unchanged(version)
		if number, err = strconv.Atoi(string(value)); err != nil {
			return nil, err
		}
	}
	number++
	err = store.Write(key, []byte(strconv.Itoa(number)), expect, 0)
	if errors.Is(err, fusebox.ErrConflict) {
		return nil, fusebox.Retry("conflict")
	}
	return answer{"count": number}, err
}

func emitted(a *asked) answer {
	err := fusebox.EmitOn(a.Object, a.EventType, a.Payload)
	var refused *fusebox.RefusedError
	switch {
	case err == nil:
		return answer{"emitted": true}
	case errors.As(err, &refused):
		return answer{"refused": refused.Message}
	}
	return answer{"limit": err.Error()}
}

func fetched(a *asked) (any, error) {
	request := fusebox.Request{Method: a.Method, URL: a.URL, Body: []byte(a.Body)}
	request.Timeout = time.Duration(a.TimeoutMs) * time.Millisecond
	if request.Method == "" {
		request.Method = "GET"
	}
	for name, value := range a.Headers {
		request.Headers = append(request.Headers, [2]string{name, value})
	}
	response, err := fusebox.Send(request)
	var failed *fusebox.HTTPError
	switch {
	case errors.As(err, &failed):
		return answer{failed.Kind.String(): failed.Message}, nil
	case err != nil:
		return nil, err
	}
	return answer{"status": response.Status, "body": string(response.Body)}, nil
}
