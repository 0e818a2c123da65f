module fusebox.dev/fusebox

go 1.24
