package embeddedpg_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDownloadFetchesBinariesOnceAndRunsNoneOfThem(t *testing.T) {
	t.Parallel()
	machine := newMachine(t)

	fetched := machine.download(t, archive(t, good))
	again := machine.download(t, offline)

	require.Empty(t, fetched.Error)
	assert.Equal(t, 18, fetched.Major)
	assert.Equal(t, filepath.Join(machine.cache(), "postgresql-18.3.0", "bin"), fetched.Folder)
	assert.Equal(t, fetched, again, "from the cache")
	assert.NoFileExists(t, filepath.Join(fetched.Folder, "called"), "the library runs no initdb of its own")
	assert.Equal(t, []string{"postgresql-18.3.0"}, names(t, machine.cache()), "nothing else is kept")
}

func TestDownloadSaysThatTheNetworkIsMissing(t *testing.T) {
	t.Parallel()

	got := newMachine(t).download(t, offline)

	assert.Equal(t, "downloading PostgreSQL 18.3.0: unable to connect to https://repo1.maven.org/maven2", got.Error)
}

func TestDownloadStartsAfreshAfterOneThatFailed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		kind archiveKind
		want string
	}{
		{"it was cut short", cutShort, "downloading PostgreSQL 18.3.0: unable to extract postgres archive: unexpected EOF"},
		{"it doesn't run here", ofAnotherMachine, "downloading PostgreSQL 18.3.0: trying what was downloaded: exit status 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			machine := newMachine(t)

			failed := machine.download(t, archive(t, test.kind))
			fetched := machine.download(t, archive(t, good))

			assert.Equal(t, test.want, failed.Error)
			assert.Empty(t, fetched.Error)
		})
	}
}

func TestDownloadCanBeInterrupted(t *testing.T) {
	t.Parallel()
	program := newMachine(t).startDownload(t, stalled)
	require.Equal(t, stalled, program.answer(t).Error)

	require.NoError(t, program.input.Close())

	assert.Equal(t, "downloading PostgreSQL 18.3.0: context canceled", program.answer(t).Error)
}

// machine is a machine without PostgreSQL. Its user isn't root, because root's cache
// would be that of the real machine.
type machine struct{ home string }

func newMachine(t *testing.T) machine {
	t.Helper()
	home := emptyDir(t)
	give(t, unprivileged(t), home)
	return machine{home}
}

func (m machine) cache() string { return filepath.Join(m.home, "learninglog") }

func (m machine) download(t *testing.T, from string) answer {
	t.Helper()
	return m.startDownload(t, from).answer(t)
}

func (m machine) startDownload(t *testing.T, from string) *program {
	t.Helper()
	environment := []string{"HOME=" + m.home, "XDG_CACHE_HOME=" + m.home, "TMPDIR=" + m.home}
	return startProgram(t, unprivileged(t), environment, "download", from)
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	found := make([]string, 0, len(entries))
	for _, entry := range entries {
		found = append(found, entry.Name())
	}
	return found
}

// repository replaces Maven Central: it is the path of its only archive, or a
// failure.
type repository string

const (
	offline = "offline"
	stalled = "stalled"
)

func (r repository) RoundTrip(request *http.Request) (*http.Response, error) {
	switch r {
	case offline:
		return nil, errors.New("no network")
	case stalled:
		answer{Error: stalled}.print(nil)
		select {}
	}
	body, err := os.ReadFile(string(r))
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(request.URL.Path, ".sha256") {
		sum := sha256.Sum256(body)
		body = []byte(hex.EncodeToString(sum[:]))
	}
	return &http.Response{
		StatusCode:    http.StatusOK,
		ContentLength: int64(len(body)),
		Body:          io.NopCloser(bytes.NewReader(body)),
		Request:       request,
	}, nil
}

type archiveKind int

const (
	good archiveKind = iota
	cutShort
	ofAnotherMachine
)

// archive returns the path of an archive of binaries in the format of Maven Central:
// a tar in an xz in a zip.
func archive(t *testing.T, kind archiveKind) string {
	t.Helper()
	script := "#!/bin/sh\n" + `[ "$*" = --version ] && echo "postgres (PostgreSQL) 18.3" || touch "${0%/*}/called"` + "\n"
	if kind == ofAnotherMachine {
		script = "#!/bin/sh\nexit 1\n"
	}
	var tarred, zipped bytes.Buffer
	tape := tar.NewWriter(&tarred)
	for _, name := range []string{"bin/initdb", "bin/pg_ctl", "bin/postgres"} {
		require.NoError(t, tape.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(script))}))
		_, err := io.WriteString(tape, script)
		require.NoError(t, err)
	}
	require.NoError(t, tape.Close())
	if kind == cutShort {
		tarred.Truncate(2*1024 + 512 + 10) // in the middle of the third program
	}
	zipper := zip.NewWriter(&zipped)
	file, err := zipper.Create("postgres-linux-x86_64.txz")
	require.NoError(t, err)
	_, err = file.Write(xz(tarred.Bytes()))
	require.NoError(t, err)
	require.NoError(t, zipper.Close())

	path := filepath.Join(emptyDir(t), "postgres.jar")
	require.NoError(t, os.WriteFile(path, zipped.Bytes(), 0o644))
	return path
}

// xz returns data of at most 64 KiB in the xz format, without compression. See
// https://tukaani.org/xz/xz-file-format.txt.
func xz(data []byte) []byte {
	little, noCheck := binary.LittleEndian, []byte{0, 0}
	padded := func(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }
	summed := func(b []byte) []byte { return little.AppendUint32(b, crc32.ChecksumIEEE(b)) }

	header := summed([]byte{2, 0, 0x21, 1, 0, 0, 0, 0}) // LZMA2
	block := binary.BigEndian.AppendUint16([]byte{1}, uint16(len(data)-1))
	block = append(append(append(header, block...), data...), 0)           // one chunk, and the end
	index := binary.AppendUvarint([]byte{0, 1}, uint64(len(block)))        // one record
	index = summed(padded(binary.AppendUvarint(index, uint64(len(data))))) //
	size := little.AppendUint32(nil, uint32(len(index)/4-1))
	footer := little.AppendUint32(nil, crc32.ChecksumIEEE(append(size, noCheck...))) //

	file := append([]byte("\xFD7zXZ\x00"), summed(noCheck)...)
	file = append(append(file, padded(block)...), index...)
	return append(append(append(append(file, footer...), size...), noCheck...), "YZ"...)
}
