package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"learninglog/internal/access"
	"learninglog/internal/audit"
	"learninglog/internal/postgres"
)

type keyCommand struct {
	Create keyCreateCommand `cmd:"" help:"Create a key, and print it, once."`
	List   keyListCommand   `cmd:"" help:"List all keys, without what is secret of them."`
	Rotate keyRotateCommand `cmd:"" help:"Create a key that is like another, which goes on for a while."`
	Revoke keyRevokeCommand `cmd:"" help:"Make a key unknown. Every service refuses it within ten seconds."`
}

// Help is the additional text of --help.
func (*keyCommand) Help() string {
	return `A service that runs with --auth=keys serves whoever has a key, as "Authorization: Bearer llk_…". These commands change the keys in its database, so whoever may use that may use them.

  learninglog key create --name backend --scopes logs:write,logs:read
  learninglog key create --name "Aiko's phone" --scopes logs:write,logs:read --user 0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22
  learninglog key create --name prometheus --scopes rebuilds --expires 90d

The scopes: logs:write records logs and takes them back; logs:read reads them, and what is made of them; rebuilds is for operators: rebuilds, verifications, re-zones, metrics and /admin; keys creates and revokes keys, also at /admin/keys.`
}

type keyCreateCommand struct {
	databaseFlags

	Name    string         `required:"" help:"What people call it, such as backend."`
	Scopes  []access.Scope `required:"" help:"What it may do: some of logs:write, logs:read, rebuilds, keys, joined by commas."`
	User    *userID        `placeholder:"UUID" help:"The only learner whose logs it may write and read."`
	Rate    *int           `placeholder:"LOGS" help:"How many logs a second it may write, on average. Without it, as many as serve --logs-per-second says."`
	Expires *days          `placeholder:"TIME" help:"After what time it is no longer known, such as 90d or 12h. Without it, it is known until it is revoked."`
}

// Validate is called by kong.
func (c *keyCreateCommand) Validate() error {
	if c.Rate != nil && *c.Rate < 1 {
		return errors.New("--rate must be at least 1")
	}
	err := c.wanted().Check(time.Now())
	if wrong, ok := errors.AsType[*access.InvalidError](err); ok {
		return fmt.Errorf("--%s %s", flagOf(wrong.Field), wrong.Message)
	}
	return cmp.Or(err, c.databaseFlags.Validate())
}

// flagOf returns the name of the flag that says a field of a key.
func flagOf(field access.Field) string {
	switch field {
	case access.FieldLogsPerSecond:
		return "rate"
	case access.FieldExpiresAt:
		return "expires"
	case access.FieldName, access.FieldScopes:
	}
	return string(field)
}

func (c *keyCreateCommand) wanted() access.NewKey {
	wanted := access.NewKey{Name: c.Name, Scopes: c.Scopes}
	if c.User != nil {
		wanted.UserID = &c.User.UUID
	}
	if c.Rate != nil {
		wanted.LogsPerSecond = *c.Rate
	}
	if c.Expires != nil {
		wanted.ExpiresAt = new(time.Now().Add(c.Expires.duration))
	}
	return wanted
}

// Run creates the key.
func (c *keyCreateCommand) Run(ctx context.Context, stdout io.Writer) error {
	return c.withKeys(ctx, func(keys audit.Keys) error {
		key, secret, err := keys.Create(ctx, c.wanted())
		if err != nil {
			return err
		}
		return printSecret(stdout, key, secret)
	})
}

// printSecret prints a new key. Only the key itself goes to a pipe, so that it can be
// stored where it is needed.
func printSecret(stdout io.Writer, key access.Key, secret string) error {
	if file, ok := stdout.(*os.File); !ok || !isTerminal(file) {
		_, err := fmt.Fprintln(stdout, secret)
		return err
	}
	_, err := fmt.Fprintf(stdout, "Key %d (%s). This is the only time that it is shown:\n\n  %s\n\n", key.ID, key.Name, secret)
	return err
}

type keyListCommand struct{ databaseFlags }

// Run lists the keys.
func (c *keyListCommand) Run(ctx context.Context, stdout io.Writer) error {
	return c.withKeys(ctx, func(keys audit.Keys) error {
		listed, err := keys.List(ctx)
		if err != nil {
			return err
		}
		if len(listed) == 0 {
			_, err := fmt.Fprintf(stdout, "There are no keys yet: see %s\n", c.paste("key", "create", "--help"))
			return err
		}
		table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(table, "id\tname\tkey\tscopes\tuser\tlogs a second\tstate\texpires\tlast used, by the last note")
		now := time.Now()
		for _, k := range listed {
			_, _ = fmt.Fprintf(table, "%d\t%s\t%s…\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, k.Beginning, access.JoinScopes(k.Scopes, ","),
				orDash(k.UserID), rateOrDash(k.LogsPerSecond), k.State(now), dateOrDash(k.ExpiresAt), dateOrDash(k.LastUsedAt))
		}
		return table.Flush()
	})
}

func orDash(id *uuid.UUID) string {
	if id == nil {
		return "-"
	}
	return id.String()
}

func rateOrDash(logs int) string {
	if logs == 0 {
		return "-"
	}
	return strconv.Itoa(logs)
}

func dateOrDash(at *time.Time) string {
	if at == nil {
		return "-"
	}
	return at.UTC().Format("2006-01-02 15:04Z")
}

type keyRotateCommand struct {
	databaseFlags

	ID      int64 `arg:"" help:"The id of the key: see key list."`
	Overlap days  `default:"24h" help:"How long the old key goes on being known, such as 24h or 7d."`
}

// Run rotates the key.
func (c *keyRotateCommand) Run(ctx context.Context, stdout io.Writer) error {
	return c.withKeys(ctx, func(keys audit.Keys) error {
		key, secret, err := keys.Rotate(ctx, c.ID, c.Overlap.duration)
		if errors.Is(err, access.ErrNotFound) {
			return fmt.Errorf("there is no active key %d: see %s", c.ID, c.paste("key", "list"))
		}
		if err != nil {
			return err
		}
		return printSecret(stdout, key, secret)
	})
}

type keyRevokeCommand struct {
	databaseFlags

	ID int64 `arg:"" help:"The id of the key: see key list."`
}

// Run revokes the key.
func (c *keyRevokeCommand) Run(ctx context.Context, stdout io.Writer) error {
	return c.withKeys(ctx, func(keys audit.Keys) error {
		key, err := keys.Revoke(ctx, c.ID)
		if errors.Is(err, access.ErrNotFound) {
			return fmt.Errorf("there is no key %d: see %s", c.ID, c.paste("key", "list"))
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(stdout, "Key %d (%s) is revoked: every service refuses it within ten seconds.\n", key.ID, key.Name)
		return err
	})
}

// withKeys calls work with the keys in the database.
func (f databaseFlags) withKeys(ctx context.Context, work func(audit.Keys) error) (err error) {
	opened, err := f.openExisting(ctx, commandLogger())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.close()) }()
	migrator, err := postgres.NewMigrator(opened.pool, commandLogger())
	if err != nil {
		return err
	}
	if err := f.check(ctx, migrator); err != nil {
		return err
	}
	return work(audit.Keys{KeyStore: access.NewKeys(opened.pool), Trail: audit.NewOfCommand(opened.pool, commandLogger())})
}

// days is a duration that may be in days.
type days struct{ duration time.Duration }

// UnmarshalText is called by kong.
func (d *days) UnmarshalText(text []byte) (err error) {
	const day, most = 24 * time.Hour, 36_500
	if number, ok := strings.CutSuffix(string(text), "d"); ok {
		var days int
		days, err = strconv.Atoi(number)
		if err == nil && (days < 0 || days > most) {
			err = strconv.ErrRange
		}
		d.duration = time.Duration(days) * day
	} else {
		d.duration, err = time.ParseDuration(string(text))
	}
	if err != nil || d.duration < 0 {
		return fmt.Errorf("must be a time such as 90d or 12h, not %.100q", text)
	}
	return nil
}
