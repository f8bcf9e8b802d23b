package sharding

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// manyRows are so many that they cost less as arrays than as values. Both are planned for
// each shard. For values Citus also writes, and each shard parses and plans, an expression
// for each value. Arrays go through a file for each shard. At a node with 16 shards, 32 logs
// took 4.4 ms as values and 5.4 ms as arrays, 64 took 7.2 and 6.3 ms, 1,000 took 75 and 24 ms.
const manyRows = 64

// RowsSQL returns rows for a statement that inserts them, and its arguments: for few rows
// VALUES, and for many a SELECT from arrays. The statement returns, and locks, in the order
// of the rows at each shard.
//
// The columns are arrays of the same length, at most nine, and not empty. row has the
// expressions of a row, in which $1::uuid is its value in the first column, say: each
// parameter is followed by the name of its type.
func RowsSQL(row string, columns ...pgtype.ArrayGetter) (sql string, arguments []any) {
	if rows := int(columns[0].Dimensions()[0].Length); rows < manyRows {
		return valuesSQL(row, rows, columns)
	}
	return arraysSQL(row, columns)
}

// valuesSQL makes pgx send the statement and its parameters at once. There is one for each
// number of rows, so preparing them isn't worth it.
func valuesSQL(row string, rows int, columns []pgtype.ArrayGetter) (string, []any) {
	var sql strings.Builder
	arguments := []any{pgx.QueryExecModeExec}
	parts := strings.Split(row, "$")
	for n := range rows {
		sql.WriteString([]string{" VALUES (", ", ("}[min(n, 1)] + parts[0])
		for _, part := range parts[1:] {
			fmt.Fprintf(&sql, "$%d%s", n*len(columns)+int(part[0]-'0'), part[1:])
		}
		sql.WriteByte(')')
		for _, column := range columns {
			arguments = append(arguments, column.Index(n))
		}
	}
	return sql.String(), arguments
}

// parameter is a parameter with the name of its type.
var parameter = regexp.MustCompile(`\$(\d)::(\w+)`)

func arraysSQL(row string, columns []pgtype.ArrayGetter) (string, []any) {
	arrays, names, arguments := make([]string, len(columns)), make([]string, len(columns)), make([]any, len(columns))
	for i, column := range columns {
		names[i], arguments[i] = fmt.Sprintf("c%d", i+1), column
	}
	for _, found := range parameter.FindAllStringSubmatch(row, -1) {
		arrays[found[1][0]-'1'] = found[0] + "[]"
	}
	return ` SELECT ` + parameter.ReplaceAllString(row, "c$1") +
		` FROM unnest(` + strings.Join(arrays, ", ") + `) AS submitted (` + strings.Join(names, ", ") + `)`, arguments
}
