package main_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

// Whoever takes everything along, is forgotten, and comes back finds everything as it was, at
// the same service and at another one: each answer byte for byte, and each page pixel by pixel.
func TestWhoComesBackSeesTheSamePage(t *testing.T) {
	t.Parallel()
	databaseURL, otherURL := pgtest.URL(t), pgtest.URL(t)
	s := serve(t, erasingSoon, "--database-url", databaseURL)
	b := browse(t, s)
	v := recordVaried(t, s, databaseURL)
	before, pictures := v.answers(s), v.pictures(b, "before")
	file := filepath.Join(t.TempDir(), "learner.ndjson")

	_, stderr, status := run(t, "export", "--user", v.user.String(), "--url", s.base, "--output", file)
	require.Zero(t, status, stderr)
	_, stderr, status = run(t, "erase", "--yes", "--wait", "--user", v.user.String(), "--database-url", databaseURL)
	require.Zero(t, status, stderr)
	for i, erased := range v.pictures(b, "erased") {
		assert.Positive(t, differing(pictures[i], erased))
	}
	for path, erased := range v.answers(s) {
		assert.NotEqual(t, before[path], erased, path)
	}
	_, stderr, status = run(t, "erase", "--undo", "--user", v.user.String(), "--database-url", databaseURL)
	require.Zero(t, status, stderr)
	require.Eventually(t, func() bool {
		_, _, status := run(t, "import", file, "--url", s.base)
		return status == 0
	}, eventually, often, "within ten seconds")

	v.assertSame(s, b, "imported", before, pictures)

	takeHorizon(t, databaseURL, otherURL)
	other := serve(t, erasingSoon, "--database-url", otherURL)
	_, stderr, status = run(t, "import", file, "--url", other.base)
	require.Zero(t, status, stderr)

	v.assertSame(other, browse(t, other), "elsewhere", before, pictures)
	for _, database := range []string{databaseURL, otherURL} {
		assert.Empty(t, pgtest.Drift(t, pgtest.Open(t, database)))
	}
}

// takeHorizon makes a database that is empty keep logs for as long as another one, because
// answers say from when logs are not kept.
func takeHorizon(t *testing.T, from, to string) {
	t.Helper()
	var refusedBefore, raisedAt, purgedBefore time.Time
	err := pgtest.Open(t, from).QueryRow(t.Context(), `SELECT refused_before, raised_at, purged_before FROM learning_log_horizon`).
		Scan(&refusedBefore, &raisedAt, &purgedBefore)
	require.NoError(t, err)
	_, err = pgtest.Open(t, to).Exec(t.Context(), `
		INSERT INTO learning_log_horizon (refused_before, raised_at, purged_before) VALUES ($1, $2, $3)`, refusedBefore, raisedAt, purgedBefore)
	require.NoError(t, err)
}

// varied is a learner whose history has everything that can have become of a log.
type varied struct {
	user uuid.UUID
	now  time.Time
	// single are some of the learner's logs.
	single []uuid.UUID
}

// recordVaried records logs of 200 days in many zones, takes some back, replaces others, and
// purges those that are older than 31 days. By the learner's clock it is noon, so that the test
// doesn't pass midnight.
func recordVaried(t *testing.T, s *service, databaseURL string) varied {
	t.Helper()
	v := varied{user: uuid.New(), now: time.Now().Truncate(time.Second)}
	var logs []string
	add := func(words int, ago time.Duration, more ...string) uuid.UUID {
		id := uuid.New()
		at := v.now.Add(-ago).UTC().Format(time.RFC3339Nano)
		logs = append(logs, logWithID(id, v.user, words, append(more, `"timestamp":"`+at+`"`)...))
		return id
	}
	const day = 24 * time.Hour
	zones := [][]string{
		{`"time_zone":"Asia/Tokyo"`},
		{`"time_zone":"America/Los_Angeles"`},
		{}, // that of the service
		{`"time_zone":"Asia/Kathmandu"`},
		{`"utc_offset":"-12:00"`},
		{`"utc_offset":"+14:00"`},
	}
	var old, recent []uuid.UUID
	for days := range 200 {
		if days%7 == 3 || (days > 28 && days < 33) { // what isn't purged yet, but would be refused, is left out
			continue
		}
		for n := range days%3 + 1 {
			ago := time.Duration(days)*day + time.Duration(5*n+1)*time.Hour + time.Duration(days)*1234567*time.Microsecond
			id := add((days*37+n*11)%90, ago, zones[(days+n)%len(zones)]...)
			if days > 31 {
				old = append(old, id)
			} else {
				recent = append(recent, id)
			}
		}
	}
	// The same date, of which one log is purged and the other one isn't.
	add(41, 31*day+time.Hour, `"utc_offset":"+14:00"`)
	add(43, 30*day-time.Hour, `"utc_offset":"-12:00"`)
	// The latest logs are to come, and of the same instant.
	for words := range 3 {
		recent = append(recent, add(60+words, -20*time.Hour, fmt.Sprintf(`"utc_offset":"%+03d:00"`, v.noon())))
	}
	posted, err := s.send(http.MethodPost, "/v1/learning-logs/batch", ndjson, strings.Join(logs, "\n"))
	require.NoError(t, err)
	require.Equal(t, len(logs), strings.Count(string(posted.body), `"outcome":"recorded"`), "%s", posted.body)
	for _, id := range []uuid.UUID{old[0], old[1], recent[5], recent[9], recent[10]} {
		s.mustCall(http.StatusOK, http.MethodDelete, "/v1/users/"+v.user.String()+"/learning-logs/"+id.String(), "")
	}
	for _, id := range []uuid.UUID{old[3], recent[7]} {
		s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(v.user, 77, daysAgo(3), `"replaces":"`+id.String()+`"`))
	}
	v.single = slices.Concat(recent[5:10], recent[len(recent)-1:])

	refuseOlder(t, pgtest.Open(t, databaseURL))
	for _, command := range [][]string{
		{"key", "create", "--name=phone", "--scopes=logs:read", "--user", v.user.String()},
		{"rezone", "--wait", "--time-zone=Asia/Kolkata", "--user", v.user.String(), "--from", v.day(-9)},
		{"purge", "--older-than=30d"},
	} {
		_, stderr, status := run(t, append(command, "--database-url", databaseURL)...)
		require.Zero(t, status, stderr)
	}
	pool, sealed := pgtest.Open(t, databaseURL), 0
	require.NoError(t, pool.QueryRow(context.Background(), `SELECT count(*) FROM learning_log_sealed_days`).Scan(&sealed))
	require.Greater(t, sealed, 100)
	require.Eventually(t, func() bool {
		return strings.Contains(string(s.get("/v1/users/"+v.user.String()+"/learning-logs").body), "purged_before")
	}, eventually, often)
	return v
}

// noon is the offset in hours of a clock on which it is noon.
func (v varied) noon() int { return 12 - v.now.UTC().Hour() }

// day returns the date so many days from now.
func (v varied) day(days int) string { return v.now.UTC().AddDate(0, 0, days).Format(time.DateOnly) }

// paths are those of all answers about the learner.
func (v varied) paths() []string {
	all, zone := "from="+v.day(-250)+"&to="+v.day(3), "time_zone="+url.QueryEscape(fmt.Sprintf("Etc/GMT%+d", -v.noon()-2)) // where it is two o'clock
	paths := []string{
		"/summary", "/summary?" + zone, "/summary?granularity=total", "/summary?granularity=year", "/summary?compare=true",
		"/streak", "/streak?allow_gaps=2", "/streak?" + zone,
		"/activity", "/activity?" + zone, "/activity?year=" + v.day(-190)[:4],
		"/learning-logs?limit=1000", "/learning-logs?limit=1000&voided=include", "/learning-logs?limit=7&voided=include&" + all,
		"/export", "/export?format=csv",
	}
	for _, granularity := range []string{"day", "week", "month", "year"} {
		for _, more := range []string{"", "&fill=false", "&compare=true", "&format=csv", "&format=svg"} {
			paths = append(paths, "/summary?granularity="+granularity+"&"+all+more)
		}
	}
	for _, id := range v.single {
		paths = append(paths, "/learning-logs/"+id.String())
	}
	return paths
}

// answers returns all answers about the learner, with their tags. Left out is what is of a
// service, and not of the learner: when it recorded a log, when it made an export, and keys,
// which an import doesn't make.
func (v varied) answers(s *service) map[string]string {
	s.t.Helper()
	ofTheService := regexp.MustCompile(`"(recorded_at|exported_at)":"[^"]+"|"keys":\d+|\{"key":.*\n`)
	answers := make(map[string]string)
	for _, path := range v.paths() {
		got := s.get("/v1/users/" + v.user.String() + path)
		answers[path] = fmt.Sprintf("%d %s %s", got.status, got.header.Get("ETag"), ofTheService.ReplaceAllString(string(got.body), ""))
	}
	return answers
}

// pictures are of the learner's page: as it opens, with what was taken back, and where logs were
// purged.
func (v varied) pictures(b *tab, name string) (pictures []image.Image) {
	b.t.Helper()
	for i, view := range []string{
		"", "?voided=include&from=" + v.day(-15), "?by=week&from=" + v.day(-250) + "&to=" + v.day(-25),
	} {
		b.open("/users/" + v.user.String() + view)
		picture, err := png.Decode(bytes.NewReader(b.screenshot(fmt.Sprintf("same-page-%d-%s", i+1, name))))
		require.NoError(b.t, err)
		pictures = append(pictures, picture)
	}
	return pictures
}

// assertSame fails the test if anything is answered or shown otherwise than before.
func (v varied) assertSame(s *service, b *tab, name string, before map[string]string, pictures []image.Image) {
	s.t.Helper()
	for path, now := range v.answers(s) {
		assert.Equal(s.t, before[path], now, "%s: %s", name, path)
	}
	for i, now := range v.pictures(b, name) {
		assert.Zero(s.t, differing(pictures[i], now), "pixels of picture %d, which is in %s as before and %s", i+1, screenshots, name)
	}
}

// differing counts the pixels that differ.
func differing(one, other image.Image) (pixels int) {
	if one.Bounds() != other.Bounds() {
		return one.Bounds().Dx() * one.Bounds().Dy()
	}
	a, b := image.NewRGBA(one.Bounds()), image.NewRGBA(one.Bounds())
	draw.Draw(a, a.Rect, one, a.Rect.Min, draw.Src)
	draw.Draw(b, b.Rect, other, b.Rect.Min, draw.Src)
	const bytesPerPixel = 4
	for i := 0; i < len(a.Pix); i += bytesPerPixel {
		if !bytes.Equal(a.Pix[i:i+bytesPerPixel], b.Pix[i:i+bytesPerPixel]) {
			pixels++
		}
	}
	return pixels
}
