package horizon_test

import (
	"testing"

	"learninglog/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }
