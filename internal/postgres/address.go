package postgres

import (
	"errors"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Address says where the database of a URL is, for people: its hosts and ports, its
// name and the user, as a URL. It is made from nothing else, as everything else may
// be secret. For a URL that can't be read it is empty.
func Address(databaseURL string) string {
	config, err := parse(databaseURL)
	if err != nil {
		return ""
	}
	var hosts, ports, both []string
	for _, server := range servers(config) {
		hosts, ports = append(hosts, server.host), append(ports, server.port)
		both = append(both, net.JoinHostPort(server.host, server.port))
	}
	start, name := "postgres://"+escaped(config.ConnConfig.User)+"@", "/"+escaped(config.ConnConfig.Database)
	if slices.ContainsFunc(hosts, isSocket) { // which has no place before the name
		return start + name + "?host=" + escaped(strings.Join(hosts, ",")) + "&port=" + escaped(strings.Join(ports, ","))
	}
	return start + strings.Join(both, ",") + name
}

// SaysMore reports whether the URL has settings that its [Address] doesn't show.
func SaysMore(databaseURL string) bool {
	return strings.Contains(databaseURL, "?") || !isURL(databaseURL)
}

type server struct{ host, port string }

// servers returns the servers that are tried, in their order. pgx has each of them
// once for each way to encrypt.
func servers(config *pgxpool.Config) []server {
	tried := []server{{config.ConnConfig.Host, strconv.Itoa(int(config.ConnConfig.Port))}}
	for _, fallback := range config.ConnConfig.Fallbacks {
		next := server{fallback.Host, strconv.Itoa(int(fallback.Port))}
		if !slices.Contains(tried, next) {
			tried = append(tried, next)
		}
	}
	return tried
}

func isSocket(host string) bool {
	network, _ := pgconn.NetworkAddress(host, 0)
	return network == "unix"
}

// escaped escapes a part of a URL as pgx reads it, which doesn't take + for a space.
func escaped(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

func isURL(text string) bool {
	return strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://")
}

// parse parses a URL. Its error has no part of the URL; that of pgx might.
func parse(databaseURL string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil || hasStrayAt(databaseURL) {
		return nil, errors.New("the database URL can't be read: expected postgres://user:password@host:5432/database, " +
			"with %40 for @, %2F for / and so on within the password; files that it names must be readable")
	}
	return config, nil
}

// hasStrayAt reports whether an @ in a URL comes after a slash. Then the slash is
// probably part of a password, the rest of which would be read as the name of the
// database.
func hasStrayAt(databaseURL string) bool {
	_, rest, _ := strings.Cut(databaseURL, "://")
	beforeSettings, _, _ := strings.Cut(rest, "?")
	_, name, _ := strings.Cut(beforeSettings, "/")
	return isURL(databaseURL) && strings.Contains(name, "@")
}
