package dashboard

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2/negotiation"
	"github.com/klauspost/compress/gzip"

	"learninglog/internal/etag"
)

// compressedPage is a page as it is sent to a client that accepts gzip.
type compressedPage struct {
	gzipped []byte
	// tag is the strong entity tag of the uncompressed page.
	tag string
}

// Size is about how many bytes it takes in memory.
func (c compressedPage) Size() int { return cap(c.gzipped) }

// compressor compresses pages. It keeps the memory that this takes, over a megabyte, for
// the next one. It is safe for concurrent use.
type compressor struct{ writers sync.Pool }

func newCompressor() *compressor {
	return &compressor{writers: sync.Pool{New: func() any {
		writer, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // fails for other levels only
		return writer
	}}}
}

func (c *compressor) page(page []byte) (compressedPage, error) {
	gzipped, err := c.compress(page)
	if err != nil {
		return compressedPage{}, fmt.Errorf("compressing a page: %w", err)
	}
	return compressedPage{gzipped: gzipped, tag: etag.Of(page)}, nil
}

func (c *compressor) compress(page []byte) ([]byte, error) {
	var compressed bytes.Buffer
	writer := c.writers.Get().(*gzip.Writer) //nolint:forcetypeassert,errcheck // see above
	defer c.writers.Put(writer)
	writer.Reset(&compressed)
	if _, err := writer.Write(page); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return bytes.Clone(compressed.Bytes()), nil
}

// answer sends the page, or 304 where the client has it.
func (c compressedPage) answer(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "private, no-cache")
	if notModified(w, r, c.tag) {
		return
	}
	header.Set("ETag", compressedTag(c.tag))
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Encoding", "gzip")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(c.gzipped) // a client that is gone needs no answer
}

// acceptsGzip says whether gzip is what the client prefers.
func acceptsGzip(r *http.Request) bool {
	return negotiation.SelectQValue(r.Header.Get("Accept-Encoding"), []string{"identity", "gzip"}) == "gzip"
}

// compressedSuffix distinguishes the entity tag of a compressed page from that of the
// uncompressed one.
const compressedSuffix = "-gzip"

func compressedTag(tag string) string { return strings.TrimSuffix(tag, `"`) + compressedSuffix + `"` }

// notModified answers 304 if the client has the page with this tag, compressed or
// uncompressed, and reports whether it did. The tag that it sends is that of the page
// as the client would get it now. Otherwise it sends nothing.
func notModified(w http.ResponseWriter, r *http.Request, tag string) bool {
	seen := r.Header.Get("If-None-Match")
	if !etag.Matches(seen, tag) && !etag.Matches(seen, compressedTag(tag)) {
		return false
	}
	if acceptsGzip(r) {
		tag = compressedTag(tag)
	}
	w.Header().Set("ETag", tag)
	w.WriteHeader(http.StatusNotModified)
	return true
}
