package language

import (
	"fmt"
	"strconv"
	"time"

	"learninglog/rollup"
)

// dates says how a language writes dates. The places in its patterns are day, month,
// short_month, year, weekday and short_weekday; date, time and hour are other patterns; and of a time of
// day hour (00 to 24), minute, second, and on a clock of twelve hours hour_of_half and half.
type dates struct {
	FirstWeekday weekday `json:"first_weekday"`
	// Weekdays are those from Sunday.
	Weekdays      [7]string  `json:"weekdays"`
	ShortWeekdays [7]string  `json:"short_weekdays"`
	Months        [12]string `json:"months"`
	ShortMonths   [12]string `json:"short_months"`
	// Halves are those of a day before and after noon.
	Halves [2]string `json:"halves"`

	Date       pattern `json:"date"`
	FullDate   pattern `json:"full_date"`
	ShortDay   pattern `json:"short_day"`
	Month      pattern `json:"month"`
	ShortMonth pattern `json:"short_month"`
	Year       pattern `json:"year"`
	Time       pattern `json:"time"`
	Hour       pattern `json:"hour"`
	// Moment has the places date and time.
	Moment pattern `json:"moment"`
	// Listed is a moment of this year in a list.
	Listed pattern `json:"listed"`
}

// weekday is a day of the week, by its English name.
type weekday time.Weekday

// UnmarshalText reads the name.
func (w *weekday) UnmarshalText(name []byte) error {
	for day := time.Sunday; day <= time.Saturday; day++ {
		if day.String() == string(name) {
			*w = weekday(day)
			return nil
		}
	}
	return fmt.Errorf("%q is no weekday such as %q", name, time.Monday)
}

// append appends a date, with its time of day where the pattern has that.
func (d *dates) append(to []byte, pattern pattern, t time.Time) []byte {
	for _, part := range pattern {
		to = append(to, part.literal...)
		switch part.name {
		case "": // a literal
		case "date":
			to = d.append(to, d.Date, t)
		case "time":
			to = d.append(to, d.Time, t)
		case "year":
			to = strconv.AppendInt(to, int64(t.Year()), 10)
		case "month":
			to = append(to, d.Months[t.Month()-1]...)
		case "short_month":
			to = append(to, d.ShortMonths[t.Month()-1]...)
		case "day":
			to = strconv.AppendInt(to, int64(t.Day()), 10)
		case "weekday":
			to = append(to, d.Weekdays[t.Weekday()]...)
		case "short_weekday":
			to = append(to, d.ShortWeekdays[t.Weekday()]...)
		default:
			to = d.appendTime(to, part.name, t.Hour(), t.Minute(), t.Second())
		}
	}
	return to
}

// appendTime appends what is at a place of a time of day.
func (d *dates) appendTime(to []byte, name string, hour, minute, second int) []byte {
	const noon, wholeDay = 12, 24
	switch name {
	case "hour":
		return appendTwoDigits(to, hour)
	case "minute":
		return appendTwoDigits(to, minute)
	case "second":
		return appendTwoDigits(to, second)
	case "hour_of_half":
		return strconv.AppendInt(to, int64((hour+noon-1)%noon+1), 10)
	case "half":
		return append(to, d.Halves[hour%wholeDay/noon]...)
	default:
		return append(append(append(to, '{'), name...), '}')
	}
}

func appendTwoDigits(to []byte, n int) []byte {
	const ten = 10
	return append(to, '0'+byte(n/ten%ten), '0'+byte(n%ten)) //nolint:gosec // digits
}

func (d *dates) write(pattern pattern, t time.Time) string {
	var room [64]byte
	return string(d.append(room[:0], pattern, t))
}

// Date returns a date, such as 2 March 2026.
func (l *Locale) Date(date rollup.Date) string { return l.dates.write(l.dates.Date, date.Time()) }

// FullDate returns a date with its weekday, such as Monday, 2 March 2026.
func (l *Locale) FullDate(date rollup.Date) string {
	return l.dates.write(l.dates.FullDate, date.Time())
}

// ShortDay returns a date without its year where there is little room, such as 2 Mar.
func (l *Locale) ShortDay(date rollup.Date) string {
	return l.dates.write(l.dates.ShortDay, date.Time())
}

// Month returns the month of a date, such as March 2026.
func (l *Locale) Month(date rollup.Date) string { return l.dates.write(l.dates.Month, date.Time()) }

// ShortMonth returns the month of a date where there is little room, such as Mar 2026.
func (l *Locale) ShortMonth(date rollup.Date) string {
	return l.dates.write(l.dates.ShortMonth, date.Time())
}

// Year returns the year of a date.
func (l *Locale) Year(date rollup.Date) string { return l.dates.write(l.dates.Year, date.Time()) }

// MonthName returns the name of a month, such as March.
func (l *Locale) MonthName(month time.Month) string { return l.dates.Months[month-1] }

// ShortMonthName returns the name of a month where there is little room, such as Mar.
func (l *Locale) ShortMonthName(month time.Month) string { return l.dates.ShortMonths[month-1] }

// Weekday returns the name of a weekday.
func (l *Locale) Weekday(weekday time.Weekday) string { return l.dates.Weekdays[weekday] }

// ShortWeekday returns the name of a weekday where there is room for two or three letters.
func (l *Locale) ShortWeekday(weekday time.Weekday) string { return l.dates.ShortWeekdays[weekday] }

// FirstWeekday returns on which day a week begins in a calendar.
func (l *Locale) FirstWeekday() time.Weekday { return time.Weekday(l.dates.FirstWeekday) }

// Moment returns a date and a time of day, as the clocks of its location show it.
func (l *Locale) Moment(t time.Time) string { return l.dates.write(l.dates.Moment, t) }

// ListedMoment returns a moment of this year as in a list: by its weekday and time, such as
// Monday, 2 March, 07:30.
func (l *Locale) ListedMoment(t time.Time) string { return l.dates.write(l.dates.Listed, t) }

// Hour returns the time of day at which an hour begins, from 0 to 24, such as 07:00.
func (l *Locale) Hour(hour int) string {
	var room [32]byte
	written := room[:0]
	for _, part := range l.dates.Hour {
		written = append(written, part.literal...)
		if part.name != "" {
			written = l.dates.appendTime(written, part.name, hour, 0, 0)
		}
	}
	return string(written)
}
