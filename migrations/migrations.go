// Package migrations holds the database schema as numbered SQL files, embedded
// in the binary and run by golang-migrate.
//
// Every file must be safe to run twice (IF NOT EXISTS, IF EXISTS) and must run
// in one transaction, as PostgreSQL runs the several statements of one simple
// query: then a process that dies in the middle of a migration leaves nothing
// that the next one can't simply repeat.
package migrations

import "embed"

// FS has the files NNNN_name.up.sql and NNNN_name.down.sql.
//
//go:embed *.sql
var FS embed.FS
