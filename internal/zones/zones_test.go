package zones_test

import (
	"archive/zip"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"learninglog/internal/zones"
)

func TestUsualZones(t *testing.T) {
	t.Parallel()
	database := open(t)
	winter, summer := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	for name, want := range map[string][2]string{
		"UTC":                            {"+00:00", "+00:00"},
		"GMT":                            {"+00:00", "+00:00"},
		"Etc/UTC":                        {"+00:00", "+00:00"},
		"Asia/Tokyo":                     {"+09:00", "+09:00"},
		"Asia/Kathmandu":                 {"+05:45", "+05:45"},
		"Europe/Berlin":                  {"+01:00", "+02:00"},
		"America/New_York":               {"-05:00", "-04:00"},
		"America/Argentina/Buenos_Aires": {"-03:00", "-03:00"},
		"US/Eastern":                     {"-05:00", "-04:00"}, // old, but it has an area
		"Australia/Lord_Howe":            {"+11:00", "+10:30"},
		"Pacific/Marquesas":              {"-09:30", "-09:30"},
		"Pacific/Kiritimati":             {"+14:00", "+14:00"},
		"Etc/GMT+12":                     {"-12:00", "-12:00"},
	} {
		zone, err := database.Load(name)
		require.NoError(t, err, name)
		assert.Equal(t, name, zone.String())
		assert.Equal(t, want, [2]string{winter.In(zone).Format("-07:00"), summer.In(zone).Format("-07:00")}, name)
	}
}

func TestEveryNameLoads(t *testing.T) {
	t.Parallel()
	database := open(t)
	names := database.Names()
	assert.Greater(t, len(names), 500)
	assert.True(t, slices.IsSorted(names), "in the order of the alphabet")
	assert.Subset(t, names, []string{"Africa/Cairo", "America/Argentina/Buenos_Aires", "Asia/Tokyo", "GMT", "UTC"})
	for _, name := range names {
		zone, err := database.Load(name)
		require.NoError(t, err, name)
		require.Equal(t, name, zone.String())
	}
}

// Abbreviations mean different things in different places: CST is in America, in China
// and in Cuba. What the package time calls Local is a different zone on every machine.
func TestOtherNamesAreRefused(t *testing.T) {
	t.Parallel()
	database := open(t)
	for what, names := range map[string][]string{
		"abbreviations":         {"EST", "CET", "CST", "MST", "HST", "IST", "EST5EDT", "PST8PDT", "GMT0", "GMT+0", "Zulu", "UCT"},
		"names without an area": {"Japan", "Singapore", "Cuba", "Factory", "GB-Eire", "Universal", "W-SU", "PRC"},
		"the machine's zone":    {"Local", "local", "localtime", ""},
		"wrong case":            {"asia/tokyo", "ASIA/TOKYO", "Asia/tokyo", "utc", "gmt", "Utc"},
		"offsets":               {"+09:00", "UTC+9", "UTC+09:00", "GMT+9", "Etc/GMT+13"},
		"another area":          {"Europe/Tokyo", "Asia/Berlin", "Tokyo", "America/Buenos_Aires/Argentina"},
		"files elsewhere": {
			"../etc/passwd", "../../../../etc/passwd", "/etc/passwd", "Asia/../UTC", "Asia/../Asia/Tokyo", "./UTC", "/Asia/Tokyo",
			"posix/Asia/Tokyo", "right/Asia/Tokyo", "posixrules", "zone.tab", "zone1970.tab", "tzdata.zi", "Asia\\Tokyo",
		},
		"folders":         {"Asia", "Asia/", "America/Argentina", "America/Argentina/", "/", "//", "."},
		"other texts":     {" Asia/Tokyo", "Asia/Tokyo ", "Asia/Tokyo\n", "Asia/Tokyo\x00", "Asia//Tokyo", "Asia/Tökyo", "Asia/\xff"},
		"very long texts": {strings.Repeat("a/", 100_000) + "a"},
	} {
		for _, name := range names {
			zone, err := database.Load(name)
			require.EqualError(t, err, "must be an IANA time zone such as Asia/Tokyo, or UTC", "%s: %.40q", what, name)
			assert.Nil(t, zone, "%s: %.40q", what, name)
			assert.NotContains(t, database.Names(), name)
		}
	}
	assert.EqualError(t, errorOf(database.Load("EST")), zones.Expected)
}

func errorOf[T any](_ T, err error) error { return err }

// Every name in the database is either offered or one of the old ones.
func TestOnlyNamesWithoutAnAreaAreLeftOut(t *testing.T) {
	t.Parallel()
	archive, err := zip.OpenReader("zoneinfo.zip")
	require.NoError(t, err)
	defer func() { _ = archive.Close() }()
	offered := open(t).Names()
	var leftOut []string
	for _, file := range archive.File {
		if !slices.Contains(offered, file.Name) && !file.FileInfo().IsDir() {
			leftOut = append(leftOut, file.Name)
		}
	}
	assert.Subset(t, leftOut, []string{"EST", "CET", "Japan", "Factory"})
	for _, name := range leftOut {
		assert.NotContains(t, name, "/")
	}
}

// Replicas of a version resolve a name in the same way, so it doesn't matter which of
// them records a log.
func TestTwoDatabasesGiveTheSameAnswer(t *testing.T) {
	t.Parallel()
	one, another := open(t), open(t)
	require.Equal(t, one.Names(), another.Names())
	first, last := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(one.Names()).Draw(t, "name")
		at := time.Unix(rapid.Int64Range(first, last).Draw(t, "at"), 0)
		here, err := one.Load(name)
		require.NoError(t, err)
		there, err := another.Load(name)
		require.NoError(t, err)
		require.Equal(t, at.In(here).Format(time.RFC3339), at.In(there).Format(time.RFC3339))
	})
}

// The package time believes the system before it believes the binary. ZONEINFO here is a
// folder in which Asia/Tokyo is five hours behind UTC.
func TestTheSystemHasNoSay(t *testing.T) {
	t.Setenv("ZONEINFO", "testdata/wrong")
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	deceived, err := time.LoadLocation("Asia/Tokyo")
	require.NoError(t, err)
	require.Equal(t, "-05:00", at.In(deceived).Format("-07:00"), "the package time")

	zone, err := open(t).Load("Asia/Tokyo")

	require.NoError(t, err)
	assert.Equal(t, "+09:00", at.In(zone).Format("-07:00"))
}

func TestZonesAreLoadedByManyAtOnce(t *testing.T) {
	t.Parallel()
	database := open(t)
	names := database.Names()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for _, name := range names {
				zone, err := database.Load(name)
				if !assert.NoError(t, err) || !assert.Equal(t, name, zone.String()) {
					return
				}
			}
		})
	}
	group.Wait()
}

// A zone is parsed once, so that the offset of a log costs nothing.
func TestAZoneIsReadOnce(t *testing.T) {
	t.Parallel()
	database := open(t)
	first, err := database.Load("Asia/Tokyo")
	require.NoError(t, err)
	second, err := database.Load("Asia/Tokyo")
	require.NoError(t, err)
	assert.Same(t, first, second)
}

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{"Asia/Tokyo", "UTC", "GMT", "EST", "Local", "", "../etc/passwd", "posix/Asia/Tokyo", "America/Argentina", "Asia/", "/"} {
		f.Add(seed)
	}
	database, err := zones.Open()
	require.NoError(f, err)
	names := database.Names()
	f.Fuzz(func(t *testing.T, name string) {
		zone, err := database.Load(name)
		if !slices.Contains(names, name) {
			require.EqualError(t, err, zones.Expected)
			return
		}
		require.NoError(t, err)
		require.Equal(t, name, zone.String())
	})
}

func open(t *testing.T) *zones.Database {
	t.Helper()
	database, err := zones.Open()
	require.NoError(t, err)
	return database
}

func ExampleDatabase_Load() {
	database, err := zones.Open()
	if err != nil {
		fmt.Println(err)
		return
	}
	tokyo, err := database.Load("Asia/Tokyo")
	fmt.Println(tokyo, err)
	_, err = database.Load("JST")
	fmt.Println("time_zone", err)
	// Output:
	// Asia/Tokyo <nil>
	// time_zone must be an IANA time zone such as Asia/Tokyo, or UTC
}
