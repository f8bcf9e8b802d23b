package dashboard //nolint:testpackage // a package has one TestMain

import (
	"testing"

	"learninglog/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }
