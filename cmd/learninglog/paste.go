package main

import (
	"cmp"
	"os"
	"regexp"
	"strings"
)

// paste returns a command line that a person can paste: the program as it was
// called, and the flags that select the database, unless the environment does. The
// password of an address is left out; the person has to fill it in.
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

// quoted quotes a word for the shell, if necessary.
func quoted(word string) string {
	if regexp.MustCompile(`^[\w@%+=:,./-]+$`).MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
