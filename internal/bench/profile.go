package main

import (
	"context"
	"fmt"
	"time"
)

// profileCommand puts load on a service for a while, and prints its address.
type profileCommand struct {
	Batch   int      `default:"1" help:"How many logs a post has."`
	Serve   []string `help:"More arguments for the service." sep:"none"`
	Ordered bool     `help:"Request ids that begin with the time."`
}

// Run prints the rate, the memory and the latencies of each round.
func (c *profileCommand) Run(ctx context.Context, f *flags) (err error) {
	scratch, err := newScratch(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, scratch.close) }()
	service, err := scratch.serve(ctx, f.Binary, scratch.server.URL(), c.Serve...)
	if err != nil {
		return err
	}
	fmt.Printf("service %s, process %d; PostgreSQL %s, process %d\n",
		service.address, service.command.Process.Pid, scratch.server.URL(), scratch.server.PID())
	newID := randomID
	if c.Ordered {
		newID = orderedID
	}
	for range f.Rounds {
		for _, clients := range f.Clients {
			load := load{
				service: service, clients: clients, batch: c.Batch,
				users: newIDs(f.Users), newID: newID, duration: f.Duration,
			}
			found, err := load.run(ctx)
			if err != nil {
				return err
			}
			resident, err := service.residentBytes()
			if err != nil {
				return err
			}
			fmt.Printf("%4d clients %8.0f logs/s  p50 %s p95 %s p99 %s  %d MiB  service %s PostgreSQL %s\n", clients, found.rate,
				rounded(found.percentile(50)), rounded(found.percentile(95)), rounded(found.percentile(99)), resident>>20,
				found.spent.service, found.spent.database)
		}
	}
	return nil
}

func rounded(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
