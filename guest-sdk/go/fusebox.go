// Package fusebox is for actions of Fusebox that are written in Go.
//
// An action is a function that is given a context and the payload of an event:
//
//	func score(ctx *fusebox.Context, order Order) (Score, error) { … }
//
//	func init() { fusebox.Handle(score) }
//	func main() { fusebox.Main() }
//
// It is built in one of two forms, from the same source. As a reactor it can do all that an action can; as a command it reads
// its context from standard input and prints its output, and has no key-value store, no HTTP and no further events.
//
// Tests run it natively, see Try.
package fusebox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Codes of failures that nobody gave another one.
const (
	codeUnexpected = 1
	codeInvalid    = 2
)

// handler is what Handle was given, with its types hidden.
type handler func(*Context) (output json.RawMessage, err error)

var registered handler

// Handle makes f the action of this program; call it from an init function. P is read from the payload and R written as the
// output, both as JSON. A payload that does not fit P is rejected with code 2 before f is called.
func Handle[P, R any](f func(*Context, P) (R, error)) { registered = typed(f) }

func typed[P, R any](f func(*Context, P) (R, error)) handler {
	return func(ctx *Context) (json.RawMessage, error) {
		var payload P
		if err := decode("payload", ctx.Payload, &payload); err != nil {
			return nil, err
		}
		result, err := f(ctx, payload)
		if err != nil {
			return nil, err
		}
		return encode(result)
	}
}

// encode writes JSON without the escapes that are only of use inside of HTML.
func encode(value any) (json.RawMessage, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

// decode says where in what the text does not fit.
func decode(what string, text json.RawMessage, into any) error {
	err := json.Unmarshal(text, into)
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &kind):
		place := strings.TrimSuffix(what+"."+kind.Field, ".")
		return Reject(codeInvalid, "%s: a JSON %s is no %s", place, kind.Value, kind.Type)
	default:
		return Reject(codeInvalid, "%s: %v", what, err)
	}
}

// RejectError says that it will not work however often it is tried.
type RejectError struct {
	// Code is the run's result code; 0 is taken as 1.
	Code    uint32
	Message string
}

func (e *RejectError) Error() string { return e.Message }

// RetryError says that it may work later: another attempt follows while the action's retry policy allows one.
type RetryError struct {
	Message string
	// AfterMs is how long to wait at least; nil leaves it to the retry policy.
	AfterMs *uint64
}

func (e *RetryError) Error() string { return e.Message }

// Reject is the error of something that will not work however often it is tried. Any other error is the same with code 1.
func Reject(code uint32, format string, arguments ...any) error {
	return &RejectError{Code: code, Message: fmt.Sprintf(format, arguments...)}
}

// Retry is the error of something that may work later.
func Retry(format string, arguments ...any) error {
	return &RetryError{Message: fmt.Sprintf(format, arguments...)}
}

// RetryAfter is the same, not before so many milliseconds.
func RetryAfter(ms uint64, format string, arguments ...any) error {
	return &RetryError{Message: fmt.Sprintf(format, arguments...), AfterMs: &ms}
}

// failure is what an error means for the run: exactly one of both.
func failure(err error) (retry *RetryError, reject *RejectError) {
	switch {
	case errors.As(err, &retry):
		return &RetryError{Message: err.Error(), AfterMs: retry.AfterMs}, nil
	case errors.As(err, &reject):
		return nil, &RejectError{Code: max(reject.Code, codeUnexpected), Message: err.Error()}
	case mayGoBetter(err):
		return &RetryError{Message: err.Error()}, nil
	default:
		return nil, &RejectError{Code: codeUnexpected, Message: err.Error()}
	}
}

// mayGoBetter tells a conflict and a peer that failed from what would only happen again.
func mayGoBetter(err error) bool {
	var http *HTTPError
	if errors.As(err, &http) {
		return http.Kind == HTTPTimeout || http.Kind == HTTPFailed
	}
	return errors.Is(err, ErrConflict)
}
