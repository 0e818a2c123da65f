package fusebox

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"time"
)

// ObjectRef is a thing in the user's world, such as public.bookable / 42.
type ObjectRef struct {
	ObjectType string `json:"object_type"`
	ObjectID   string `json:"object_id"`
}

// Chain says where the event stands in its chain.
type Chain struct {
	// Root is the event that began the chain; the event itself when nothing came before it.
	Root string `json:"root"`
	// Parent is the event whose run caused this one, or nil.
	Parent *string `json:"parent"`
	// Depth is 0 for an event that nothing caused.
	Depth uint32 `json:"depth"`
	// ParentOutcome is how the run ended that caused this event, as JSON, or nil.
	ParentOutcome json.RawMessage `json:"parent_outcome"`
}

// Budget is what the attempt may use. Past any of these the host ends it.
type Budget struct {
	Fuel        uint64 `json:"fuel"`
	MemoryBytes uint64 `json:"memory_bytes"`
	// Deadline in milliseconds since 1970.
	Deadline uint64 `json:"deadline"`
}

// Context is everything an action is told.
type Context struct {
	// RunID is the same for all attempts: use it as idempotency key outside.
	RunID string
	// Attempt is 1 for the first.
	Attempt uint32
	EventID string
	// Trigger is the display name of the event type.
	Trigger   string
	EventTime time.Time
	// Tenant is the owner of the run; empty for the shared tenant.
	Tenant string
	// Object is what the event was raised on, or nil.
	Object *ObjectRef
	// Scope is the object the action is attached to, or nil.
	Scope *ObjectRef
	// Payload, Params and Input are three separate JSON texts, never merged.
	Payload, Params, Input json.RawMessage
	Chain                  Chain
	Budget                 Budget
	// Now is the time of the attempt.
	Now time.Time
	// Seed is drawn anew for every attempt; Random makes use of it.
	Seed [2]uint64

	warnings []string
	event    json.RawMessage
	random   *rand.Rand
}

// ReadParams reads the resolved parameters.
func (c *Context) ReadParams(into any) error { return decode("params", orEmpty(c.Params), into) }

// ReadInput reads what was configured where the action is attached.
func (c *Context) ReadInput(into any) error { return decode("input", orEmpty(c.Input), into) }

// orEmpty makes an object of what nobody configured.
func orEmpty(text json.RawMessage) json.RawMessage {
	if len(text) == 0 || string(text) == "null" {
		return json.RawMessage("{}")
	}
	return text
}

// Warn makes the run end as WARNING instead of SUCCESS. A command has no such thing: there it is a line of the log.
func (c *Context) Warn(message string) { c.warnings = append(c.warnings, message) }

// ChainEvent sets the payload of the event that is chained on; without it the event's own payload is passed on. A command has no
// such thing: there it is an error.
func (c *Context) ChainEvent(payload any) error {
	if isCommand {
		return ErrNoHost
	}
	event, err := encode(payload)
	c.event = event
	return err
}

// Random draws from the attempt's seed: another attempt draws something else, and a repeated one the same.
func (c *Context) Random() *rand.Rand {
	if c.random == nil {
		c.random = rand.New(rand.NewPCG(c.Seed[0], c.Seed[1]))
	}
	return c.random
}

// document is the context as a command reads it.
type document struct {
	RunID     string          `json:"run_id"`
	Attempt   uint32          `json:"attempt"`
	EventID   string          `json:"event_id"`
	Trigger   string          `json:"trigger"`
	EventTime int64           `json:"event_time"`
	Tenant    string          `json:"tenant"`
	Object    *ObjectRef      `json:"object"`
	Scope     *ObjectRef      `json:"scope"`
	Payload   json.RawMessage `json:"payload"`
	Params    json.RawMessage `json:"params"`
	Input     json.RawMessage `json:"input"`
	Chain     Chain           `json:"chain"`
	Budget    Budget          `json:"budget"`
	Now       int64           `json:"now"`
	// Decimal texts: many readers of JSON would round such numbers.
	Seed [2]string `json:"seed"`
}

func (d *document) context() (*Context, error) {
	ctx := &Context{
		RunID: d.RunID, Attempt: d.Attempt, EventID: d.EventID, Trigger: d.Trigger, Tenant: d.Tenant,
		Object: d.Object, Scope: d.Scope, Payload: d.Payload, Params: d.Params, Input: d.Input,
		Chain: d.Chain, Budget: d.Budget,
		EventTime: time.UnixMilli(d.EventTime).UTC(), Now: time.UnixMilli(d.Now).UTC(),
	}
	if string(d.Chain.ParentOutcome) == "null" {
		ctx.Chain.ParentOutcome = nil
	}
	for i, half := range d.Seed {
		number, err := strconv.ParseUint(half, 10, 64)
		if err != nil {
			return nil, err
		}
		ctx.Seed[i] = number
	}
	return ctx, nil
}
