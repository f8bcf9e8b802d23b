package main

import (
	"cmp"
	"os"
	"regexp"
	"strings"

	"learninglog/internal/postgres"
)

// commandVariable is for containers: what people type there to call the program, which
// was itself called by something else.
const commandVariable = "LEARNINGLOG_COMMAND"

// paste returns a command line that a person can paste: the program as it was
// called, and the flags that select the database, unless the environment does. Of a
// database URL it shows only the address, because the rest may be secret. Where there
// is more, "…" makes the command fail until the person has filled it in.
func (f databaseFlags) paste(arguments ...string) string {
	words := arguments
	switch {
	case f.DatabaseURL != "":
		if f.DatabaseURL != os.Getenv("DATABASE_URL") {
			words = append(words, "--database-url", shownURL(f.DatabaseURL))
		}
	case f.DataDir != defaultDataDir() && f.DataDir != os.Getenv("LEARNINGLOG_DATA_DIR"):
		words = append(words, "--data-dir", f.DataDir)
	}
	line := cmp.Or(os.Getenv(commandVariable), quoted(os.Args[0]))
	for _, word := range words {
		line += " " + quoted(word)
	}
	return line
}

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
