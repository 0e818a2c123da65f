//go:build wasip1 && fusebox_command

package fusebox

import (
	"fmt"
	"os"
	"strings"
	"time"
)

const isCommand = true

// Main runs the action on the context that stands on standard input.
func Main() { os.Exit(command(registered, os.Stdin, os.Stdout, os.Stderr)) }

// hostLog prints, since what a command prints is its log.
func hostLog(level Level, message string, fields [][2]string) {
	var line strings.Builder
	fmt.Fprintf(&line, "%s %s", level, message)
	for _, field := range fields {
		fmt.Fprintf(&line, " %s=%s", field[0], field[1])
	}
	fmt.Fprintln(os.Stderr, line.String())
}

func hostLeft() Remaining { return Remaining{} }

func hostCancelled() bool { return false }

func hostGet(Values, string) ([]byte, uint64, bool, error) { return nil, 0, false, ErrNoHost }

func hostSet(Values, string, []byte, Expect, time.Duration) error { return ErrNoHost }

func hostDelete(Values, string, Expect) error { return ErrNoHost }

func hostList(Values, string, string, uint32) ([]string, error) { return nil, ErrNoHost }

func hostEmit(string, []byte, *ObjectRef) error { return ErrNoHost }

func hostSend(*Request) (*Response, error) { return nil, ErrNoHost }
