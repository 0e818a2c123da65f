// The conformance guest as a plain command without any SDK, see ../README.md: a program that reads standard input.
package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"time"
)

const (
	// statusRetry asks for another attempt: EX_TEMPFAIL of sysexits.h.
	statusRetry = 75
	// statusUnknown is that of a behaviour that there is none of.
	statusUnknown = 64
)

// sink is written to, so that nothing is left out as being of no use.
var sink [][]byte

func fail(status int, message string) {
	fmt.Fprintln(os.Stderr, message)
	os.Exit(status)
}

func main() {
	var context map[string]json.RawMessage
	if err := json.NewDecoder(os.Stdin).Decode(&context); err != nil {
		fail(1, err.Error())
	}
	var payload struct {
		Do      string `json:"do"`
		Code    int    `json:"code"`
		Message string `json:"message"`
		Bytes   int    `json:"bytes"`
	}
	if err := json.Unmarshal(context["payload"], &payload); err != nil {
		fail(1, err.Error())
	}
	switch payload.Do {
	case "echo":
		os.Stdout.Write(context["payload"])
	case "params", "input":
		os.Stdout.Write(context[payload.Do])
	case "reject":
		fail(payload.Code, payload.Message)
	case "retry":
		fail(statusRetry, payload.Message)
	case "trap":
		panic("a trap was asked for")
	case "loop":
		for turns := uint64(0); turns != math.MaxUint64; turns++ {
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
		for n := 1; n <= 3; n++ {
			fmt.Fprintln(os.Stderr, "line", n)
		}
		fmt.Print(`{"logged":3}`)
	case "print":
		fmt.Fprintln(os.Stderr, "complained")
		fmt.Print(`{"printed":true}`)
	case "context":
		for _, name := range []string{"payload", "params", "input", "seed"} {
			delete(context, name)
		}
		json.NewEncoder(os.Stdout).Encode(context)
	case "time":
		fmt.Printf(`{"now":%d,"random":%q}`, time.Now().UnixMilli(), rand.Text())
	case "big":
		fmt.Printf(`"%s"`, strings.Repeat("x", payload.Bytes))
	default:
		fail(statusUnknown, "unknown: "+payload.Do)
	}
}
