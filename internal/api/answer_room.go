package api

import (
	"context"
	"net/http"
)

// answerRoom is the places of the answer to a request. They are held until the answer is
// sent, because a client may read it slowly.
type answerRoom struct {
	places   *places
	releases []func()
}

type answerRoomKey struct{}

// holdRoom frees the room of an answer when it is sent.
func (s *server) holdRoom(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		room := &answerRoom{places: s.answers}
		defer room.free()
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), answerRoomKey{}, room)))
	})
}

func (a *answerRoom) free() {
	for _, release := range a.releases {
		release()
	}
}

// takeRoom waits for the room of an answer of about that many bytes, before it is made.
// Small answers need none.
func takeRoom(ctx context.Context, bytes int) error {
	const small = 16 << 10
	room, ok := ctx.Value(answerRoomKey{}).(*answerRoom)
	if !ok || bytes <= small {
		return nil
	}
	release, err := room.places.acquire(ctx, bytes)
	if err != nil {
		return err
	}
	room.releases = append(room.releases, release)
	return nil
}

// takeRoomForPage is takeRoom for a page, which has no huma operation.
func (s *server) takeRoomForPage(next http.Handler) http.Handler {
	const page = 256 << 10 // bytes, roughly, at most
	return s.holdRoom(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := takeRoom(r.Context(), page); err != nil {
			s.answerProblem(r.Context(), w, err)
			return
		}
		next.ServeHTTP(w, r)
	}))
}
