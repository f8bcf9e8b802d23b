package dashboard

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/klauspost/compress/gzhttp"

	"learninglog/internal/chart"
	"learninglog/internal/problem"
)

//go:embed static
var staticFiles embed.FS

const staticPath = "/static/"

// assets are the static files. The name of each has a digest of its content in it, so
// that a browser may cache it for ever.
type assets struct {
	paths map[string]string // by the name of the file
	files map[string][]byte // by path
}

func readAssets() (assets, error) {
	read := assets{paths: make(map[string]string), files: make(map[string][]byte)}
	entries, err := fs.ReadDir(staticFiles, "static")
	if err != nil {
		return assets{}, fmt.Errorf("reading the static files: %w", err)
	}
	for _, entry := range entries {
		content, err := fs.ReadFile(staticFiles, path.Join("static", entry.Name()))
		if err != nil {
			return assets{}, fmt.Errorf("reading the static files: %w", err)
		}
		read.add(entry.Name(), content)
	}
	read.add("chart.css", chart.Style)
	return read, nil
}

func (a assets) add(name string, content []byte) {
	const enough = 6 // bytes, to tell versions of one file apart
	digest := sha256.Sum256(content)
	extension := path.Ext(name)
	served := staticPath + strings.TrimSuffix(name, extension) + "." + hex.EncodeToString(digest[:enough]) + extension
	a.paths[name], a.files[served] = served, content
}

// path returns where a file is served. An unknown one is a mistake in a template.
func (a assets) path(name string) (string, error) {
	served, ok := a.paths[name]
	if !ok {
		return "", fmt.Errorf("there is no static file %s", name)
	}
	return served, nil
}

func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	content, ok := a.files[r.URL.Path]
	if !ok { // of another version, perhaps
		w.Header().Set(gzhttp.HeaderNoCompression, "") // so that it can be made a page
		problem.NotFound.New("").WriteJSON(w)
		return
	}
	header := w.Header()
	header.Set("Content-Type", mime.TypeByExtension(path.Ext(r.URL.Path)))
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(content) // a client that is gone needs no answer
}
