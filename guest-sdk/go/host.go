package fusebox

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErrNoHost is the answer to a command that asks for what only a reactor has.
var ErrNoHost = errors.New("a command has no such access to the host: build it as a reactor")

// Level says how much a line of the log matters.
type Level uint8

// The levels, from every step to what somebody must act upon.
const (
	LevelTrace Level = iota
	LevelDebug
	LevelInfo
	LevelWarn
	LevelError
)

var levelNames = [...]string{"trace", "debug", "info", "warn", "error"}

func (l Level) String() string { return levelNames[l] }

// Log writes a line to the log of the run. After the message come names and values in turn: Log(LevelInfo, "seated", "guests", 4).
func Log(level Level, message string, fields ...any) {
	pairs := make([][2]string, 0, len(fields)/2)
	for i := 0; i+1 < len(fields); i += 2 {
		value, err := encode(fields[i+1])
		if err != nil {
			// A line of the log is no place to fail.
			value = json.RawMessage("null")
		}
		pairs = append(pairs, [2]string{fmt.Sprint(fields[i]), string(value)})
	}
	hostLog(level, message, pairs)
}

// Trace logs every step.
func Trace(message string, fields ...any) { Log(LevelTrace, message, fields...) }

// Debug logs what helps to find a bug.
func Debug(message string, fields ...any) { Log(LevelDebug, message, fields...) }

// Info logs the life of the action.
func Info(message string, fields ...any) { Log(LevelInfo, message, fields...) }

// Warn logs that something is off, and the action goes on.
func Warn(message string, fields ...any) { Log(LevelWarn, message, fields...) }

// Error logs that someone must act.
func Error(message string, fields ...any) { Log(LevelError, message, fields...) }

// Remaining is what is left to the attempt.
type Remaining struct {
	Fuel        uint64
	MemoryBytes uint64
	Time        time.Duration
	HTTPCalls   uint32
}

// Left tells what is left to the attempt. A command is told nothing.
func Left() Remaining { return hostLeft() }

// Cancelled tells whether somebody cancelled the run. There is a moment from then on to put things in order.
func Cancelled() bool { return hostCancelled() }

// Values is a small store of values, kept between runs if the attempt that wrote them succeeds.
type Values uint8

const (
	// ActionValues are those of all runs of this action for this tenant.
	ActionValues Values = iota
	// AttachmentValues are those of the runs by this attachment only.
	AttachmentValues
)

// ErrConflict says that what is there is not as expected. As the action's error it becomes a retry.
var ErrConflict = errors.New("somebody else changed the value in between")

// LimitError says which limit something is over.
type LimitError struct{ Message string }

func (e *LimitError) Error() string { return e.Message }

type expectKind uint8

const (
	expectAnything expectKind = iota
	expectNothing
	expectVersion
)

// Expect is what a write asks of what is there.
type Expect struct {
	kind    expectKind
	version uint64
}

// Whatever replaces what is there; the zero value of Expect.
var Whatever = Expect{}

// Absent asks that there is no value.
var Absent = Expect{kind: expectNothing}

// Unchanged asks that the value is still of this version.
func Unchanged(version uint64) Expect { return Expect{expectVersion, version} }

// Get reads a value and its version, which differs after every write.
func (v Values) Get(key string) (value []byte, version uint64, found bool, err error) {
	return hostGet(v, key)
}

// Set writes a value over whatever is there.
func (v Values) Set(key string, value []byte) error { return hostSet(v, key, value, Whatever, 0) }

// Write writes a value if what is there is as expected, gone again after ttl if that is not 0.
func (v Values) Write(key string, value []byte, expect Expect, ttl time.Duration) error {
	return hostSet(v, key, value, expect, ttl)
}

// Delete removes a value if what is there is as expected.
func (v Values) Delete(key string, expect Expect) error { return hostDelete(v, key, expect) }

// List gives the keys that start with prefix and come after the key after, in order: at most limit, and at most 1,000.
func (v Values) List(prefix, after string, limit uint32) ([]string, error) {
	return hostList(v, prefix, after, limit)
}

// RefusedError says why an event will not be fired.
type RefusedError struct{ Message string }

func (e *RefusedError) Error() string { return e.Message }

// Emit fires a further event on the object of this run's event, once the run has succeeded.
func Emit(eventType string, payload any) error { return EmitOn(nil, eventType, payload) }

// EmitOn fires a further event on another object.
func EmitOn(object *ObjectRef, eventType string, payload any) error {
	text, err := encode(payload)
	if err != nil {
		return err
	}
	return hostEmit(eventType, text, object)
}

// HTTPKind says what kept an HTTP request from being answered.
type HTTPKind uint8

// The kinds. As the action's error a timeout and a peer that failed become a retry, everything else a reject.
const (
	HTTPDenied HTTPKind = iota
	HTTPInvalid
	HTTPLimit
	HTTPTimeout
	HTTPFailed
)

var httpKindNames = [...]string{"denied", "invalid", "limit", "timeout", "failed"}

func (k HTTPKind) String() string { return httpKindNames[k] }

// HTTPError says why there is no answer. Any status is an answer.
type HTTPError struct {
	Kind    HTTPKind
	Message string
}

func (e *HTTPError) Error() string { return e.Message }

// Request is what Send sends.
type Request struct {
	Method string
	// URL is https://host/path?query.
	URL     string
	Headers [][2]string
	Body    []byte
	// Timeout of this call, if it is not 0; the attempt's time limit holds all the same.
	Timeout time.Duration
}

// Response is what comes back.
type Response struct {
	Status  uint16
	Headers [][2]string
	Body    []byte
}

// Send sends one HTTP request to a host that the action and its sink type allow. Redirects are answers like others.
func Send(request Request) (*Response, error) { return hostSend(&request) }
