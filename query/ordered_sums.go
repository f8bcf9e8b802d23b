package query

import "learninglog/rollup"

// orderedSums are sums of periods, in time order.
type orderedSums []PeriodSummary

// by returns the sums of longer periods, or of the same. It may overwrite the list. It fails
// with [ErrSumTooLarge].
func (s orderedSums) by(granularity rollup.Granularity) (longer orderedSums, err error) {
	longer = s[:0]
	for _, sums := range s {
		sums.Period = granularity.Start(sums.Period)
		if last := len(longer) - 1; last >= 0 && longer[last].Period == sums.Period {
			if longer[last].Sums, err = plus(longer[last].Sums, sums.Sums); err != nil {
				return nil, err
			}
			continue
		}
		longer = append(longer, sums)
	}
	return longer, nil
}

// next returns the sums of a period, and drops those before it. So it must be asked for
// periods in time order.
func (s *orderedSums) next(start rollup.Date) rollup.Sums {
	for len(*s) > 0 && (*s)[0].Period < start {
		*s = (*s)[1:]
	}
	if len(*s) > 0 && (*s)[0].Period == start {
		return (*s)[0].Sums
	}
	return rollup.Sums{}
}
