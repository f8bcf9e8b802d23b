package api

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/problem"
)

func gzipped(text string) string {
	var compressed bytes.Buffer
	writer := gzip.NewWriter(&compressed)
	_, _ = io.WriteString(writer, text)
	_ = writer.Close()
	return compressed.String()
}

func serveEncoded(handler http.Handler, path, contentType, encoding, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Content-Encoding", encoding)
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer
}

func TestBodiesMayBeCompressed(t *testing.T) {
	t.Parallel()
	s := newService(t, time.UTC)
	for _, encoding := range []string{"gzip", "GZIP", "x-gzip"} {
		log := func() string { return newLog(uuid.New(), uuid.New()) }
		answer := serveEncoded(s.handler, batchPath, mediaJSON, encoding, gzipped("["+log()+","+log()+"]"))
		require.Equal(t, http.StatusOK, answer.Code, "%s", answer.Body)
		assert.Contains(t, answer.Body.String(), `"recorded":2`)
		answer = serveEncoded(s.handler, batchPath, mediaNDJSON, encoding, gzipped(log()+"\n"+log()))
		require.Equal(t, http.StatusOK, answer.Code, "%s", answer.Body)
		assert.Equal(t, 2, strings.Count(answer.Body.String(), `"outcome":"recorded"`))
		answer = serveEncoded(s.handler, RecordPath, mediaJSON, encoding, gzipped(log()))
		assert.Equal(t, http.StatusCreated, answer.Code, "%s", answer.Body)
	}
}

// A line that begins with a space belongs to the header before it.
func TestAHeaderIntoWhichAnotherOneWasFoldedIsNotShown(t *testing.T) {
	t.Parallel()
	s := newService(t, time.UTC)
	const folded = " Authorization: Bearer llk_secret"
	for _, answer := range []*httptest.ResponseRecorder{
		serveEncoded(s.handler, RecordPath, mediaJSON+folded, "", "{}"),
		serveEncoded(s.handler, RecordPath, mediaJSON, "br"+folded, "{}"),
	} {
		assert.Equal(t, http.StatusUnsupportedMediaType, answer.Code)
		assert.NotContains(t, answer.Body.String(), "llk_")
	}
	assert.Contains(t, serveEncoded(s.handler, RecordPath, "text/plain; charset=latin1", "", "{}").Body.String(), "latin1")
}

// A client that is told that its logs are invalid throws them away.
func TestAnEncodingThatIsNotKnownIsNoMistakeInTheLogs(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, errAway)
	for _, encoding := range []string{"br", "zstd", "gzip, gzip", "deflate", "nonsense"} {
		for _, path := range []string{RecordPath, batchPath, RecordPath + "/void"} {
			answer := serveEncoded(handler, path, mediaJSON, encoding, gzipped("["+aLog+"]"))
			assert.Equal(t, http.StatusUnsupportedMediaType, answer.Code, "%s %s", encoding, path)
			assert.Equal(t, "header.Content-Encoding", problemOf(t, answer).Errors[0].Location)
		}
	}
}

func TestABodyThatCantBeDecompressed(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, errAway)
	whole := gzipped("[" + aLog + "]")
	for name, body := range map[string]string{
		"not compressed": "[" + aLog + "]",
		"cut off":        whole[:len(whole)/2],
		"empty":          "",
	} {
		for _, contentType := range []string{mediaJSON, mediaNDJSON} {
			answer := serveEncoded(handler, batchPath, contentType, "gzip", body)
			assert.Equal(t, http.StatusBadRequest, answer.Code, "%s, %s: %s", name, contentType, answer.Body)
			assert.Equal(t, problem.Unreadable.Path(), problemOf(t, answer).Type)
		}
	}
}

func TestWhatABodyExpandsToIsBounded(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, errAway)
	bomb := gzipped(strings.Repeat("\n", 20<<20))
	assert.Equal(t, http.StatusBadRequest, serveEncoded(handler, batchPath, mediaNDJSON, "gzip", bomb).Code)
	assert.Equal(t, http.StatusBadRequest, serveEncoded(handler, batchPath, mediaJSON, "gzip", bomb).Code)

	var incompressible strings.Builder
	for incompressible.Len() < maxArrayBytes+2 {
		incompressible.WriteString(uuid.NewString())
	}
	answer := serveEncoded(handler, batchPath, mediaJSON, "gzip", gzipped(incompressible.String()))
	assert.Equal(t, http.StatusRequestEntityTooLarge, answer.Code, "by what it expands to")
}

// A body takes room by what has arrived, not by what its client declares.
func TestABodyThatDoesNotArriveTakesNoRoom(t *testing.T) {
	t.Parallel()
	server := newStreamServer(t, time.Minute, asItIs)
	for range 32 {
		silent := server.dial(t)
		_, err := fmt.Fprintf(silent, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 8000000\r\n\r\n", batchPath, mediaJSON)
		require.NoError(t, err)
	}

	answer, err := http.Post(server.URL+batchPath, mediaJSON, strings.NewReader("[1]"))

	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	assert.Equal(t, http.StatusOK, answer.StatusCode)
	assert.Zero(t, taken(server.api.bodies))
}

func TestALargeBodyTakesItsPlacesOnceItHasBegunToArrive(t *testing.T) {
	t.Parallel()
	bodies := newPlaces(maxBodies, maxBodiesEach, "")
	arriving, rest := io.Pipe()
	body := payload{reader: arriving, length: 8 << 20}
	type result struct {
		text    []byte
		release func()
		err     error
	}
	done := make(chan result)
	go func() {
		text, release, err := body.read(t.Context(), 8<<20, bodies)
		done <- result{text, release, err}
	}()
	send := func(bytes int) {
		_, err := rest.Write(make([]byte, bytes))
		require.NoError(t, err)
	}
	send(freeBytes - 1)
	assert.Zero(t, taken(bodies))
	send(2)
	assert.Equal(t, 8<<20, taken(bodies), "all of them at once")
	require.NoError(t, rest.Close())

	read := <-done
	require.NoError(t, read.err)
	assert.Len(t, read.text, freeBytes+1)
	assert.Positive(t, taken(bodies), "until it isn't used any more")
	read.release()
	assert.Zero(t, taken(bodies))
}

// withReadDeadline is a response that notes until when the body must be read.
type withReadDeadline struct {
	http.ResponseWriter

	deadline time.Time
}

func (w *withReadDeadline) SetReadDeadline(at time.Time) error {
	w.deadline = at
	return nil
}

// That all of a body has room doesn't give what comes next more time.
func TestALargeBodyMustArriveAtALeastRate(t *testing.T) {
	t.Parallel()
	const announced = 8 << 20
	for arrived, allowed := range map[int]time.Duration{
		freeBytes - 1: 0,
		freeBytes:     bodyPatience + 2*freeBytes*time.Second/leastRate,
		1<<20 - 1:     bodyPatience + (1<<20)*time.Second/leastRate,
		1 << 20:       bodyPatience + (2<<20)*time.Second/leastRate,
	} {
		writer := new(withReadDeadline)
		body := payload{
			reader:  io.MultiReader(strings.NewReader(strings.Repeat("x", arrived)), iotest.ErrReader(os.ErrDeadlineExceeded)),
			length:  announced,
			control: http.NewResponseController(writer),
		}
		begun := time.Now()
		_, _, err := body.read(t.Context(), announced, newPlaces(maxBodies, maxBodiesEach, ""))
		require.ErrorContains(t, err, "took too long")
		if allowed == 0 {
			assert.Zero(t, writer.deadline, "a small body has the time of any request")
			continue
		}
		assert.WithinDuration(t, begun.Add(allowed), writer.deadline, time.Second, "%d bytes have arrived", arrived)
	}
}

func TestSmallBodiesDontWaitForLargeOnesToBeDecoded(t *testing.T) {
	t.Parallel()
	server := newStreamServer(t, time.Minute, asItIs)
	for range cap(server.api.decoding) { // as if large ones were being decoded
		server.api.decoding <- struct{}{}
	}
	for mediaType, body := range map[string]string{mediaJSON: "[1]", mediaNDJSON: "1"} {
		answer, err := http.Post(server.URL+batchPath, mediaType, strings.NewReader(body))
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		assert.Equal(t, http.StatusOK, answer.StatusCode, mediaType)
	}
}

// Bodies that wait for places must not keep some meanwhile.
func TestLargeBodiesDontWaitForEachOther(t *testing.T) {
	t.Parallel()
	bodies := newPlaces(maxBodies, maxBodiesEach, "")
	var all sync.WaitGroup
	begun := time.Now()
	for range 12 {
		all.Go(func() {
			const length = 5 << 20
			body := payload{reader: iotest.HalfReader(strings.NewReader(strings.Repeat("x", length))), length: length}
			_, release, err := body.read(t.Context(), maxArrayBytes, bodies)
			if assert.NoError(t, err) {
				release()
			}
		})
	}
	all.Wait()
	assert.Less(t, time.Since(begun), 7*time.Second, "nobody's patience had to end")
}

// Each unknown parameter would be told, with a kilobyte in memory.
func TestAQueryOfThousandsOfParametersIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, errAway)
	for _, path := range []string{batchPath, "/v1/rebuilds", "/v1/users/" + aUser + "/summary", "/nothing"} {
		answer := serve(handler, http.MethodPost, path+"?a"+strings.Repeat("&b", 5000), mediaJSON, strings.NewReader("[]"))
		assert.Equal(t, http.StatusUnprocessableEntity, answer.Code, path)
		assert.Less(t, answer.Body.Len(), 1000, path)
	}
}

// Python's urllib, for one, sends everything before it reads.
func TestAClientThatSendsEverythingFirstCanReadThatItIsTooMuch(t *testing.T) {
	t.Parallel()
	server := newStreamServer(t, time.Minute, asItIs)
	for range 3 {
		connection := server.dial(t)
		const length = maxArrayBytes + 7<<20
		_, err := fmt.Fprintf(connection, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", batchPath, mediaJSON, length)
		require.NoError(t, err)
		_, err = connection.Write(bytes.Repeat([]byte{' '}, length))
		require.NoError(t, err)
		answer, err := io.ReadAll(io.LimitReader(connection, 12))
		require.NoError(t, err)
		assert.Equal(t, "HTTP/1.1 413", string(answer))
		require.NoError(t, connection.Close())
	}
}

func TestTheErrorsOfManyLogsAreNoLongerThanTheLogs(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, errAway)
	var fields []string
	for i := range 10 {
		fields = append(fields, fmt.Sprintf(`"%s%d":1`, strings.Repeat("<", 60), i))
	}
	log := "{" + strings.Join(fields, ",") + "}"
	for contentType, body := range map[string]string{
		mediaJSON:   "[" + strings.Repeat(log+",", maxArray-1) + log + "]",
		mediaNDJSON: strings.Repeat(log+"\n", maxArray),
	} {
		answer := serve(handler, http.MethodPost, batchPath, contentType, strings.NewReader(body))
		require.Equal(t, http.StatusOK, answer.Code, contentType)
		assert.Less(t, answer.Body.Len(), len(body), contentType)
		assert.Equal(t, maxArray, strings.Count(answer.Body.String(), `"outcome":"invalid"`), contentType)
		assert.Equal(t, maxArray, strings.Count(answer.Body.String(), `"errors":[`), "each says something")
	}
}

// The rest of the body of a request that was refused must not be taken for a request, however
// late it arrives.
func TestTheRestOfARefusedBodyIsNoRequest(t *testing.T) {
	t.Parallel()
	log := new(logBuffer)
	server := newStreamServer(t, time.Minute, func(server *http.Server) {
		server.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(log, nil), slog.LevelError)
	})
	server.api.restPatience = 200 * time.Millisecond
	const hidden = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, path := range []string{"/nothing", batchPath + "?nothing=1"} {
		connection := server.dial(t)
		_, err := fmt.Fprintf(connection, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s",
			path, netHTTPReads+10_000+len(hidden), strings.Repeat("x", 20_000))
		require.NoError(t, err)
		answers := bufio.NewReader(connection)
		refusal, err := http.ReadResponse(answers, nil)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, refusal.StatusCode, 400, path)
		assert.True(t, refusal.Close, path)
		_, err = io.Copy(io.Discard, refusal.Body)
		require.NoError(t, err)
		require.NoError(t, refusal.Body.Close())

		time.Sleep(2 * server.api.restPatience) // this client is late
		_, _ = connection.Write([]byte(strings.Repeat("x", netHTTPReads-10_000) + hidden))

		_, err = answers.ReadByte()
		assert.Error(t, err, "nothing more is answered")
	}
	assert.Empty(t, log.String())
}
