package fusebox

import (
	"encoding/json"
	"fmt"
	"io"
)

// statusRetry is the exit status of a command that asks for another attempt: EX_TEMPFAIL of sysexits.h.
const statusRetry = 75

// command runs the action as a program: the context from in, the output to out, why it failed to complaints. The result is the exit
// status. The status has eight bits and 75 means a retry, so a code that does not fit is told as 1.
func command(action handler, in io.Reader, out, complaints io.Writer) int {
	fault := func(err error) int {
		fmt.Fprintln(complaints, err)
		return codeUnexpected
	}
	if action == nil {
		return fault(fmt.Errorf("no action was given to fusebox.Handle in an init function"))
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return fault(err)
	}
	var read document
	if err := json.Unmarshal(text, &read); err != nil {
		return fault(fmt.Errorf("there should be a context on standard input: %w", err))
	}
	ctx, err := read.context()
	if err != nil {
		return fault(fmt.Errorf("there should be a context on standard input: seed: %w", err))
	}
	output, err := action(ctx)
	for _, warning := range ctx.warnings {
		fmt.Fprintln(complaints, "warning:", warning)
	}
	if err != nil {
		fmt.Fprintln(complaints, err)
		retry, reject := failure(err)
		if retry != nil {
			return statusRetry
		}
		if reject.Code > 255 || reject.Code == statusRetry {
			return codeUnexpected
		}
		return int(reject.Code)
	}
	if _, err := out.Write(output); err != nil {
		return fault(err)
	}
	return 0
}
