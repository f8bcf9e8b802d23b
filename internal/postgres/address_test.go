package postgres_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"net/url"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
)

func TestAddressIsHostPortDatabaseAndUser(t *testing.T) {
	t.Parallel()
	for databaseURL, want := range map[string]string{
		"postgres://me:secret@host:5433/learning?sslmode=disable": "postgres://me@host:5433/learning",
		"postgresql://me@host/learning":                           "postgres://me@host:5432/learning",
		"host=host port=5433 user=me dbname=learning password=x":  "postgres://me@host:5433/learning",
		"postgres://me@one:1,two:2/learning?sslmode=prefer":       "postgres://me@one:1,two:2/learning",
		"postgres://me@[::1]:5433/learning":                       "postgres://me@[::1]:5433/learning",
		"postgres:///learning?host=/run/pg&user=me&password=x":    "postgres://me@/learning?host=%2Frun%2Fpg&port=5432",
		"host=/run/pg user=me dbname=learning":                    "postgres://me@/learning?host=%2Frun%2Fpg&port=5432",
		"postgres://me%40work:p%40ss@host/learning%2Flogs":        "postgres://me%40work@host:5432/learning%2Flogs",
		"host=host user='at work' dbname='a b@c'":                 "postgres://at%20work@host:5432/a%20b%40c",
		"postgres://a b": "",
	} {
		assert.Equal(t, want, postgres.Address(databaseURL), databaseURL)
		if want != "" {
			assertSamePlace(t, databaseURL, want)
		}
	}
}

// assertSamePlace asserts that both addresses select the same database.
func assertSamePlace(t *testing.T, one, other string) {
	t.Helper()
	place := func(address string) []any {
		config, err := pgxpool.ParseConfig(address)
		require.NoError(t, err, address)
		hosts := []any{config.ConnConfig.User, config.ConnConfig.Database, config.ConnConfig.Host, config.ConnConfig.Port}
		last := config.ConnConfig.Fallbacks
		if len(last) > 0 {
			hosts = append(hosts, last[len(last)-1].Host, last[len(last)-1].Port)
		}
		return hosts
	}
	want, got := place(one), place(other)
	for i := range min(len(want), len(got)) { // there are more where encryption is optional
		assert.Equal(t, want[i], got[i], "%s and %s", one, other)
	}
}

// Whatever pgx knows, and whatever it doesn't know and so passes to the server, is
// shown neither in an address nor in an error nor in a log.
func TestNothingElseOfADatabaseURLIsShown(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{"host": true, "port": true, "database": true, "dbname": true, "user": true}
	closed, open := pgtest.ClosedAddress(t), pgtest.EmptyURL(t)
	for _, setting := range append(settingsOfPgx(t), "options", "replication", "statement_timeout", "search_path", "not_known") {
		if shown[setting] {
			continue
		}
		for _, value := range []string{"s3cr3t", "-c s3cr3t=s3cr3t", "12345678987654321"} {
			for _, databaseURL := range []string{
				"postgres://me@" + closed + "/learning?" + setting + "=" + url.QueryEscape(value),
				"host=" + strings.Replace(closed, ":", " port=", 1) + " user=me dbname=learning " + setting + "='" + value + "'",
				open + "&" + setting + "=" + strings.ReplaceAll(url.QueryEscape(value), "+", "%20"),
			} {
				assertHidden(t, value, databaseURL)
			}
		}
	}
}

func assertHidden(t *testing.T, value, databaseURL string) {
	t.Helper()
	var log bytes.Buffer
	said := []string{postgres.Address(databaseURL)}
	if err := postgres.CheckURL(databaseURL); err != nil {
		said = append(said, err.Error())
	}
	pool, err := postgres.Open(t.Context(), databaseURL, time.Millisecond, slog.New(slog.NewTextHandler(&log, nil)))
	if err == nil {
		pool.Close()
	} else {
		said = append(said, err.Error())
	}
	for _, text := range append(said, log.String()) {
		assert.NotContains(t, text, value, databaseURL)
		assert.NotContains(t, text, "s3cr3t", databaseURL)
	}
}

// settingsOfPgx returns the names of all settings that pgx has a meaning for, from
// its source.
func settingsOfPgx(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, parse := range []any{pgconn.ParseConfigWithOptions, pgx.ParseConfigWithOptions, pgxpool.ParseConfig} {
		file, _ := runtime.FuncForPC(reflect.ValueOf(parse).Pointer()).FileLine(reflect.ValueOf(parse).Pointer())
		source, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		ast.Inspect(source, func(node ast.Node) bool {
			names = append(names, settingsIn(node)...)
			return true
		})
	}
	require.Subset(t, names, []string{"sslpassword", "passfile", "krbspn", "default_query_exec_mode", "pool_max_conns"})
	return names
}

// settingsIn returns the names in a list of settings (notRuntimeParams = map[…]…{"name": {}})
// or in a look-up of one (RuntimeParams["name"]).
func settingsIn(node ast.Node) (names []string) {
	switch node := node.(type) {
	case *ast.AssignStmt:
		name, isName := node.Lhs[0].(*ast.Ident)
		list, isList := node.Rhs[0].(*ast.CompositeLit)
		if !isName || !isList || name.Name != "notRuntimeParams" {
			return nil
		}
		for _, element := range list.Elts {
			if pair, ok := element.(*ast.KeyValueExpr); ok {
				names = append(names, unquoted(pair.Key)...)
			}
		}
	case *ast.IndexExpr:
		if of, ok := node.X.(*ast.SelectorExpr); ok && of.Sel.Name == "RuntimeParams" {
			return unquoted(node.Index)
		}
	}
	return names
}

func unquoted(expression ast.Expr) []string {
	if literal, ok := expression.(*ast.BasicLit); ok {
		if text, err := strconv.Unquote(literal.Value); err == nil {
			return []string{text}
		}
	}
	return nil
}

// A slash in a password that isn't written as %2F ends the address, so the rest of
// the password would be read as the name of a database.
func TestAPasswordIsNotReadAsTheNameOfADatabase(t *testing.T) {
	t.Parallel()
	for _, databaseURL := range []string{"postgres://me:12/s3cr3t@host/learning", "postgres://me:12@34/s3cr3t@host/learning?sslmode=disable"} {
		require.ErrorContains(t, postgres.CheckURL(databaseURL), "%2F for /", databaseURL)
		assertHidden(t, "s3cr3t", databaseURL)
	}
	require.NoError(t, postgres.CheckURL("postgres://me:12@host/learning?application_name=a@b"))
	require.NoError(t, postgres.CheckURL("postgres://me:1?2@host/learning%40work"))
}

func TestARefusedSettingIsSaidWithoutItsValue(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.EmptyURL(t)
	for setting, code := range map[string]string{"statement_timeout=s3cr3t": "22023", "not_known=s3cr3t": "42704"} {
		_, err := postgres.Open(t.Context(), databaseURL+"&"+setting, time.Minute, slog.New(slog.DiscardHandler))
		require.ErrorContains(t, err, "the server refuses one of the settings in the database URL")
		require.ErrorContains(t, err, code)
	}
}
