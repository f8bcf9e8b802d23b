package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// keyVariable is where a key may be found.
const keyVariable = "LEARNINGLOG_KEY"

// keyFlags say which key a command shows to a service. A key can't be an argument, because
// whoever may list the processes of a machine sees their arguments.
type keyFlags struct {
	Key     noArgument `hidden:""`
	KeyFile string     `name:"key-file" env:"LEARNINGLOG_KEY_FILE" type:"path" placeholder:"FILE" help:"A file that has a key for the service, for one that runs with --auth=keys. Without it, the key is in the variable LEARNINGLOG_KEY. It can't be an argument, because others could see it in the list of processes."`
}

// noArgument is a flag that people expect, and that must not have a value.
type noArgument struct{}

// UnmarshalText is called by kong. Its error doesn't repeat the key.
func (*noArgument) UnmarshalText([]byte) error {
	return errors.New("others could see the key in the list of processes: set the variable " + keyVariable + ", or name a file that has it with --key-file")
}

// read returns the key, or an empty text if there is none. No error repeats it.
func (f *keyFlags) read() (key string, err error) {
	key, from := os.Getenv(keyVariable), keyVariable
	if f.KeyFile != "" {
		text, err := os.ReadFile(f.KeyFile)
		if err != nil {
			return "", fmt.Errorf("reading --key-file: %w", err)
		}
		if key, from = strings.TrimSpace(string(text)), f.KeyFile; key == "" {
			return "", fmt.Errorf("%s is empty: it must have a key", from)
		}
	}
	isOdd := func(r rune) bool { return r <= ' ' || r > '~' }
	if strings.ContainsFunc(key, isOdd) {
		return "", fmt.Errorf("%s must have one key, such as llk_…, and nothing else", from)
	}
	return key, nil
}
