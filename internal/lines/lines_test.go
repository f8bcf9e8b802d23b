package lines_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/lines"
)

const longest = 32

// read returns all lines, and the error that ended the reading.
func read(source io.Reader) (got []string, end error) {
	reader := lines.NewReader(source, longest)
	for {
		line, err := reader.Next()
		switch {
		case errors.Is(err, lines.ErrTooLong):
			got = append(got, "(too long)")
		case err != nil:
			return got, err
		default:
			got = append(got, string(line))
		}
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	full := strings.Repeat("x", longest)
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"nothing":                          {"", nil},
		"one without a line break":         {"a", []string{"a"}},
		"the last with a line break":       {"a\nb\n", []string{"a", "b"}},
		"line breaks of other systems":     {"a\r\nb\r\n", []string{"a", "b"}},
		"blank ones":                       {"\na\n \n", []string{"", "a", ""}},
		"the longest":                      {full + "\r\n" + full, []string{full, full}},
		"a byte too many":                  {full + "x\n" + full, []string{"(too long)", full}},
		"too long a one":                   {"a\n" + full + full + full + "\nb", []string{"a", "(too long)", "b"}},
		"too long a one, which is the end": {strings.Repeat(full, 100), []string{"(too long)"}},
	} {
		for how, source := range map[string]io.Reader{
			"at once":           strings.NewReader(test.text),
			"byte by byte":      iotest.OneByteReader(strings.NewReader(test.text)),
			"the end with data": iotest.DataErrReader(strings.NewReader(test.text)),
		} {
			got, end := read(source)
			assert.Equal(t, test.want, got, "%s, %s", name, how)
			assert.Equal(t, io.EOF, end, "%s, %s", name, how)
		}
	}
}

func TestALineThatBreaksOffIsDropped(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"a\nbro", "a\n" + strings.Repeat("x", 3*longest)} {
		got, end := read(io.MultiReader(strings.NewReader(text), iotest.ErrReader(io.ErrUnexpectedEOF)))
		assert.Equal(t, []string{"a"}, got)
		assert.Equal(t, io.ErrUnexpectedEOF, end)
	}
}

func TestNumbersCountEveryLine(t *testing.T) {
	t.Parallel()
	reader := lines.NewReader(strings.NewReader("a\n\n"+strings.Repeat("x", 3*longest)+"\nb\n"), longest)
	var numbers []int
	for {
		_, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		numbers = append(numbers, reader.Number())
	}
	assert.Equal(t, []int{1, 2, 3, 4}, numbers)
}

// Lines that have arrived are passed on before the reader waits for more.
func TestAtHand(t *testing.T) {
	t.Parallel()
	arriving := iotest.DataErrReader(io.MultiReader(strings.NewReader("a\nb\nc"), strings.NewReader("c\nd")))
	reader := lines.NewReader(arriving, longest)
	assert.False(t, reader.AtHand(), "nothing was read yet")
	for _, want := range []struct {
		line   string
		atHand bool
	}{
		{"a", true},
		{"b", false}, // the rest of an incomplete line may take long
		{"cc", true}, // the rest is the last line: nothing more will arrive
		{"d", true},
	} {
		line, err := reader.Next()
		require.NoError(t, err)
		assert.Equal(t, want.line, string(line))
		assert.Equal(t, want.atHand, reader.AtHand(), "after %q", line)
	}
}
