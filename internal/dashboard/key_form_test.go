package dashboard //nolint:testpackage // as the test of the other form

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWhatIsWrongWithAKeyIsNamedAsInTheForm(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		form keyForm
		says string
	}{
		{keyForm{Name: " ", Scopes: []string{"keys"}}, "name must be of 1 to 100 printable characters"},
		{keyForm{Name: "x"}, "scopes must be some of logs:write, logs:read, rebuilds, keys"},
		{keyForm{Name: "x", Scopes: []string{"keys"}, Rate: "1000000001"}, "logs a second must be from 1 to 1000000000"},
		{keyForm{Name: "x", Scopes: []string{"keys"}, Days: "0"}, "days must be a whole number from 1 to 36500"},
	} {
		_, err := test.form.wanted()
		assert.EqualError(t, err, test.says)
	}
	_, err := keyForm{Name: "x", Scopes: []string{"keys"}, Days: "1", Rate: "1"}.wanted()
	assert.NoError(t, err)
}
