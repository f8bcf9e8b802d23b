package main

import (
	"io"

	"learninglog/command"
	"learninglog/internal/api"
)

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
