package api

import (
	"cmp"
	"context"
	"net/http"
	"sync"

	"learninglog/query"
)

// answerRoom is the places of the answer to a request. They are held until the answer is
// sent, because a client may read it slowly.
type answerRoom struct{ releases []func() }

type answerRoomKey struct{}

// holdRoom frees the room of an answer when it is sent.
func holdRoom(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		room := new(answerRoom)
		defer room.free()
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), answerRoomKey{}, room)))
	})
}

func (a *answerRoom) free() {
	for _, release := range a.releases {
		release()
	}
}

const tooMuchRead = "Too much is being read."

// usual is how many connections to the database there are if nothing else is said.
const usual = 16

// newSmallReads returns the places of reads that share round trips: as many as can be under way.
func newSmallReads(connections int) *places {
	most := query.MaxTogether * query.Lanes(cmp.Or(connections, usual))
	return newPlaces(most, most/2, tooMuchRead)
}

// newReads returns the places of reads that each have a connection. They leave some to small
// reads and to writes.
func newReads(connections int) *places {
	most := max(2, cmp.Or(connections, usual)*5/8)
	return newPlaces(most, most/2, tooMuchRead)
}

// newExports returns the places of exports, each of which holds a connection for as long as
// its client reads. They leave most of those that are for reads.
func newExports(connections int) *places {
	most := max(1, cmp.Or(connections, usual)/8)
	return newPlaces(most, max(1, most/2), "Too many exports are being read.")
}

// beginRead waits for the room of an answer of about that many bytes in memory, if it isn't
// small, and then for a turn to read the database. The returned function must be called
// when the database has been read.
func (s *server) beginRead(ctx context.Context, bytes int) (done func(), err error) {
	const small, large = 16 << 10, 512 << 10
	room, ok := ctx.Value(answerRoomKey{}).(*answerRoom)
	if ok && bytes > small {
		release, err := s.answers.acquire(ctx, bytes)
		if err != nil {
			return nil, err
		}
		room.releases = append(room.releases, release)
	}
	if bytes <= large {
		return s.reads.acquire(ctx, 1)
	}
	endLarge, err := s.largeReads.acquire(ctx, 1)
	if err != nil {
		return nil, err
	}
	end, err := s.reads.acquire(ctx, 1)
	if err != nil {
		endLarge()
		return nil, err
	}
	return func() { end(); endLarge() }, nil
}

// beginSmallRead is beginRead for what shares round trips with others.
func (s *server) beginSmallRead(ctx context.Context) (done func(), err error) {
	return s.smallReads.acquire(ctx, 1)
}

// boundPage limits how many pages are being made at the same time. A page is made before it
// is written.
func (s *server) boundPage(next http.Handler) http.Handler {
	const page = 200 << 10 // bytes, roughly, at most
	return holdRoom(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		done, err := s.beginRead(r.Context(), page)
		if err != nil {
			s.Pages.Fail(w, r, err)
			return
		}
		end := sync.OnceFunc(done)
		defer end()
		next.ServeHTTP(beforeWrite{w, end}, r)
	}))
}

// beginChange is beginRead for what changes something beside logs, which is charged for one log.
// It needs a connection as a read does.
func (s *server) beginChange(ctx context.Context) (done func(), err error) {
	if err := charge(s.paceOf(ctx), 1); err != nil {
		return nil, err
	}
	return s.beginRead(ctx, 0)
}

// bounded is boundPage for a page that may not exist.
func (s *server) bounded(handler http.Handler) http.Handler {
	if handler == nil {
		return nil
	}
	return s.boundPage(handler)
}

// beforeWrite is a response that calls a function before it is written.
type beforeWrite struct {
	http.ResponseWriter

	call func()
}

// Write implements [http.ResponseWriter].
func (b beforeWrite) Write(text []byte) (int, error) {
	b.call()
	return b.ResponseWriter.Write(text)
}

// Unwrap is for [http.ResponseController].
func (b beforeWrite) Unwrap() http.ResponseWriter { return b.ResponseWriter }
