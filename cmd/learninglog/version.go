package main

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// version is set by the linker if there is no repository from which to read it: -X
// main.version=1.2.3.
var version string

type versionCommand struct{}

// Run prints the version and the revision of this build.
func (versionCommand) Run(stdout io.Writer) error {
	name, revision := build()
	if revision != "" {
		name += " " + revision
	}
	_, err := fmt.Fprintf(stdout, "learninglog %s (%s, %s/%s)\n", name, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// build returns the version given at build time, or else the version and the
// revision that the Go tool read from the repository, as far as they are known.
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
