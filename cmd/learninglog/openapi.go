package main

import (
	"io"

	"learninglog/command"
	"learninglog/internal/api"
)

type openAPICommand struct{}

// Run prints the document. It has no version that comes from the repository, of which it is a
// part.
func (openAPICommand) Run(stdout io.Writer) error {
	document, err := api.OpenAPI(version, command.DefaultLimits())
	if err != nil {
		return err
	}
	_, err = stdout.Write(document)
	return err
}
