module conformance

go 1.24

require fusebox.dev/fusebox v0.1.0

replace fusebox.dev/fusebox => ../../../guest-sdk/go
