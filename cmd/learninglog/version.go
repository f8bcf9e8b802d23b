package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"learninglog/command"
	"learninglog/internal/api"
)

type versionCommand struct{}

// Run prints the version that the Go tool took from the repository.
func (versionCommand) Run(stdout io.Writer) error {
	version, revision := "(unknown)", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				revision = " " + setting.Value
			}
		}
	}
	_, err := fmt.Fprintf(stdout, "learninglog %s%s (%s, %s/%s)\n", version, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

type openAPICommand struct{}

// Run prints the document.
func (openAPICommand) Run(stdout io.Writer) error {
	document, err := api.OpenAPI(command.DefaultLimits())
	if err != nil {
		return err
	}
	_, err = stdout.Write(document)
	return err
}
