package language_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/language"
	"learninglog/rollup"
)

func TestAVisitorGetsTheLanguageThatTheyPrefer(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"":                              "en",
		"en":                            "en",
		"en-GB,en;q=0.9":                "en",
		"en-US,en;q=0.9":                "en-US",
		"de":                            "de",
		"de-CH":                         "de",
		"de-AT-1996-u-co-phonebk":       "de",
		"DE_de":                         "de",
		"ja-JP":                         "ja",
		"fr-FR, fr;q=0.9":               "en",
		"fr-FR, ja;q=0.2, de;q=0.1":     "ja",
		"de;q=0.1, en;q=0.2, ja;q=0.15": "en",
		"de;q=0, ja;q=0.1":              "ja",
		"*":                             "en",
	} {
		assert.Equal(t, want, language.Of(header).Tag(), header)
	}
}

func TestAHeaderThatIsNotRightIsEnglish(t *testing.T) {
	t.Parallel()
	for _, header := range []string{
		"de;q=x", "\x00", "de\xff", ";;;", "../../etc/passwd", strings.Repeat("de,", 400), strings.Repeat("-", 1000), "日本語",
	} {
		assert.Equal(t, "en", language.Of(header).Tag(), header)
	}
}

func FuzzAnyHeaderHasALanguage(f *testing.F) {
	for _, seed := range []string{"", "de", "en-US,en;q=0.9", "ja;q=0.1,*", "x-y-z", "de-u-nu-arab", "i-klingon;q=1.000"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		assert.Contains(t, language.All(), language.Of(header))
	})
}

func TestDatesAreWrittenAsIsTheCustom(t *testing.T) {
	t.Parallel()
	date := rollup.NewDate(2026, time.March, 2)
	written := func(l *language.Locale) []string {
		return []string{
			l.Date(date), l.FullDate(date), l.ShortDay(date), l.Month(date), l.ShortMonth(date), l.Year(date),
			l.Moment(time.Date(2026, time.March, 2, 15, 4, 5, 0, time.UTC)), l.Hour(7), l.Hour(24),
			l.Weekday(time.Sunday), l.ShortWeekday(time.Sunday), l.MonthName(time.December), l.ShortMonthName(time.December),
			l.FirstWeekday().String(),
		}
	}
	for header, want := range map[string][]string{
		"en": {
			"2 March 2026", "Monday, 2 March 2026", "2 Mar", "March 2026", "Mar 2026", "2026",
			"2 March 2026, 15:04:05", "07:00", "24:00", "Sunday", "Su", "December", "Dec", "Monday",
		},
		"en-US": {
			"March 2, 2026", "Monday, March 2, 2026", "Mar 2", "March 2026", "Mar 2026", "2026",
			"March 2, 2026, 3:04:05 PM", "7 AM", "12 AM", "Sunday", "Su", "December", "Dec", "Sunday",
		},
		"de": {
			"2. März 2026", "Montag, 2. März 2026", "2. März", "März 2026", "März 2026", "2026",
			"2. März 2026, 15:04:05", "07:00", "24:00", "Sonntag", "So", "Dezember", "Dez.", "Monday",
		},
		"ja": {
			"2026年3月2日", "2026年3月2日 月曜日", "3月2日", "2026年3月", "2026年3月", "2026年",
			"2026年3月2日 15:04:05", "07:00", "24:00", "日曜日", "日", "12月", "12月", "Sunday",
		},
	} {
		assert.Equal(t, want, written(language.Of(header)), header)
	}
}

func TestTheHoursOfATwelveHourClockBeginAtTwelve(t *testing.T) {
	t.Parallel()
	american := language.Of("en-US")
	for hour, want := range map[int]string{0: "12 AM", 1: "1 AM", 11: "11 AM", 12: "12 PM", 13: "1 PM", 23: "11 PM", 24: "12 AM"} {
		assert.Equal(t, want, american.Hour(hour))
	}
}

func TestNumbersAreWrittenAsIsTheCustom(t *testing.T) {
	t.Parallel()
	written := func(l *language.Locale) []string {
		return []string{
			l.Number(0), l.Number(999), l.Number(1000), l.Number(-1234567), l.Number(9223372036854775807),
			l.Decimal(12345), l.Decimal(0.25), l.Decimals(1.5, -1), l.Decimals(20, -1),
			l.Percent(12.4), l.Percent(-1234.5), l.Percent(0.4),
		}
	}
	for header, want := range map[string][]string{
		"en": {
			"0", "999", "1,000", "−1,234,567", "9,223,372,036,854,775,807", "12,345.0", "0.2", "1.5", "20", "+12%", "−1,235%", "0%",
		},
		"en-US": {
			"0", "999", "1,000", "−1,234,567", "9,223,372,036,854,775,807", "12,345.0", "0.2", "1.5", "20", "+12%", "−1,235%", "0%",
		},
		"de": {
			"0", "999", "1.000", "−1.234.567", "9.223.372.036.854.775.807", "12.345,0", "0,2", "1,5", "20",
			"+12\u00a0%", "−1.235\u00a0%", "0\u00a0%",
		},
		"ja": {
			"0", "999", "1,000", "−1,234,567", "9,223,372,036,854,775,807", "12,345.0", "0.2", "1.5", "20", "+12%", "−1,235%", "0%",
		},
	} {
		assert.Equal(t, want, written(language.Of(header)), header)
	}
}

func TestATextIsInTheFormForItsNumber(t *testing.T) {
	t.Parallel()
	written := func(l *language.Locale) []string {
		return []string{
			l.Text("words", "count", 0), l.Text("words", "count", 1), l.Text("words", "count", int64(1234)),
			l.Text("words_in_logs", "words", l.Text("words", "count", 2), "logs", 1),
		}
	}
	for header, want := range map[string][]string{
		"en": {"0 words", "1 word", "1,234 words", "2 words in 1 log"},
		"de": {"0 Wörter", "1 Wort", "1.234 Wörter", "2 Wörter in 1 Eintrag"},
		"ja": {"0語", "1語", "1,234語", "2語（記録1件）"},
	} {
		assert.Equal(t, want, written(language.Of(header)), header)
	}
}

func TestALanguageWithMoreFormsHasThem(t *testing.T) {
	t.Parallel()
	of, err := language.Load(withFile("pl.json",
		`{"texts": {"days": {"one": "{count} dzień", "few": "{count} dni", "many": "{count} dni!", "other": "{count} dnia"}}}`))
	require.NoError(t, err)
	polish := of("pl-PL")
	for n, want := range map[int]string{1: "1 dzień", 2: "2 dni", 5: "5 dni!", 22: "22 dni", -22: "−22 dni", 10_000_022: "10\u00a0000\u00a0022 dni"} {
		assert.Equal(t, want, polish.Text("days", "count", n))
	}
}

func TestValuesAreWrittenByTheirType(t *testing.T) {
	t.Parallel()
	of, err := language.Load(withFile("de.json", `{"texts": {"all": "{a}, {b}, {c}, {d}; {e}, {none}"}}`))
	require.NoError(t, err)
	assert.Equal(t, "wort, 1.234, 1,5, 2 March 2026; day, {none}",
		of("de").Text("all", "a", "wort", "b", 1234, "c", 1.5, "d", rollup.NewDate(2026, time.March, 2), "e", rollup.Day))
}

func TestAnUnknownTextIsItsID(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "no.such.text", language.Of("de").Text("no.such.text", "count", 1))
}

// So a service with a file that is behind has English sentences, not holes.
func TestWhatALanguageLacksIsThatOfItsLanguageWithoutTheRegionOrEnglish(t *testing.T) {
	t.Parallel()
	files := withFile("de-AT.json", `{"dates": {"short_day": "{day}ter {month}"}, "texts": {"days": {"other": "{count} Täg"}}}`)
	files["de.json"] = &fstest.MapFile{Data: []byte(`{"texts": {"days": {"one": "{count} Tag", "other": "{count} Tage"}, "weeks": "Wochen"}}`)}
	of, err := language.Load(files)
	require.NoError(t, err)
	austrian := of("de-AT")
	assert.Equal(t, "1 Täg", austrian.Text("days", "count", 1))
	assert.Equal(t, "Wochen", austrian.Text("weeks"))
	assert.Equal(t, "2 logs", austrian.Text("logs", "count", 2))
	assert.Equal(t, "2ter March", austrian.ShortDay(rollup.NewDate(2026, time.March, 2)))
	assert.Equal(t, "2 March", of("de-DE").ShortDay(rollup.NewDate(2026, time.March, 2)))
	assert.Equal(t, "1 Tag", of("de-DE").Text("days", "count", 1))
}

func TestAFileThatIsNotRightIsRefused(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		`{"texts": {"days": {"some": "x"}}}`:    "not a form",
		`{"texts": {"days": "{count"}}`:         "a } ends",
		`{"texts": {"days": "count}"}}`:         "no { before",
		`{"texts": {"days": "{a{b}}"}}`:         "a } ends",
		`{"text": {}}`:                          "unknown field",
		`{"dates": {"first_weekday": "Monda"}}`: "no weekday",
		`{`:                                     "unexpected EOF",
	} {
		_, err := language.Load(withFile("de.json", content))
		assert.ErrorContains(t, err, want, content)
	}
	_, err := language.Load(withFile("deutsch (neu).json", `{}`))
	assert.ErrorContains(t, err, "not named after a language")
	_, err = language.Load(fstest.MapFS{})
	assert.Error(t, err, "without English")
}

// withFile returns English with another file.
func withFile(name, content string) fstest.MapFS {
	return fstest.MapFS{
		"en.json": {Data: []byte(`{
			"dates": {"date": "{day} {month} {year}", "short_day": "{day} {month}", "months": ["January", "February", "March"]},
			"texts": {"days": {"one": "{count} day", "other": "{count} days"}, "logs": "{count} logs", "weeks": "weeks"}
		}`)},
		name: {Data: []byte(content)},
	}
}

func BenchmarkLanguage(b *testing.B) {
	german := language.Of("de")
	date, sums := rollup.NewDate(2026, time.March, 2), german.Text("words", "count", 1234)
	for name, do := range map[string]func(){
		"Of":       func() { language.Of("en-US,en;q=0.9,de;q=0.8") },
		"FullDate": func() { german.FullDate(date) },
		"Number":   func() { german.Number(12345) },
		"Decimal":  func() { german.Decimal(12345.6) },
		"Text":     func() { german.Text("chart.words") },
		"Count":    func() { german.Text("words", "count", int64(12345)) },
		"Sentence": func() { german.Text("words_in_logs", "words", sums, "logs", int64(12345)) },
		"Longest":  func() { language.Of(strings.Repeat("de-AT-1996-u-co-phonebk,", 40)) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				do()
			}
		})
	}
}

func ExampleLocale_Text() {
	for _, header := range []string{"en", "de", "ja"} {
		fmt.Println(language.Of(header).Text("words", "count", 2))
	}
	// Output:
	// 2 words
	// 2 Wörter
	// 2語
}
