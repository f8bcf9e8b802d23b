package main

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// version is set by the linker where there is no repository to take it from:
// -X main.version=1.2.3.
var version string

type versionCommand struct{}

// Run prints which build this is.
func (versionCommand) Run(stdout io.Writer) error {
	name, revision := build()
	if revision != "" {
		name += " " + revision
	}
	_, err := fmt.Fprintf(stdout, "learninglog %s (%s, %s/%s)\n", name, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// build returns the version that the program was built with, or else that which
// the Go tool took from the repository, and the revision, if that is known.
func build() (name, revision string) {
	name = version
	if info, ok := debug.ReadBuildInfo(); ok {
		name = cmp.Or(name, info.Main.Version)
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				revision = setting.Value
			}
		}
	}
	return name, revision
}
