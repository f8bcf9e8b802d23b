package embeddedpg

import (
	"context"
	"log/slog"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// FindBinaries is findBinaries, for the tests.
func FindBinaries(ctx context.Context, config Config, major int) (dir string, found int, err error) {
	binaries, err := findBinaries(ctx, config, major)
	return binaries.dir, binaries.major, err
}

// SharedBuffers is sharedBuffers, for the tests.
func SharedBuffers(memory memlimit.Provider) string { return sharedBuffers(memory) }

// Download is download, for the tests.
func Download(ctx context.Context, major int) (dir string, found int, err error) {
	binaries, err := download(ctx, major, slog.New(slog.DiscardHandler))
	return binaries.dir, binaries.major, err
}
