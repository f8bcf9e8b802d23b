package rebuild

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/rollup"
)

// What a row of sidesSQL is: what the logs of a day or a sealed day count for, or else a row
// of the rollup, of the granularity with this index among [rollup.Granularities].
const (
	logsSide   = -2
	sealedSide = -1
)

// sidesSQL lists both sides of a comparison, which it would take PostgreSQL longer to compare
// than to send. They are user by user, so that little of them has to be kept, and those of a
// user are of one snapshot: where tables are distributed, a user's logs and rollups are at the
// same node, and Citus passes the statement on whole, because each side has the user.
func (r userRange) sidesSQL() string {
	const columns = `
	SELECT user_id, %s AS side, %s - DATE '1970-01-01' AS date, %s AS words, %s AS entries`
	inTime := ` WHERE ` + r.usersSQL() + ` AND "timestamp" >= @logs_lower AND "timestamp" < @logs_upper`
	return `SELECT * FROM (` + fmt.Sprintf(columns, strconv.Itoa(logsSide), rollup.DateSQL, "sum(words)", "sum(entries)") + `
	FROM ` + rollup.LogsSQL("learning_log") + ` AS logs` + inTime + `
	GROUP BY user_id, ` + rollup.DateSQL + `
	UNION ALL` + fmt.Sprintf(columns, strconv.Itoa(sealedSide), rollup.DateSQL, "words", "entries") + `
	FROM ` + rollup.SealedSQL + ` AS sealed` + inTime + `
	UNION ALL` + fmt.Sprintf(columns, `CASE granularity WHEN 'day' THEN 0 WHEN 'week' THEN 1 ELSE 2 END`,
		"period", "total_word_count", "entry_count") + `
	FROM learning_log_aggregates
	WHERE ` + r.usersSQL() + ` AND ` + inWindowSQL + `
	) AS sides ORDER BY user_id`
}

// inWindowSQL is a condition for the periods of the window, for each granularity.
const inWindowSQL = `CASE
	    WHEN granularity = 'day' THEN period >= @day_first AND period < @day_end
	    WHEN granularity = 'week' THEN period >= @week_first AND period < @week_end
	    ELSE period >= @month_first AND period < @month_end END`

// sides compares both sides, one user after another.
type sides struct {
	found compared
	each  func(Drift)
	// granularities are all, and windows those of their periods.
	granularities []rollup.Granularity
	windows       []window
	user          uuid.UUID
	// logs are how many logs and sealed days of the user there are. A log is counted only in the
	// range that has its month.
	logs  int64
	sums  map[periodOfUser]bothSums
	wrong []periodOfUser // is used again for the next user
}

type periodOfUser struct {
	granularity int // as in sidesSQL
	start       rollup.Date
}

// compare orders the periods of a user as the key of the rollup does.
func (p periodOfUser) compare(other periodOfUser) int {
	return cmp.Or(cmp.Compare(p.granularity, other.granularity), cmp.Compare(p.start, other.start))
}

// bothSums are the sums of a period.
type bothSums struct {
	was, is rollup.Sums
	// stored says that there is a row of the rollup, and counted that there are logs.
	stored, counted bool
}

// compared is the result of comparing a user range.
type compared struct {
	users, logs int64
	// drifted and examples are as in a [Chunk].
	drifted  DriftedRows
	examples []Drift
	// wrong has the users who have a drifted row or an empty row to sweep: true if one
	// has drifted. empty says that there is an empty row, or will be one after the
	// repair.
	wrong map[uuid.UUID]bool
	empty bool
}

// add adds a row that differs.
func (c *compared) add(drift Drift) {
	c.wrong[drift.UserID] = c.wrong[drift.UserID] || drift.Was != drift.Is
	c.empty = c.empty || drift.Is == rollup.Sums{}
	if drift.Was != drift.Is {
		c.drifted.count(drift.Granularity)
		c.examples = withExample(c.examples, drift)
	}
}

// compare compares the rollups of a range with the truth, and passes on the sums that differ, in
// the order of the keys of their rows.
func compare(ctx context.Context, tx pgx.Tx, of userRange, scope Scope, each func(Drift)) (compared, error) {
	s := sides{
		each:          each,
		found:         compared{wrong: make(map[uuid.UUID]bool)},
		granularities: rollup.Granularities(),
		sums:          make(map[periodOfUser]bothSums),
	}
	for _, granularity := range s.granularities {
		s.windows = append(s.windows, scope.periods(granularity).within(of.window))
	}
	rows, err := tx.Query(ctx, of.sidesSQL(), of.arguments(scope))
	if err != nil {
		return compared{}, fmt.Errorf("comparing rollups with logs: %w", err)
	}
	defer rows.Close()
	for err == nil && rows.Next() {
		err = s.read(rows.RawValues())
	}
	if err == nil {
		err = rows.Err()
	}
	if err != nil {
		return compared{}, fmt.Errorf("comparing rollups with logs: %w", err)
	}
	s.endUser()
	return s.found, nil
}

// read adds a row of sidesSQL as PostgreSQL has sent it. There are millions of them, and pgx
// would take longer to scan one than everything else takes that is done with it.
func (s *sides) read(row [][]byte) error {
	const integer, bigint = 4, 8 // bytes
	for i, length := range []int{len(s.user), integer, integer, bigint, bigint} {
		if len(row[i]) != length {
			return fmt.Errorf("column %d of a row has %d bytes", i, len(row[i]))
		}
	}
	if user := uuid.UUID(row[0]); user != s.user {
		s.endUser()
		s.user = user
	}
	side, date := int32(binary.BigEndian.Uint32(row[1])), int32(binary.BigEndian.Uint32(row[2]))     //nolint:gosec // they are signed
	words, entries := int64(binary.BigEndian.Uint64(row[3])), int64(binary.BigEndian.Uint64(row[4])) //nolint:gosec // they are signed
	return s.add(int(side), rollup.Date(date), rollup.Sums{TotalWordCount: words, EntryCount: entries})
}

// add adds a row of the user.
func (s *sides) add(side int, date rollup.Date, sums rollup.Sums) error {
	if side >= 0 {
		period := s.sums[periodOfUser{side, date}]
		period.was, period.stored = sums, true
		s.sums[periodOfUser{side, date}] = period
		return nil
	}
	for i, granularity := range s.granularities {
		key := periodOfUser{i, granularity.Start(date)}
		if !s.windows[i].has(key.start) {
			continue
		}
		period := s.sums[key]
		var fits bool
		if period.is, fits = period.is.PlusIfFits(sums); !fits {
			return fmt.Errorf("what user %s learned in the %s of %s doesn't fit into a bigint", s.user, granularity, key.start)
		}
		period.counted = true
		s.sums[key] = period
		if granularity != rollup.Month {
			continue
		}
		if side == sealedSide { // which takes as long to read as a log
			s.logs++
		} else {
			s.logs += sums.EntryCount
		}
	}
	return nil
}

// endUser finds where the sides of a user differ.
func (s *sides) endUser() {
	wrong := s.wrong[:0]
	for key, period := range s.sums {
		if period.stored != period.counted || period.was != period.is {
			wrong = append(wrong, key)
		}
	}
	slices.SortFunc(wrong, periodOfUser.compare)
	for _, key := range wrong {
		period := s.sums[key]
		drift := Drift{
			UserID: s.user, Granularity: s.granularities[key.granularity], Period: key.start, Was: period.was, Is: period.is,
		}
		s.found.add(drift)
		if drift.Was != drift.Is {
			s.each(drift)
		}
	}
	if s.logs > 0 {
		s.found.users++
		s.found.logs += s.logs
	}
	clear(s.sums)
	s.wrong, s.logs = wrong, 0
}
