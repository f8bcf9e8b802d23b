// Learninglog records what people learn and shows it back to them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/adrg/xdg"
	"github.com/alecthomas/kong"

	"learninglog/rollup/rebuild"
)

// The exit statuses. As with grep, one means that something was found, and another
// that the search itself failed.
const (
	exitFound   = 1
	exitFailure = 2
)

// Errors of commands that found something, and have already reported it.
var (
	errDrift   = errors.New("drift found")
	errRejects = errors.New("some logs were rejected")
)

type commandLine struct {
	Serve      serveCommand      `cmd:"" help:"Run the service."`
	Migrate    migrateCommand    `cmd:"" help:"Bring the database's tables to this version, or remove them."`
	Distribute distributeCommand `cmd:"" help:"Distribute the tables over the nodes of a Citus cluster, while no service runs."`
	Import     importCommand     `cmd:"" help:"Import learning logs from a file, through a running service. Exits with 1 where some were rejected."`
	Void       voidCommand       `cmd:"" help:"Take learning logs back, through a running service. Exits with 1 where some were unknown."`
	Rebuild    rebuildCommand    `cmd:"" help:"Repair the rollups while the service goes on; watch, cancel or list rebuilds."`
	Rezone     rezoneCommand     `cmd:"" help:"Give logs that were recorded without a zone the days of another one."`
	Purge      purgeCommand      `cmd:"" help:"Delete old logs, and keep what they add up to. Exits with 1 where drift was in the way."`
	Verify     verifyCommand     `cmd:"" help:"Compare the rollups with the logs. Exits with 1 where they differ."`
	Export     exportCommand     `cmd:"" help:"Take along everything of a learner, through a running service."`
	Erase      eraseCommand      `cmd:"" help:"Delete everything of a learner for good, take that back, or list whom it was done to."`
	Key        keyCommand        `cmd:"" help:"Create, list, rotate and revoke the keys with which programs say who they are."`
	Health     healthCommand     `cmd:"" help:"Ask a running service whether it is ready, as a container's health check does."`
	OpenAPI    openAPICommand    `cmd:"" name:"openapi" help:"Print the OpenAPI document."`
	Version    versionCommand    `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once. A signal that is merely delivered
	// twice, as by timeout(1), does not.
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run runs the command that the arguments select, and returns its exit status.
func run(ctx context.Context, arguments []string, stdout, stderr io.Writer) int {
	var line commandLine
	parser, err := kong.New(&line,
		kong.Name("learninglog"),
		kong.Description("Records what people learn and shows it back to them: every acknowledged log is counted "+
			"exactly once, in every period, at every commit."),
		kong.Vars{
			"data_dir":     defaultDataDir(),
			"max_users":    strconv.Itoa(rebuild.MaxUsers),
			"min_pace":     strconv.Itoa(rebuild.MinPace),
			"max_workers":  strconv.Itoa(rebuild.MaxWorkers),
			"rebuild_pace": strconv.Itoa(rebuild.DefaultPace),
		},
		kong.Writers(stdout, stderr),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.BindTo(stdout, (*io.Writer)(nil)),
	)
	if err != nil {
		return fail(stderr, err)
	}
	chosen, err := parser.Parse(arguments)
	if err != nil {
		return fail(stderr, fmt.Errorf("%s%s\nSee: %s %s", withoutSecrets(err, arguments), hint(arguments), called(), helpFor(err)))
	}
	err = chosen.Run()
	if errors.Is(err, errDrift) || errors.Is(err, errRejects) {
		return exitFound
	}
	if err != nil {
		return fail(stderr, err)
	}
	return 0
}

// withoutSecrets returns the text of err without keys, and without arguments that look like
// the URL of a database, or like a part of one in the form key=value. kong repeats an
// argument that it doesn't expect, such as a URL whose flag was forgotten.
func withoutSecrets(err error, arguments []string) string {
	text := err.Error()
	for _, argument := range arguments {
		if !strings.HasPrefix(argument, "-") && strings.ContainsAny(argument, "@=") {
			text = strings.ReplaceAll(text, argument, "…")
		}
	}
	return text
}

// hint suggests what was meant by an unknown word after rebuild. kong takes such a
// word for an argument of the default subcommand.
func hint(arguments []string) string {
	if len(arguments) < 2 || arguments[0] != "rebuild" || strings.HasPrefix(arguments[1], "-") {
		return ""
	}
	subcommands := []string{"start", "watch", "cancel", "list"}
	if slices.Contains(subcommands, arguments[1]) {
		return ""
	}
	if _, err := strconv.ParseInt(arguments[1], 10, 64); err == nil {
		return fmt.Sprintf(": did you mean `%s rebuild watch %s`?", called(), arguments[1])
	}
	return ": the subcommands of rebuild are " + strings.Join(subcommands, ", ")
}

// helpFor returns the arguments that show help for the command with the error.
func helpFor(err error) string {
	wrong, ok := errors.AsType[*kong.ParseError](err)
	if !ok || wrong.Context == nil || wrong.Context.Selected() == nil {
		return "--help"
	}
	node := wrong.Context.Selected()
	if node.DefaultCmd != nil { // the flags belong to the default command
		node = node.DefaultCmd
	}
	return strings.TrimPrefix(node.FullPath(), wrong.Context.Model.Name+" ") + " --help"
}

// fail prints an error, without what looks like a key: somebody may have given one where a
// file belongs.
func fail(stderr io.Writer, err error) int {
	_, _ = fmt.Fprintln(stderr, "learninglog:", regexp.MustCompile(`llk_\w+`).ReplaceAllString(err.Error(), "llk_…"))
	return exitFailure
}

// defaultDataDir is in the user's data directory. For root it is outside of root's
// home, because PostgreSQL doesn't run as root and couldn't enter that.
func defaultDataDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/learninglog"
	}
	return filepath.Join(xdg.DataHome, "learninglog")
}
