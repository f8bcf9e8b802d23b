package dashboard

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"

	"learninglog/internal/chart"
)

//go:embed static
var staticFiles embed.FS

const staticPath = "/static/"

// assets are the static files. Each is served under a name that has a digest of what
// is in it, so that a browser may keep it for ever.
type assets struct {
	paths map[string]string // by the name of the file
	files map[string]asset  // by path
}

type asset struct {
	contentType      string
	text, compressed []byte
}

func readAssets() (assets, error) {
	read := assets{paths: make(map[string]string), files: make(map[string]asset)}
	entries, err := fs.ReadDir(staticFiles, "static")
	if err != nil {
		return assets{}, fmt.Errorf("reading the static files: %w", err)
	}
	for _, entry := range entries {
		text, err := fs.ReadFile(staticFiles, path.Join("static", entry.Name()))
		if err != nil {
			return assets{}, fmt.Errorf("reading the static files: %w", err)
		}
		if entry.Name() == "style.css" {
			text = append(text, chart.Style...)
		}
		if err := read.add(entry.Name(), text); err != nil {
			return assets{}, fmt.Errorf("compressing the static files: %w", err)
		}
	}
	return read, nil
}

func (a assets) add(name string, text []byte) error {
	var compressed bytes.Buffer
	writer, err := gzip.NewWriterLevel(&compressed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := writer.Write(text); err != nil {
		return err
	}
	if err := writer.Close(); err != nil {
		return err
	}
	const enough = 6 // bytes, to tell versions of one file apart
	digest := sha256.Sum256(text)
	extension := path.Ext(name)
	served := staticPath + strings.TrimSuffix(name, extension) + "." + hex.EncodeToString(digest[:enough]) + extension
	a.paths[name] = served
	a.files[served] = asset{contentType: mime.TypeByExtension(extension), text: text, compressed: compressed.Bytes()}
	return nil
}

// path returns where a file is served. An unknown one is a mistake in a template.
func (a assets) path(name string) (string, error) {
	served, ok := a.paths[name]
	if !ok {
		return "", fmt.Errorf("there is no static file %s", name)
	}
	return served, nil
}

func (a assets) serve(w http.ResponseWriter, r *http.Request) {
	file, ok := a.files[r.URL.Path]
	if !ok { // of another version, perhaps
		http.NotFound(w, r)
		return
	}
	header := w.Header()
	header.Set("Content-Type", file.contentType)
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("Vary", "Accept-Encoding")
	header.Set("X-Content-Type-Options", "nosniff")
	text := file.text
	if acceptsGzip(r) {
		header.Set("Content-Encoding", "gzip")
		text = file.compressed
	}
	_, _ = w.Write(text) // a client that is gone needs no answer
}

func acceptsGzip(r *http.Request) bool {
	for coding := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(coding, ";")
		if strings.TrimSpace(name) == "gzip" {
			return strings.TrimLeft(strings.TrimSpace(weight), "q=0.") != "" || weight == ""
		}
	}
	return false
}
