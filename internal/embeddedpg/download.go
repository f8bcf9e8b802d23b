package embeddedpg

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// download returns PostgreSQL's binaries of a major version, the newest one
// where major is 0, from the cache or else from Maven Central.
//
// The library that knows how to fetch them would also run the server, but not
// as root, not without wiping a cluster of another version, and not so that the
// server ends with its parent. It has no call that only fetches: so it is given
// a data directory that can't be, and gives up as soon as it has fetched.
func download(ctx context.Context, major int, logger *slog.Logger) (binaries, error) {
	versions := map[int]embeddedpostgres.PostgresVersion{
		0:  embeddedpostgres.V18,
		15: embeddedpostgres.V15,
		16: embeddedpostgres.V16,
		17: embeddedpostgres.V17,
		18: embeddedpostgres.V18,
	}
	version, ok := versions[major]
	if !ok {
		return binaries{}, fmt.Errorf("there is no PostgreSQL %d to download", major)
	}
	cache, err := cacheDir()
	if err != nil {
		return binaries{}, err
	}
	dir := filepath.Join(cache, "postgresql-"+string(version))
	if cached, err := inspect(ctx, filepath.Join(dir, "bin")); err == nil {
		return cached, nil
	}

	logger.InfoContext(ctx, "no PostgreSQL found on this machine; downloading it once", "version", version, "to", dir)
	fetched := make(chan error, 1)
	go func() { fetched <- fetch(ctx, version, cache, dir) }()
	select { // the library can't be interrupted
	case err = <-fetched:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return binaries{}, fmt.Errorf("downloading PostgreSQL %s: %w", version, err)
	}
	return inspect(ctx, filepath.Join(dir, "bin"))
}

// fetch downloads a version beside its place first, so that what was interrupted
// is not mistaken for what is whole.
func fetch(ctx context.Context, version embeddedpostgres.PostgresVersion, cache, dir string) error {
	unfinished, err := os.MkdirTemp(cache, "unfinished-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(unfinished) }()
	unpacked := filepath.Join(unfinished, "postgresql")
	gaveUp := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		Version(version).
		CachePath(unfinished).
		BinariesPath(unpacked).
		RuntimePath(filepath.Join(unfinished, "run")).
		DataPath(filepath.Join(os.DevNull, "there is no such directory")).
		Port(0).
		Logger(nil)).
		Start()
	if _, err := os.Stat(filepath.Join(unpacked, "bin", "postgres")); err != nil {
		return gaveUp
	}
	if _, err := inspect(ctx, filepath.Join(unpacked, "bin")); err != nil {
		return fmt.Errorf("trying what was downloaded: %w", err)
	}
	if err := os.Rename(unpacked, dir); err != nil {
		_, err = inspect(ctx, filepath.Join(dir, "bin")) // another process was faster
		return err
	}
	return nil
}

// cacheDir is the user's, or one that every user may pass to if that is root's:
// the server doesn't run as root.
func cacheDir() (string, error) {
	dir := "/var/cache/learninglog"
	if os.Geteuid() != 0 {
		own, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("finding the cache directory: %w", err)
		}
		dir = filepath.Join(own, "learninglog")
	}
	return dir, os.MkdirAll(dir, 0o755) //nolint:gosec // the server's user has to pass through it
}
