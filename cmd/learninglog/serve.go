package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"learninglog/command"
)

type serveCommand struct {
	databaseFlags
	authFlags

	Addr              string        `env:"LEARNINGLOG_ADDR" default:"127.0.0.1:8080" help:"Where to listen: host:port, or a Unix socket, such as unix:/run/learninglog.sock. Port 0 takes a free one."`
	AllowedHosts      []string      `env:"LEARNINGLOG_ALLOWED_HOSTS" placeholder:"NAME" help:"The host names by which the service is known, joined by commas: learn.example.com, *.example.com for all below it, or * for any. It answers requests for addresses, for localhost and for these, so that no page of another site can pass for one of its own."`
	AllowedOrigins    []string      `env:"LEARNINGLOG_ALLOWED_ORIGINS" placeholder:"ORIGIN" help:"The origins of web apps on other sites that may use the API, joined by commas, such as https://app.example.com. Their pages send a key, as programs do; no cookie of a visitor counts for them. Without --auth, they may do everything."`
	TrustedProxies    []network     `env:"LEARNINGLOG_TRUSTED_PROXIES" placeholder:"NETWORK" help:"The addresses of the proxies before the service, joined by commas, such as 10.0.0.0/8 or 192.0.2.7. Who a request is from is then the last address in its X-Forwarded-For that isn't one of these, for the shares of callers without keys and for wrong keys. Only name proxies that add to that header. At a Unix socket, whoever connects is one if any is named. Connections are still counted by where they come from, so a proxy may have half of --max-connections."`
	MaxConnections    int           `env:"LEARNINGLOG_MAX_CONNECTIONS" default:"2048" help:"How many connections may be open, of which one caller (an address) may have half. There are fewer where the system allows fewer open files."`
	LogsPerSecond     int           `env:"LEARNINGLOG_LOGS_PER_SECOND" default:"0" help:"How many logs a second a caller without a limit of their own may write, on average: a key, or an address where there are none. What ten seconds allow, or 10000 logs, may come at once. Beyond that, posts are answered 429, and NDJSON is read more slowly. 0: no limit."`
	Admin             bool          `env:"LEARNINGLOG_ADMIN" default:"true" negatable:"" help:"Serve the pages for operators, under /admin. Without --auth they have no login."`
	Demo              bool          `help:"First fill an empty database with a year of made-up logs of some learners, to look at. Refuses where there are logs."`
	LogLevel          logLevel      `env:"LEARNINGLOG_LOG_LEVEL" default:"info" help:"What to log: debug, info, warn or error."`
	LogFormat         string        `env:"LEARNINGLOG_LOG_FORMAT" enum:"text,json" default:"text" help:"How to log, on standard error: text or json."`
	RequestTimeout    time.Duration `env:"LEARNINGLOG_REQUEST_TIMEOUT" default:"15s" help:"How long a request may wait for the database."`
	ShutdownTimeout   time.Duration `env:"LEARNINGLOG_SHUTDOWN_TIMEOUT" default:"20s" help:"How long requests, writes and rebuilds may take to finish when the service stops, all together. Each of them has at least a second."`
	WriteBatch        int           `env:"LEARNINGLOG_WRITE_BATCH" default:"1000" help:"About how many logs of different requests may share a commit. 1: every post has a commit of its own."`
	WriteLanes        int           `env:"LEARNINGLOG_WRITE_LANES" default:"2" help:"How many commits may be under way at the same time, each on a connection of its own. The users are divided among them. In a cluster, at each node."`
	RedisURL          string        `name:"redis-url" env:"LEARNINGLOG_REDIS_URL" placeholder:"redis://…" help:"The Redis through which replicas tell each other what they have recorded, so that a log that is sent again to another replica is answered faster. Nothing is kept in it, and nothing depends on it."`
	WriteQueue        int           `env:"LEARNINGLOG_WRITE_QUEUE" default:"20000" help:"How many logs may wait to be written, before requests are answered 503. Those of small posts of one caller may fill half."`
	TimeZone          timeZone      `env:"LEARNINGLOG_TIME_ZONE" default:"UTC" placeholder:"ZONE" help:"Where the clocks of learners are whose logs have no zone: an IANA name such as Asia/Tokyo. It changes nothing that is recorded already: see rezone."`
	MaxWordCount      int           `env:"LEARNINGLOG_MAX_WORD_COUNT" default:"1000000" help:"The most words that a log may have."`
	EarliestTimestamp instant       `env:"LEARNINGLOG_EARLIEST_TIMESTAMP" default:"2000-01-01T00:00:00Z" help:"The first timestamp that a log may have."`
	MaxAhead          time.Duration `env:"LEARNINGLOG_MAX_AHEAD" default:"24h" help:"How far a log's timestamp may be in the future."`
	RebuildChunkLogs  int           `env:"LEARNINGLOG_REBUILD_CHUNK_LOGS" default:"200000" help:"How many logs a rebuild reads in one transaction."`
	VerifyEvery       time.Duration `env:"LEARNINGLOG_VERIFY_EVERY" default:"1h" help:"How often a sample and whoever was active are verified by themselves. 0: never."`
	VerifySample      int           `env:"LEARNINGLOG_VERIFY_SAMPLE" default:"200000" help:"About how many logs that sample has. The next goes on with the next users, so that everybody's turn comes."`
	KeepLogs          days          `env:"LEARNINGLOG_KEEP_LOGS" placeholder:"TIME" help:"How long logs are kept, in whole days, such as 400d: older ones are refused, and deleted a day later, once a day. What they add up to is kept for ever. Without it, all logs are kept. See purge --help."`
	KeepAudit         days          `env:"LEARNINGLOG_KEEP_AUDIT" default:"365d" placeholder:"TIME" help:"How long it is kept what was done by whom, such as 365d. 0: for ever."`
	VerifyRepairs     bool          `env:"LEARNINGLOG_VERIFY_REPAIRS" help:"Repair the drift that is found so, instead of only telling of it."`
}

// Validate is called by kong.
func (c *serveCommand) Validate() error {
	const maxInt32, maxLogsPerSecond = 1<<31 - 1, 1_000_000_000
	switch {
	case c.MaxWordCount < 1 || c.MaxWordCount > maxInt32:
		return fmt.Errorf("--max-word-count must be from 1 to %d", maxInt32)
	case c.EarliestTimestamp.at.Year() < 2 || c.EarliestTimestamp.at.Year() > 9000:
		return errors.New("--earliest-timestamp must be in the years 2 to 9000")
	case c.MaxAhead < 0 || c.MaxAhead > 24*366*100*time.Hour:
		return errors.New("--max-ahead must be from 0 to 100 years")
	case c.LogsPerSecond < 0 || c.LogsPerSecond > maxLogsPerSecond:
		return fmt.Errorf("--logs-per-second must be from 1 to %d, or 0 for no limit", maxLogsPerSecond)
	case c.MaxConnections < 2:
		return errors.New("--max-connections must be at least 2")
	case c.RebuildChunkLogs < 1:
		return errors.New("--rebuild-chunk-logs must be at least 1")
	case c.VerifyEvery != 0 && c.VerifyEvery < time.Second:
		return errors.New("--verify-every must be at least 1s, or 0 for never")
	case c.VerifySample < 0:
		return errors.New("--verify-sample must be at least 0")
	case c.WriteBatch < 1:
		return errors.New("--write-batch must be at least 1")
	case c.WriteLanes < 1:
		return errors.New("--write-lanes must be at least 1")
	case c.WriteQueue < 1:
		return errors.New("--write-queue must be at least 1")
	case c.KeepLogs.duration != 0 && wrongDays("--keep-logs", c.KeepLogs) != nil:
		return wrongDays("--keep-logs", c.KeepLogs)
	case c.RequestTimeout <= 0:
		return errors.New("--request-timeout must be more than 0")
	case c.ShutdownTimeout <= 0:
		return errors.New("--shutdown-timeout must be more than 0")
	}
	return cmp.Or(c.checkRedis(), checkAddress(c.Addr), c.authFlags.check(c.Addr), checkHosts(c.AllowedHosts), checkOrigins(c.AllowedOrigins), c.databaseFlags.Validate())
}

// Run serves until ctx ends.
func (c *serveCommand) Run(ctx context.Context, stdout io.Writer) error {
	tuneGarbageCollection()
	signal.Ignore(syscall.SIGPIPE) // the service must survive the end of the process that reads its log
	return newService(c, stdout).run(ctx)
}

// tuneGarbageCollection lets the heap grow to five times what is in use before
// garbage is collected. Little is in use, so with Go's default factor of two,
// garbage collection would take a tenth of the time under load. GOGC overrides this.
//
// When much is in use, for example while many large requests arrive at once, a
// factor of five would waste memory. So above a limit, garbage is collected as often
// as necessary to stay below it. The limit applies to all of Go's memory, and it is
// soft: the memory in use may exceed it, and then garbage collection takes at most
// half of the time. GOMEMLIMIT overrides it.
func tuneGarbageCollection() {
	const percent, limit = 400, 192 << 20
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit)
	}
}

func (c *serveCommand) limits() command.Limits {
	return command.Limits{MaxWordCount: c.MaxWordCount, Earliest: c.EarliestTimestamp.at, MaxAhead: c.MaxAhead}
}

func (c *serveCommand) trustedProxies() (networks []netip.Prefix) {
	for _, n := range c.TrustedProxies {
		networks = append(networks, n.prefix)
	}
	return networks
}

func (c *serveCommand) logger() *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel.level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}
