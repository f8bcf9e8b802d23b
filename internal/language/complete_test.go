package language_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/language"
	"learninglog/rollup"
)

// written is a file, without what it takes from others.
type written struct {
	Dates map[string]any           `json:"dates"`
	Texts map[string]language.Text `json:"texts"`
}

func read(t *testing.T, name string) written {
	t.Helper()
	data, err := fs.ReadFile(language.Files(), name+".json")
	require.NoError(t, err)
	var file written
	require.NoError(t, json.Unmarshal(data, &file))
	return file
}

func TestEachLanguageHasEveryText(t *testing.T) {
	t.Parallel()
	english := read(t, "en")
	for _, locale := range language.All() {
		file := read(t, locale.Tag())
		if !locale.IsOfRegion() {
			assert.Equal(t, sortedKeys(english.Texts), sortedKeys(file.Texts), "texts of %s", locale.Tag())
			assert.Equal(t, sortedKeys(english.Dates), sortedKeys(file.Dates), "dates of %s", locale.Tag())
		}
		for id := range file.Texts {
			assert.Contains(t, english.Texts, id, "%s has a text that English doesn't have", locale.Tag())
		}
	}
}

// A form such as "the latest log" may do without its number.
func TestEachTextHasTheSamePlaces(t *testing.T) {
	t.Parallel()
	english := read(t, "en")
	for _, locale := range language.All() {
		for id, text := range read(t, locale.Tag()).Texts {
			want := places(t, english.Texts[id]["other"])
			for form, written := range text {
				if got := places(t, written); form == "other" {
					assert.ElementsMatch(t, want, got, "%s of %s", id, locale.Tag())
				} else {
					assert.Subset(t, want, got, "%s of %s, %s", id, locale.Tag(), form)
				}
			}
		}
	}
}

func TestEachTextHasTheFormsOfItsLanguage(t *testing.T) {
	t.Parallel()
	english := read(t, "en")
	for _, locale := range language.All() {
		for id, text := range read(t, locale.Tag()).Texts {
			want := []string{"other"}
			if len(english.Texts[id]) > 1 {
				want = sortedKeys(language.FormsOf(locale.Tag()))
			}
			assert.Equal(t, want, sortedKeys(text), "%s of %s", id, locale.Tag())
		}
	}
}

func TestTextsAreTranslated(t *testing.T) {
	t.Parallel()
	english := read(t, "en")
	same := map[string]bool{ // in several languages
		"chart.sums": true, "layout.api": true,
	}
	for _, locale := range language.All() {
		if locale.IsOfRegion() || locale == language.English() {
			continue
		}
		for id, text := range read(t, locale.Tag()).Texts {
			for form, written := range text {
				assert.NotEmpty(t, strings.TrimSpace(written), "%s of %s", id, locale.Tag())
				assert.False(t, !same[id] && written == english.Texts[id][form], "%s of %s is as in English: %s", id, locale.Tag(), written)
			}
		}
	}
}

func TestDatesHaveOnlyPlacesThatThereAre(t *testing.T) {
	t.Parallel()
	for _, l := range language.All() {
		for month := time.January; month <= time.December; month++ {
			date := rollup.NewDate(2026, month, int(month))
			for _, written := range []string{
				l.Date(date), l.FullDate(date), l.ShortDay(date), l.ListedMoment(date.Time()), l.Month(date), l.ShortMonth(date), l.Year(date),
				l.Moment(date.Time()), l.Hour(int(month)), l.MonthName(month), l.ShortMonthName(month),
				l.Weekday(date.Time().Weekday()), l.ShortWeekday(date.Time().Weekday()),
			} {
				assert.NotEmpty(t, written, l.Tag())
				assert.NotContains(t, written, "{", l.Tag())
			}
		}
	}
}

// A translator finds a text where the English file has it.
func TestTextsAreInTheOrderOfTheirIDs(t *testing.T) {
	t.Parallel()
	for _, locale := range language.All() {
		data, err := fs.ReadFile(language.Files(), locale.Tag()+".json")
		require.NoError(t, err)
		_, texts, hasTexts := strings.Cut(string(data), `"texts": {`)
		if !hasTexts {
			continue
		}
		var ids []string
		for line := range strings.Lines(texts) {
			if rest, isID := strings.CutPrefix(line, `    "`); isID {
				id, _, _ := strings.Cut(rest, `"`)
				ids = append(ids, id)
			}
		}
		assert.Len(t, ids, len(read(t, locale.Tag()).Texts), "each on a line that begins with four spaces")
		assert.Equal(t, slices.Sorted(slices.Values(ids)), ids, locale.Tag())
	}
}

func places(t *testing.T, written string) []string {
	t.Helper()
	found, err := language.Places(written)
	require.NoError(t, err)
	return found
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
