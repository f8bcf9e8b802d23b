// Bench measures the service against bare inserts, on a scratch PostgreSQL of its
// own.
//
// The variants run in turns, on the same server and on all cores of the machine,
// which the load generators use too. So only ratios within one run are meaningful.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

type flags struct {
	Binary   string        `default:"bin/learninglog" help:"The service."`
	Dir      string        `type:"path" help:"Where the scratch database goes, and is removed from. Default: a temporary directory."`
	Clients  []int         `default:"1,16,64,256" help:"How many clients post at the same time, each waiting for its answer."`
	Rounds   int           `default:"3" help:"How often everything is measured, in turns."`
	Duration time.Duration `default:"5s" help:"How long each measurement takes."`
	Users    int           `default:"10000" help:"How many users the logs are of, at random."`

	Settings map[string]string `name:"set" placeholder:"NAME=VALUE" help:"Settings of PostgreSQL, such as shared_buffers=2GB."`

	Posts   postsCommand   `cmd:"" default:"withargs" help:"Single posts and batches against pgbench's bare inserts."`
	Size    sizeCommand    `cmd:"" help:"Single posts into a table with many logs against an empty one."`
	Rebuild rebuildCommand `cmd:"" help:"Verifying and rebuilding against counting the same sums in one statement."`
	Online  onlineCommand  `cmd:"" help:"Single posts while everything is being rebuilt, against posts alone."`
	Purge   purgeCommand   `cmd:"" help:"What a purge keeps, what it costs posts, DELETE and verifications, and what it frees."`
	Reads   readsCommand   `cmd:"" help:"Summaries and pages against pgbench's reading of the same rows."`
	Versus  versusCommand  `cmd:"" help:"Posts, reads and rebuilds against another build of the service."`
	Profile profileCommand `cmd:"" help:"Load for a while, to look at with a profiler."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var f flags
	parsed := kong.Parse(&f,
		kong.Name("bench"),
		kong.Description("Measures the service on a scratch PostgreSQL of its own."),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(&f))
	return parsed.Run()
}
