package main

import (
	"cmp"
	"os"
	"regexp"
	"strings"
)

// paste returns a command line for a person to paste: the program as it was typed,
// and the flags that name the database, where the environment doesn't. The password
// of an address is left out, and is to be filled in.
func (f databaseFlags) paste(arguments ...string) string {
	words := append([]string{os.Args[0]}, arguments...)
	switch {
	case f.DatabaseURL != "":
		if f.DatabaseURL != os.Getenv("DATABASE_URL") {
			words = append(words, "--database-url", cmp.Or(withoutPassword(f.DatabaseURL), "…"))
		}
	case f.DataDir != defaultDataDir() && f.DataDir != os.Getenv("LEARNINGLOG_DATA_DIR"):
		words = append(words, "--data-dir", f.DataDir)
	}
	for i, word := range words {
		words[i] = quoted(word)
	}
	return strings.Join(words, " ")
}

// quoted returns a word as a shell takes it for one.
func quoted(word string) string {
	if regexp.MustCompile(`^[\w@%+=:,./-]+$`).MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
