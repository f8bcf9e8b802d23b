// Package migrations holds the database schema as numbered SQL files, embedded in
// the binary and run by golang-migrate.
//
// Every file must be safe to run twice (IF NOT EXISTS, IF EXISTS) and must run in
// one transaction, as PostgreSQL runs the statements of one simple query. Then, if a
// process dies in the middle of a migration, the next process can simply repeat it.
package migrations

import "embed"

// FS has the files NNNN_name.up.sql and NNNN_name.down.sql.
//
//go:embed *.sql
var FS embed.FS
