// Package zones resolves the names of time zones, as in the IANA database. The database
// is a part of the binary, so all processes of a version resolve a name in the same way,
// whatever their systems have. (The package time would ask the system first.)
package zones

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"
)

// archive is the copy of the database that comes with Go, lib/time/zoneinfo.zip. `make
// zones` renews it.
//
//go:embed zoneinfo.zip
var archive []byte

// Expected completes a sentence that begins with the name of a field: it says which names
// [Database.Load] accepts.
const Expected = "must be an IANA time zone such as Asia/Tokyo, or UTC"

// errUnknown is the error for all other names.
var errUnknown = errors.New(Expected)

// Database has the time zones. It is safe for concurrent use.
type Database struct {
	files  *zip.Reader
	loaded sync.Map // of *time.Location, by name
}

// Open returns the database in the binary.
func Open() (*Database, error) {
	files, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, fmt.Errorf("reading the time zones: %w", err)
	}
	return &Database{files: files}, nil
}

// Load returns the time zone with a name such as Asia/Tokyo. Other names are errors, also
// abbreviations such as EST, which mean different things in different places, and Local.
// The text of the error completes a sentence that begins with the name of the field.
func (d *Database) Load(name string) (*time.Location, error) {
	if known, ok := d.loaded.Load(name); ok {
		zone, _ := known.(*time.Location)
		return zone, nil
	}
	if !isUnambiguous(name) {
		return nil, errUnknown
	}
	data, err := fs.ReadFile(d.files, name)
	if err != nil {
		return nil, errUnknown
	}
	zone, err := time.LoadLocationFromTZData(name, data)
	if err != nil {
		return nil, fmt.Errorf("reading the time zone %s: %w", name, err)
	}
	d.loaded.Store(name, zone)
	return zone, nil
}

// Names returns the names of all time zones, in the order of the alphabet.
func (d *Database) Names() (names []string) {
	for _, file := range d.files.File {
		if isUnambiguous(file.Name) && !file.FileInfo().IsDir() {
			names = append(names, file.Name)
		}
	}
	return names
}

// isUnambiguous reports whether a name isn't one of the old names without an area, such
// as EST, Singapore or Factory. UTC and GMT are what devices report that know no zone.
func isUnambiguous(name string) bool {
	return strings.Contains(name, "/") || name == "UTC" || name == "GMT"
}
