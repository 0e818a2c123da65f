//go:build !wasip1

package fusebox

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

type order struct {
	Name  string `json:"name"`
	Lines []line `json:"lines"`
}

type line struct {
	Count int `json:"count"`
}

func bill(ctx *Context, payload order) (map[string]int, error) {
	var params struct{ Factor int }
	if err := ctx.ReadParams(&params); err != nil {
		return nil, err
	}
	Info("billing", "name", payload.Name, "attempt", ctx.Attempt)
	total := 0
	for _, line := range payload.Lines {
		total += line.Count
	}
	if total == 0 {
		return nil, Reject(40, "%s ordered nothing", payload.Name)
	}
	if total > 100 {
		ctx.Warn("a large order")
	}
	return map[string]int{"total": total * max(params.Factor, 1)}, ctx.ChainEvent(payload.Name)
}

func of(count int) order { return order{Name: "Jo <jo@example.com>", Lines: []line{{count}}} }

func same(t *testing.T, got, want any) {
	t.Helper()
	if fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
		t.Fatalf("got %#v, want %#v", got, want)
	}
}

func TestAnActionIsRunOnASample(t *testing.T) {
	report := Try(bill, Sample{Payload: of(3), Params: map[string]int{"factor": 10}})
	same(t, report.State, "SUCCESS")
	same(t, string(report.Output), `{"total":30}`)
	same(t, string(report.Event), `"Jo <jo@example.com>"`)
	same(t, report.Logs[0].Fields, map[string]string{"name": `"Jo <jo@example.com>"`, "attempt": "1"})
	same(t, Try(bill, Sample{Payload: of(101)}).State, "WARNING")
}

func TestARefusalIsAnErrorWithItsCode(t *testing.T) {
	report := Try(bill, Sample{Payload: of(0)})
	same(t, report.State, "ERROR")
	same(t, *report.Reject, RejectError{40, "Jo <jo@example.com> ordered nothing"})
}

func TestWhatDoesNotFitIsRejectedWithItsPlace(t *testing.T) {
	report := Try(bill, Sample{Payload: json.RawMessage(`{"lines": [{"count": "x"}]}`)})
	same(t, report.Reject.Code, uint32(2))
	if !strings.HasPrefix(report.Reject.Message, "payload.lines.") {
		t.Fatal(report.Reject.Message)
	}
	report = Try(bill, Sample{Payload: of(1), Params: []int{}})
	same(t, report.Reject.Code, uint32(2))
}

func TestErrorsMeanWhatTheyAre(t *testing.T) {
	soon := uint64(7)
	cases := []struct {
		err    error
		retry  *RetryError
		reject *RejectError
	}{
		{errors.New("odd"), nil, &RejectError{1, "odd"}},
		{Reject(0, "no"), nil, &RejectError{1, "no"}},
		{fmt.Errorf("outside: %w", Reject(9, "no")), nil, &RejectError{9, "outside: no"}},
		{Retry("busy"), &RetryError{"busy", nil}, nil},
		{RetryAfter(7, "busy"), &RetryError{"busy", &soon}, nil},
		{ErrConflict, &RetryError{ErrConflict.Error(), nil}, nil},
		{&LimitError{"too long"}, nil, &RejectError{1, "too long"}},
		{&HTTPError{HTTPTimeout, "slow"}, &RetryError{"slow", nil}, nil},
		{&HTTPError{HTTPFailed, "gone"}, &RetryError{"gone", nil}, nil},
		{&HTTPError{HTTPDenied, "no"}, nil, &RejectError{1, "no"}},
	}
	for _, c := range cases {
		retry, reject := failure(c.err)
		if (retry == nil) != (c.retry == nil) || (reject == nil) != (c.reject == nil) {
			t.Fatalf("%v is %v, %v", c.err, retry, reject)
		}
		if retry != nil {
			same(t, retry.Message, c.retry.Message)
			same(t, retry.AfterMs == nil, c.retry.AfterMs == nil)
		} else {
			same(t, *reject, *c.reject)
		}
	}
}

func count(ctx *Context, fail bool) (string, error) {
	bytes, version, found, err := ActionValues.Get("n")
	if err != nil || !found {
		return "", Reject(3, "nothing is there")
	}
	if err := ActionValues.Write("n", append(bytes, '+'), Unchanged(version), time.Minute); err != nil {
		return "", err
	}
	stale := ActionValues.Write("n", nil, Unchanged(version), 0)
	absent := ActionValues.Delete("n", Absent)
	if !errors.Is(stale, ErrConflict) || !errors.Is(absent, ErrConflict) {
		return "", Reject(4, "%v, %v", stale, absent)
	}
	keys, err := ActionValues.List("", "a", 1)
	if err != nil {
		return "", err
	}
	if err := Emit("counted", 1); err != nil {
		return "", err
	}
	if fail {
		return "", errors.New("no")
	}
	return strings.Join(keys, ","), EmitOn(&ObjectRef{"public.bookable", "42"}, "counted", nil)
}

func TestWhatWasWrittenAndFiredIsThereWhenItSucceeded(t *testing.T) {
	sample := Sample{Payload: false, Values: map[string]string{"n": "1", "z": "", "a": ""}}
	report := Try(count, sample)
	same(t, string(report.Output), `"n"`)
	same(t, report.Values["n"], "1+")
	same(t, len(report.Emitted), 2)
	same(t, report.Emitted[1].Object.ObjectID, "42")
	sample.Payload = true
	report = Try(count, sample)
	same(t, report.State, "ERROR")
	same(t, report.Values["n"], "1")
	same(t, len(report.Emitted), 0)
}

func TestTheHostSaysNoAsTheSampleWants(t *testing.T) {
	sample := Sample{Payload: false, Values: map[string]string{"n": "1"}}
	sample.Refused = map[string]string{"counted": "there is no `counted`"}
	same(t, Try(count, sample).Reject.Message, "there is no `counted`")
	sample.Full = "1,000 keys are the most"
	same(t, Try(count, sample).Reject.Message, "1,000 keys are the most")
}

func fetch(ctx *Context, url string) (uint16, error) {
	answer, err := Send(Request{Method: "GET", URL: url, Timeout: time.Second})
	if err != nil {
		return 0, err
	}
	return answer.Status, nil
}

func TestRequestsAreAnsweredAsTheSampleSays(t *testing.T) {
	answer := func(request Request) (*Response, error) { return &Response{Status: 204}, nil }
	report := Try(fetch, Sample{Payload: "https://a.example/", Answer: answer})
	same(t, string(report.Output), "204")
	same(t, report.Requests[0].URL, "https://a.example/")
	denied := Try(fetch, Sample{Payload: "https://a.example/"})
	same(t, denied.Reject.Message, "the sample has no answer for https://a.example/")
}

func TestCancellationIsSeen(t *testing.T) {
	asks := func(ctx *Context, _ struct{}) (int, error) {
		times := 0
		for !Cancelled() {
			times++
		}
		return times + int(Left().HTTPCalls), nil
	}
	after := 3
	same(t, string(Try(asks, Sample{CancelledAfter: &after}).Output), "19")
}

func TestRandomnessComesFromTheSeed(t *testing.T) {
	draw := func(ctx *Context, _ struct{}) (uint64, error) {
		return ctx.Random().Uint64() ^ ctx.Random().Uint64(), nil
	}
	first := string(Try(draw, Sample{Seed: [2]uint64{1, 2}}).Output)
	same(t, string(Try(draw, Sample{Seed: [2]uint64{1, 2}}).Output), first)
	if string(Try(draw, Sample{Seed: [2]uint64{1, 3}}).Output) == first {
		t.Fatal("another seed draws the same")
	}
}

const contextOfACommand = `{"run_id": "r", "attempt": 2, "event_id": "e", "trigger": "ordered", "event_time": 1000, "tenant": "acme",
	"object": {"object_type": "public.bookable", "object_id": "42"}, "scope": null, "payload": %s, "params": {}, "input": {},
	"chain": {"root": "e", "parent": null, "depth": 0, "parent_outcome": null},
	"budget": {"fuel": 1, "memory_bytes": 2, "deadline": 3}, "now": 2000, "seed": ["18446744073709551615", "1"]}`

func TestACommandReadsItsContextAndEndsWithAStatus(t *testing.T) {
	told := func(ctx *Context, payload int) (string, error) {
		switch payload {
		case 0:
			return "", Retry("busy")
		case 1:
			ctx.Warn("odd")
			told := []any{ctx.Attempt, ctx.Object.ObjectID, ctx.Now.UnixMilli(), ctx.Seed[0], ctx.Chain.ParentOutcome == nil}
			return strings.TrimSpace(fmt.Sprintln(told...)), nil
		}
		return "", Reject(uint32(payload), "no")
	}
	run := func(input string) (int, string, string) {
		var out, complaints strings.Builder
		status := command(typed(told), strings.NewReader(input), &out, &complaints)
		return status, out.String(), complaints.String()
	}
	for _, c := range []struct {
		payload, status int
		complaints      string
	}{{0, 75, "busy\n"}, {9, 9, "no\n"}, {255, 255, "no\n"}, {256, 1, "no\n"}, {75, 1, "no\n"}} {
		status, out, complaints := run(fmt.Sprintf(contextOfACommand, fmt.Sprint(c.payload)))
		same(t, []any{status, out, complaints}, []any{c.status, "", c.complaints})
	}
	status, out, complaints := run(fmt.Sprintf(contextOfACommand, "1"))
	same(t, []any{status, out, complaints}, []any{0, `"2 42 2000 18446744073709551615 true"`, "warning: odd\n"})
	status, _, complaints = run("nothing")
	same(t, status, 1)
	if !strings.Contains(complaints, "there should be a context on standard input") {
		t.Fatal(complaints)
	}
}
