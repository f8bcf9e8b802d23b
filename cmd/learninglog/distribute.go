package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"learninglog/internal/postgres"
)

type distributeCommand struct {
	databaseFlags

	Shards int `default:"32" help:"Into how many shards: some for each processor that the cluster may have one day."`
}

// Validate is called by kong.
func (c *distributeCommand) Validate() error {
	const most = 1024
	if c.Shards < 1 || c.Shards > most {
		return fmt.Errorf("--shards must be from 1 to %d", most)
	}
	return nil
}

// Run distributes the tables. Nobody reads or writes meanwhile.
func (c *distributeCommand) Run(ctx context.Context, stdout io.Writer) error {
	return c.withMigrator(ctx, c.openExisting, func(_ *database, migrator *postgres.Migrator) error {
		if err := migrator.Check(ctx); errors.Is(err, postgres.ErrNotMigrated) {
			return errors.New("the tables aren't of this version: run `learninglog migrate` first")
		} else if err != nil {
			return err
		}
		begun := time.Now()
		shards, err := migrator.Distribute(ctx, c.Shards)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(stdout, "The logs and the rollups are distributed by their users into %d shards, after %s. Start the services again.\n",
			shards, time.Since(begun).Round(time.Second/10))
		return err
	})
}
