package main

import (
	"cmp"
	"os"
	"regexp"
	"strings"

	"learninglog/internal/postgres"
)

// commandVariable is for containers: what people type to call a program in one.
const commandVariable = "LEARNINGLOG_COMMAND"

// paste returns a command line that a person can paste: the program as it is
// called, and the flags that select the database, unless the environment does. Of a
// database URL it shows only the address, because the rest may be secret. Where there
// is more, "…" makes the command fail until the person has filled it in.
func (f databaseFlags) paste(arguments ...string) string {
	switch {
	case f.DatabaseURL != "":
		if f.DatabaseURL != os.Getenv("DATABASE_URL") {
			arguments = append(arguments, "--database-url", shownURL(f.DatabaseURL))
		}
	case f.DataDir != defaultDataDir() && f.DataDir != os.Getenv("LEARNINGLOG_DATA_DIR"):
		arguments = append(arguments, "--data-dir", f.DataDir)
	}
	words := []string{called()}
	for _, argument := range arguments {
		words = append(words, quoted(argument))
	}
	return strings.Join(words, " ")
}

// called returns the program as people call it, quoted for the shell.
func called() string { return cmp.Or(os.Getenv(commandVariable), quoted(os.Args[0])) }

func shownURL(databaseURL string) string {
	shown := postgres.Address(databaseURL)
	switch {
	case !postgres.SaysMore(databaseURL):
		return shown
	case strings.Contains(shown, "?"):
		return shown + "&…"
	default:
		return shown + "?…"
	}
}

// quoted quotes a word for the shell, if necessary.
func quoted(word string) string {
	if regexp.MustCompile(`^[\w@%+=:,./-]+$`).MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
