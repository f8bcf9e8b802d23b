package dashboard

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/maypok86/otter/v2"

	"learninglog/internal/conditional"
	"learninglog/rollup"
)

const (
	// maxKeptBytes bounds the memory of all pages that are kept, maxOneBytes that of
	// each.
	maxKeptBytes = 32 << 20
	maxOneBytes  = 256 << 10
)

// keptPages keeps learners' pages as they were answered. One is answered again only
// if what was read for it is just the same, on the same day: so it is never out of
// date, whoever has written since.
type keptPages struct {
	pages *otter.Cache[string, keptPage] // by address
}

type keptPage struct {
	learned learned
	today   time.Time
	// compressed is the page, tag the entity tag of that.
	compressed []byte
	tag        string
}

func newKeptPages() keptPages {
	return keptPages{otter.Must(&otter.Options[string, keptPage]{
		MaximumWeight: maxKeptBytes,
		Weigher:       func(address string, page keptPage) uint32 { return uint32(page.size(address)) }, //nolint:gosec // at most maxOneBytes
	})}
}

// size is about how many bytes it takes.
func (k keptPage) size(address string) int {
	const others = 512 // what keeps it
	return others + len(address) + cap(k.compressed) + k.learned.size()
}

// of returns the page at an address, which write makes where it isn't kept. A page
// that says how to reach the service isn't kept: that depends on who asks.
func (k keptPages) of(address string, a asked, l learned, write func() ([]byte, error)) (keptPage, error) {
	today := rollup.Day.StartOf(a.now, a.now.Location())
	if kept, ok := k.pages.GetIfPresent(address); ok && kept.today.Equal(today) && kept.learned.equal(l) {
		return kept, nil
	}
	page, err := write()
	if err != nil {
		return keptPage{}, err
	}
	made := keptPage{learned: l, today: today, tag: compressedTag(conditional.Tag(page))}
	if made.compressed, err = compress(page); err != nil {
		return keptPage{}, err
	}
	if !l.none && made.size(address) <= maxOneBytes {
		k.pages.Set(address, made)
	}
	return made, nil
}

func compress(page []byte) ([]byte, error) {
	var compressed bytes.Buffer
	writer, err := gzip.NewWriterLevel(&compressed, gzip.BestSpeed)
	if err != nil {
		return nil, fmt.Errorf("compressing a page: %w", err)
	}
	if _, err := writer.Write(page); err != nil {
		return nil, fmt.Errorf("compressing a page: %w", err)
	}
	if err := writer.Close(); err != nil {
		return nil, fmt.Errorf("compressing a page: %w", err)
	}
	return bytes.Clone(compressed.Bytes()), nil
}

// compressedSuffix tells the entity tag of a page from that of the same page
// compressed.
const compressedSuffix = "-gzip"

func compressedTag(tag string) string { return strings.TrimSuffix(tag, `"`) + compressedSuffix + `"` }

// answer sends the page to a client that accepts it compressed, or 304 where that has
// it, be it not compressed.
func (k keptPage) answer(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "private, no-cache")
	header.Set("ETag", k.tag)
	seen := r.Header.Get("If-None-Match")
	if conditional.Matches(seen, k.tag) || conditional.Matches(seen, strings.TrimSuffix(k.tag, compressedSuffix+`"`)+`"`) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Encoding", "gzip")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(k.compressed) // a client that is gone needs no answer
}
