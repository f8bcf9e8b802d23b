package main_test

import (
	"testing"
)

type smallDisk struct{}

var _ testing.TB
