//go:build wasip1 && !fusebox_command

package fusebox

import (
	"runtime"
	"time"
	"unsafe"
)

//go:wasmimport fusebox:action/log@0.1.0 write
func importLog(level uint32, message unsafe.Pointer, messageLength uint32, fields unsafe.Pointer, fieldsLength uint32)

//go:wasmimport fusebox:action/budget@0.1.0 left
func importLeft(result unsafe.Pointer)

//go:wasmimport fusebox:action/budget@0.1.0 cancelled
func importCancelled() uint32

//go:wasmimport fusebox:action/kv@0.1.0 get
func importGet(scope uint32, key unsafe.Pointer, keyLength uint32, result unsafe.Pointer)

//go:wasmimport fusebox:action/kv@0.1.0 set
func importSet(scope uint32, key unsafe.Pointer, keyLength uint32, value unsafe.Pointer, valueLength uint32,
	expect uint32, version uint64, hasTTL uint32, ttlMs uint64, result unsafe.Pointer)

//go:wasmimport fusebox:action/kv@0.1.0 delete
func importDelete(scope uint32, key unsafe.Pointer, keyLength uint32, expect uint32, version uint64, result unsafe.Pointer)

//go:wasmimport fusebox:action/kv@0.1.0 list
func importList(scope uint32, prefix unsafe.Pointer, prefixLength uint32,
	hasAfter uint32, after unsafe.Pointer, afterLength uint32, limit uint32, result unsafe.Pointer)

//go:wasmimport fusebox:action/emit@0.1.0 event
func importEmit(eventType unsafe.Pointer, eventTypeLength uint32, payload unsafe.Pointer, payloadLength uint32,
	hasObject uint32, objectType unsafe.Pointer, objectTypeLength uint32, objectID unsafe.Pointer, objectIDLength uint32,
	result unsafe.Pointer)

//go:wasmimport fusebox:action/http@0.1.0 send
func importSend(method unsafe.Pointer, methodLength uint32, url unsafe.Pointer, urlLength uint32,
	headers unsafe.Pointer, headersLength uint32, body unsafe.Pointer, bodyLength uint32,
	hasTimeout uint32, timeoutMs uint64, result unsafe.Pointer)

// What the host is given stays alive until it has answered: the collector may run meanwhile, as the host calls cabi_realloc.

// place is where the host puts what it answers. Not on the stack, which may move: the host calls cabi_realloc during the call.
var place struct {
	words [8]uint32
	_     uint64
}

func placed() unsafe.Pointer {
	place.words = [8]uint32{}
	return unsafe.Pointer(&place)
}

func long(low int) uint64 { return uint64(place.words[low]) | uint64(place.words[low+1])<<32 }

func data(s string) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.StringData(s)), uint32(len(s))
}

func dataOf(b []byte) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b))
}

// pairs lays out a list<tuple<string, string>>. The strings stay alive by what was given.
func pairs(given [][2]string) []text {
	laid := make([]text, 0, 2*len(given))
	for i := range given {
		for _, half := range &given[i] {
			start, length := data(half)
			laid = append(laid, text{uint32(uintptr(start)), length})
		}
	}
	return laid
}

func lift(list text) [][2]string {
	laid := unsafe.Slice((*[2]text)(pointer(list.start)), list.length)
	lifted := make([][2]string, 0, len(laid))
	for _, pair := range laid {
		lifted = append(lifted, [2]string{pair[0].string(), pair[1].string()})
	}
	return lifted
}

// escaped is where everything goes that the host reads through a pointer inside of something else, so that it lies on the heap.
var escaped [][2]string

func hostLog(level Level, message string, fields [][2]string) {
	escaped = fields
	laid := pairs(escaped)
	start, length := data(message)
	importLog(uint32(level), start, length, unsafe.Pointer(unsafe.SliceData(laid)), uint32(len(fields)))
	runtime.KeepAlive(message)
	runtime.KeepAlive(laid)
	escaped = nil
}

func hostLeft() Remaining {
	importLeft(placed())
	left := Remaining{Fuel: long(0), MemoryBytes: long(2), HTTPCalls: place.words[6]}
	left.Time = time.Duration(long(4)) * time.Millisecond
	return left
}

func hostCancelled() bool { return importCancelled() != 0 }

func hostGet(values Values, key string) ([]byte, uint64, bool, error) {
	start, length := data(key)
	importGet(uint32(values), start, length, placed())
	runtime.KeepAlive(key)
	defer forget()
	if place.words[0]&0xff == 0 {
		return nil, 0, false, nil
	}
	return text{place.words[2], place.words[3]}.bytes(), long(4), true, nil
}

func hostSet(values Values, key string, value []byte, expect Expect, ttl time.Duration) error {
	start, length := data(key)
	valueStart, valueLength := dataOf(value)
	hasTTL, ttlMs := milliseconds(ttl)
	importSet(uint32(values), start, length, valueStart, valueLength, uint32(expect.kind), expect.version, hasTTL, ttlMs, placed())
	runtime.KeepAlive(key)
	runtime.KeepAlive(value)
	return written()
}

func hostDelete(values Values, key string, expect Expect) error {
	start, length := data(key)
	importDelete(uint32(values), start, length, uint32(expect.kind), expect.version, placed())
	runtime.KeepAlive(key)
	return written()
}

func written() error {
	defer forget()
	switch {
	case place.words[0]&0xff == 0:
		return nil
	case place.words[1]&0xff == 0:
		return ErrConflict
	default:
		return &LimitError{text{place.words[2], place.words[3]}.string()}
	}
}

func hostList(values Values, prefix, after string, limit uint32) ([]string, error) {
	start, length := data(prefix)
	afterStart, afterLength := data(after)
	importList(uint32(values), start, length, flag(after != ""), afterStart, afterLength, limit, placed())
	runtime.KeepAlive(prefix)
	runtime.KeepAlive(after)
	defer forget()
	list := unsafe.Slice((*text)(pointer(place.words[0])), place.words[1])
	keys := make([]string, 0, len(list))
	for _, key := range list {
		keys = append(keys, key.string())
	}
	return keys, nil
}

func hostEmit(eventType string, payload []byte, object *ObjectRef) error {
	start, length := data(eventType)
	payloadStart, payloadLength := dataOf(payload)
	given := ObjectRef{}
	if object != nil {
		given = *object
	}
	typeStart, typeLength := data(given.ObjectType)
	idStart, idLength := data(given.ObjectID)
	importEmit(start, length, payloadStart, payloadLength, flag(object != nil), typeStart, typeLength, idStart, idLength, placed())
	runtime.KeepAlive(eventType)
	runtime.KeepAlive(payload)
	runtime.KeepAlive(given)
	defer forget()
	message := text{place.words[2], place.words[3]}
	switch {
	case place.words[0]&0xff == 0:
		return nil
	case place.words[1]&0xff == 0:
		return &RefusedError{message.string()}
	default:
		return &LimitError{message.string()}
	}
}

func hostSend(request *Request) (*Response, error) {
	escaped = request.Headers
	headers := pairs(escaped)
	method, methodLength := data(request.Method)
	url, urlLength := data(request.URL)
	body, bodyLength := dataOf(request.Body)
	hasTimeout, timeoutMs := milliseconds(request.Timeout)
	importSend(method, methodLength, url, urlLength, unsafe.Pointer(unsafe.SliceData(headers)), uint32(len(request.Headers)),
		body, bodyLength, hasTimeout, timeoutMs, placed())
	runtime.KeepAlive(request)
	runtime.KeepAlive(headers)
	escaped = nil
	defer forget()
	words := &place.words
	if words[0]&0xff != 0 {
		return nil, &HTTPError{HTTPKind(words[1] & 0xff), text{words[2], words[3]}.string()}
	}
	return &Response{
		Status:  uint16(words[1]),
		Headers: lift(text{words[2], words[3]}),
		Body:    text{words[4], words[5]}.bytes(),
	}, nil
}

// forget gives free what the host put into memory; all of it was copied.
func forget() { kept = nil }

func flag(set bool) uint32 {
	if set {
		return 1
	}
	return 0
}

func milliseconds(d time.Duration) (has uint32, ms uint64) {
	return flag(d > 0), uint64(max(d, 0).Milliseconds())
}
