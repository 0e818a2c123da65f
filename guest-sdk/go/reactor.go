//go:build wasip1 && !fusebox_command

package fusebox

import (
	"encoding/json"
	"time"
	"unsafe"
)

const isCommand = false

// Main has nothing to do in a reactor: the host calls the action itself.
func Main() {}

// kept holds on to every buffer that the host was given, until what is in it was copied.
var kept [][]uint64

//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uint32) unsafe.Pointer {
	// Words, so that whatever is put there is aligned.
	buffer := make([]uint64, size/8+1)
	kept = append(kept, buffer)
	start := unsafe.Pointer(&buffer[0])
	if oldSize > 0 {
		copy(unsafe.Slice((*byte)(start), size), unsafe.Slice((*byte)(old), min(oldSize, size)))
	}
	return start
}

// text is a string or list as it lies in memory. Pointers have 32 bits there.
type text struct{ start, length uint32 }

func pointer(start uint32) unsafe.Pointer { return unsafe.Pointer(uintptr(start)) }

// string copies, since the buffer is given free afterwards.
func (t text) string() string { return string(unsafe.Slice((*byte)(pointer(t.start)), t.length)) }

func (t text) bytes() []byte { return []byte(t.string()) }

// optional is an option<string> in memory.
type optional struct {
	some uint8
	text text
}

type object struct {
	some            uint8
	objectType, oid text
}

func (o object) ref() *ObjectRef {
	if o.some == 0 {
		return nil
	}
	return &ObjectRef{ObjectType: o.objectType.string(), ObjectID: o.oid.string()}
}

// context is the record of that name of the contract, as the canonical ABI lays it out.
type context struct {
	runID         text
	attempt       uint32
	eventID       text
	trigger       text
	_             uint32
	eventTime     uint64
	tenant        text
	object, scope object
	payload       text
	params        text
	input         text
	root          text
	parent        optional
	depth         uint32
	parentOutcome optional
	_             uint32
	fuel          uint64
	memoryBytes   uint64
	deadline      uint64
	now           uint64
	seed          [2]uint64
}

func (c *context) lift() *Context {
	ctx := &Context{
		RunID: c.runID.string(), Attempt: c.attempt, EventID: c.eventID.string(), Trigger: c.trigger.string(),
		EventTime: time.UnixMilli(int64(c.eventTime)).UTC(), Tenant: c.tenant.string(),
		Object: c.object.ref(), Scope: c.scope.ref(),
		Payload: c.payload.bytes(), Params: c.params.bytes(), Input: c.input.bytes(),
		Chain:  Chain{Root: c.root.string(), Depth: c.depth},
		Budget: Budget{Fuel: c.fuel, MemoryBytes: c.memoryBytes, Deadline: c.deadline},
		Now:    time.UnixMilli(int64(c.now)).UTC(), Seed: c.seed,
	}
	if c.parent.some != 0 {
		parent := c.parent.text.string()
		ctx.Chain.Parent = &parent
	}
	if c.parentOutcome.some != 0 {
		ctx.Chain.ParentOutcome = c.parentOutcome.text.bytes()
	}
	return ctx
}

// result is result<outcome, failure>: one layout for both sides, in words of 32 bits.
var result struct {
	words [10]uint32
	_     uint64
}

// answer holds on to what the result points at.
var answer struct {
	texts    [][]byte
	warnings []text
}

func lower(bytes []byte) text {
	answer.texts = append(answer.texts, bytes)
	return text{uint32(uintptr(unsafe.Pointer(unsafe.SliceData(bytes)))), uint32(len(bytes))}
}

//go:wasmexport run
func run(arguments unsafe.Pointer) unsafe.Pointer {
	ctx := (*context)(arguments).lift()
	kept = nil
	words := &result.words
	*words = [10]uint32{}
	output, err := callHandler(ctx)
	if err == nil {
		lowerOutcome(words, output, ctx)
		return unsafe.Pointer(&result)
	}
	words[0] = 1
	retry, reject := failure(err)
	if retry != nil {
		message := lower([]byte(retry.Message))
		words[4], words[5] = message.start, message.length
		if retry.AfterMs != nil {
			words[6], words[8], words[9] = 1, uint32(*retry.AfterMs), uint32(*retry.AfterMs>>32)
		}
		return unsafe.Pointer(&result)
	}
	message := lower([]byte(reject.Message))
	words[2], words[4], words[5], words[6] = 1, message.start, message.length, reject.Code
	return unsafe.Pointer(&result)
}

func callHandler(ctx *Context) (json.RawMessage, error) {
	if registered == nil {
		return nil, Reject(codeUnexpected, "no action was given to fusebox.Handle in an init function")
	}
	return registered(ctx)
}

func lowerOutcome(words *[10]uint32, output json.RawMessage, ctx *Context) {
	if output != nil {
		written := lower(output)
		words[2], words[3], words[4] = 1, written.start, written.length
	}
	for _, warning := range ctx.warnings {
		answer.warnings = append(answer.warnings, lower([]byte(warning)))
	}
	words[5] = uint32(uintptr(unsafe.Pointer(unsafe.SliceData(answer.warnings))))
	words[6] = uint32(len(answer.warnings))
	if ctx.event != nil {
		event := lower(ctx.event)
		words[7], words[8], words[9] = 1, event.start, event.length
	}
}

//go:wasmexport cabi_post_run
func postRun(unsafe.Pointer) {
	answer.texts, answer.warnings, kept = nil, nil, nil
}
