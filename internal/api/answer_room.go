package api

import (
	"context"
	"net/http"
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

// takeRoom waits for the room of an answer of about that many bytes in memory, and for the
// turn of a large read. Small answers need neither. The returned function must be called
// when the database has been read.
func (s *server) takeRoom(ctx context.Context, bytes int) (done func(), err error) {
	const small, large = 16 << 10, 256 << 10
	room, ok := ctx.Value(answerRoomKey{}).(*answerRoom)
	if !ok || bytes <= small {
		return func() {}, nil
	}
	release, err := s.answers.acquire(ctx, bytes)
	if err != nil {
		return nil, err
	}
	room.releases = append(room.releases, release)
	if bytes <= large {
		return func() {}, nil
	}
	return s.largeReads.acquire(ctx, 1)
}

// boundPage limits how many pages are being made at the same time.
func (s *server) boundPage(next http.Handler) http.Handler {
	const page = 200 << 10 // bytes, roughly, at most
	return holdRoom(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		done, err := s.reads.acquire(r.Context(), 1)
		if err == nil {
			defer done()
			_, err = s.takeRoom(r.Context(), page)
		}
		if err != nil {
			s.answerProblem(r.Context(), w, err)
			return
		}
		next.ServeHTTP(w, r)
	}))
}
